//! The server that a plugin meets in a rehearsal, as a script that `bedcheck plugin test` reads. What the steps
//! do is bedcheck's to say; here they are written down. Pure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::toml;

/// The address that the server's name leads to: one that is kept for documentation (RFC 5737).
const ADDRESS: &str = "192.0.2.1";

/// A server that follows a script. It knows no protocol: the truth of a test is the bytes written in the test.
///
/// The first connection of a run is answered as the first [`on_connect`](Self::on_connect) says, the second as the
/// second, and so on; further ones are refused.
///
/// ```
/// use bedcheck_sdk::test::{Server, Tls};
///
/// // STARTTLS, and a certificate that is too old.
/// let server = Server::new("mail.example.org").on_connect(|peer| {
///     peer.send("* OK ready\r\n")
///         .expect("{tag} STARTTLS\r\n")
///         .send("{tag} OK begin\r\n")
///         .start_tls(Tls::new().fails_with("certificate-expired"))
/// });
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    File(PathBuf),
    Script(Script),
}

#[derive(Debug, Clone, Default)]
struct Script {
    head: String,
    names: String,
    connections: String,
}

impl Server {
    /// A server of this name, which answers no connection yet. The name leads to `192.0.2.1`; it may be an address
    /// as well.
    #[must_use]
    pub fn new(host: &str) -> Self {
        let server = Self {
            source: Source::Script(Script::default()),
        };
        match host.parse::<std::net::IpAddr>() {
            Ok(_) => server,
            Err(_) => server.name(host, [ADDRESS]),
        }
    }

    /// A server whose script is in this file; a relative path begins where `cargo test` runs, in the folder of the
    /// package. What is added to it by other methods is ignored.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self {
            source: Source::File(path.into()),
        }
    }

    /// A further name, and the addresses that it leads to.
    #[must_use]
    pub fn name<S: AsRef<str>>(self, name: &str, addresses: impl IntoIterator<Item = S>) -> Self {
        let line = format!("{} = {}\n", toml::string(name), toml::strings(addresses));
        self.edit(|script| script.names.push_str(&line))
    }

    /// A further name that cannot be looked up: `name-not-found`, `name-server-failure` or `no-address`.
    #[must_use]
    pub fn name_fails_with(self, name: &str, error: &str) -> Self {
        let line = format!("{} = {}\n", toml::string(name), toml::string(error));
        self.edit(|script| script.names.push_str(&line))
    }

    /// How long each look-up, dialling, handshake and answer takes, in virtual time; a millisecond by default, so
    /// that phases have a length and an order.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        let line = format!("latency = {}\n", toml::string(&toml::duration(latency)));
        self.edit(|script| script.head.push_str(&line))
    }

    /// What happens on the next connection.
    #[must_use]
    pub fn on_connect(self, steps: impl FnOnce(Peer) -> Peer) -> Self {
        let peer = steps(Peer::default());
        self.connection(&peer.render(false))
    }

    /// What happens on the next connection and on every one after it. The last of the server's connections.
    #[must_use]
    pub fn on_every_connect(self, steps: impl FnOnce(Peer) -> Peer) -> Self {
        let peer = steps(Peer::default());
        self.connection(&peer.render(true))
    }

    /// What happens on the next connection, if it is a socket for datagrams: each `expect` takes a whole datagram, each
    /// `send` is one. When the plugin sends what nothing expects, nobody listens any more.
    #[must_use]
    pub fn on_datagrams(self, steps: impl FnOnce(Peer) -> Peer) -> Self {
        let peer = steps(Peer::default());
        self.connection(&format!("transport = \"udp\"\n{}", peer.render(false)))
    }

    /// The next connection is a socket for datagrams, and fails: `connection-refused`, once something is sent,
    /// `host-unreachable` or `network-unreachable`.
    #[must_use]
    pub fn datagrams_fail_with(self, error: &str) -> Self {
        self.connection(&format!("transport = \"udp\"\nerror = {}\n", toml::string(error)))
    }

    /// The next connection cannot be made: `connection-refused`, `connection-reset`, `host-unreachable` or
    /// `network-unreachable`.
    #[must_use]
    pub fn connect_fails_with(self, error: &str) -> Self {
        self.connection(&format!("error = {}\n", toml::string(error)))
    }

    fn connection(self, keys: &str) -> Self {
        let table = format!("\n[[connection]]\n{keys}");
        self.edit(|script| script.connections.push_str(&table))
    }

    fn edit(mut self, edit: impl FnOnce(&mut Script)) -> Self {
        if let Source::Script(script) = &mut self.source {
            edit(script);
        }
        self
    }

    /// The file it was read from, if it was.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Script(_) => None,
        }
    }

    /// The script as TOML; nothing for one that is in a file.
    pub(super) fn script(&self) -> String {
        match &self.source {
            Source::File(_) => String::new(),
            Source::Script(script) => {
                format!("{}\n[names]\n{}{}", script.head, script.names, script.connections)
            }
        }
    }
}

/// The server's side of a connection, step by step. After the last step it is silent.
///
/// Texts can capture and repeat: `expect("{tag} NOOP\r\n")` takes any word for `{tag}`, which `send("{tag} OK\r\n")`
/// repeats; `{name:rest}` takes anything up to the end of the line, `{name:2}` exactly two bytes, `{name:same}` only
/// what was captured before, `{0xC00C}` are these bytes, and `{{` and `}}` are braces.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    port: Option<u16>,
    steps: Vec<String>,
}

impl Peer {
    /// Answers on this port only; by default on any.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sends this text. It is never read together with that of another step.
    #[must_use]
    pub fn send(self, text: &str) -> Self {
        self.then("send", &toml::string(text))
    }

    /// Sends these bytes, whatever they are; nothing in them is a capture.
    #[must_use]
    pub fn send_bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then("send_base64", &toml::string(&toml::base64(bytes.as_ref())))
    }

    /// Waits until the plugin has written this. When it writes what nothing expects, the server hangs up, as
    /// servers do that no longer understand.
    #[must_use]
    pub fn expect(self, text: &str) -> Self {
        self.then("expect", &toml::string(text))
    }

    /// Waits until the plugin has written anything that ends with this, as a request of HTTP does with an empty
    /// line.
    #[must_use]
    pub fn expect_until(self, end: &str) -> Self {
        self.then("expect_until", &toml::string(end))
    }

    /// Waits until the plugin has written this many bytes, at least 1.
    #[must_use]
    pub fn expect_bytes(self, count: usize) -> Self {
        self.then("expect_bytes", &count.to_string())
    }

    /// Does nothing for a while, in virtual time: the test does not wait.
    #[must_use]
    pub fn stall(self, time: Duration) -> Self {
        self.then("stall", &toml::string(&toml::duration(time)))
    }

    /// Answers a TLS handshake. At the beginning it is TLS from the first byte.
    #[must_use]
    pub fn start_tls(self, tls: Tls) -> Self {
        self.then("start_tls", &tls.render())
    }

    /// Closes the connection in good order.
    #[must_use]
    pub fn hang_up(self) -> Self {
        self.then("hang_up", "true")
    }

    /// Resets the connection.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then("reset", "true")
    }

    /// Neither sends nor closes any more, whatever the plugin writes.
    #[must_use]
    pub fn silence(self) -> Self {
        self.then("silence", "true")
    }

    fn then(mut self, kind: &str, value: &str) -> Self {
        self.steps.push(format!("    {{ {kind} = {value} }},\n"));
        self
    }

    fn render(&self, repeat: bool) -> String {
        let port = self
            .port
            .map(|port| format!("port = {port}\n"))
            .unwrap_or_default();
        let repeat = if repeat { "repeat = true\n" } else { "" };
        format!("{port}{repeat}steps = [\n{}]\n", self.steps.concat())
    }
}

/// How a scripted server answers a TLS handshake: a modern session and a certificate that is valid for the names of
/// the server, unless something else is said. There is no cryptography in it.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    keys: Vec<String>,
}

impl Tls {
    /// TLS 1.3, no ALPN, a certificate that is valid.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The version: `1.2` or `1.3`.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        self.with("version", &toml::string(version))
    }

    /// The protocol that the server chooses by ALPN.
    #[must_use]
    pub fn alpn(self, protocol: &str) -> Self {
        self.with("alpn", &toml::string(protocol))
    }

    /// The names in the certificate.
    #[must_use]
    pub fn names<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.with("names", &toml::strings(names))
    }

    /// The last moment of the certificate, in RFC 3339: `2026-01-31T12:00:00Z`. It is shown and not judged; for a
    /// handshake that fails, see [`fails_with`](Self::fails_with).
    #[must_use]
    pub fn not_after(self, moment: &str) -> Self {
        self.with("not_after", &toml::string(moment))
    }

    /// The handshake fails: `tls-handshake`, `certificate-invalid`, `certificate-expired` or `name-mismatch`. The
    /// last step of a connection.
    #[must_use]
    pub fn fails_with(self, error: &str) -> Self {
        self.with("error", &toml::string(error))
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.keys.push(format!("{key} = {value}"));
        self
    }

    fn render(&self) -> String {
        match self.keys.is_empty() {
            true => "{}".to_owned(),
            false => format!("{{ {} }}", self.keys.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_as_a_script() {
        let server = Server::new("mail.example.org")
            .name("other.example.org", ["192.0.2.2", "2001:db8::2"])
            .name_fails_with("gone.example.org", "name-not-found")
            .latency(Duration::from_millis(20))
            .on_connect(|peer| {
                peer.port(143)
                    .send("* OK \"hi\"\r\n")
                    .expect("{tag} STARTTLS\r\n")
                    .start_tls(Tls::new().version("1.2").alpn("imap"))
                    .stall(Duration::from_secs(3))
                    .hang_up()
            })
            .connect_fails_with("connection-refused")
            .on_datagrams(|peer| peer.expect("{id:2}?").send("{id}{0xff}"))
            .datagrams_fail_with("connection-refused")
            .on_every_connect(|peer| {
                peer.start_tls(Tls::new())
                    .expect_until("\r\n\r\n")
                    .send_bytes(b"\xff")
                    .expect_bytes(7)
                    .reset()
            });
        assert_eq!(
            server.script(),
            r#"latency = "20ms"

[names]
"mail.example.org" = ["192.0.2.1"]
"other.example.org" = ["192.0.2.2", "2001:db8::2"]
"gone.example.org" = "name-not-found"

[[connection]]
port = 143
steps = [
    { send = "* OK \"hi\"\r\n" },
    { expect = "{tag} STARTTLS\r\n" },
    { start_tls = { version = "1.2", alpn = "imap" } },
    { stall = "3s" },
    { hang_up = true },
]

[[connection]]
error = "connection-refused"

[[connection]]
transport = "udp"
steps = [
    { expect = "{id:2}?" },
    { send = "{id}{0xff}" },
]

[[connection]]
transport = "udp"
error = "connection-refused"

[[connection]]
repeat = true
steps = [
    { start_tls = {} },
    { expect_until = "\r\n\r\n" },
    { send_base64 = "/w==" },
    { expect_bytes = 7 },
    { reset = true },
]
"#
        );
    }

    #[test]
    fn an_address_needs_no_name() {
        assert_eq!(Server::new("2001:db8::1").script(), "\n[names]\n");
    }

    #[test]
    fn a_server_in_a_file_stays_there() {
        let server = Server::from_file("server.toml").on_connect(Peer::silence);
        assert_eq!(server.file(), Some(Path::new("server.toml")));
        assert_eq!(server.script(), "");
    }
}
