//! A real IMAP server: Dovecot 2.3, run in the foreground with a configuration, an account and mailboxes of its
//! own. It shares nothing with a Dovecot that the machine may run as a service.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::certificates::{Certificates, Identity};
use crate::process::{Account, ServerProcess, copy_into, executable, write};

/// The one user.
pub const USER: &str = "probe";

/// The user's password. A space, a quote and a backslash have to be escaped in IMAP (RFC 3501, section 4.3), in
/// TOML, in JSON and in a shell, each in its own way.
pub const PASSWORD: &str = "p@ss \"w\\ord";

/// The number of messages in INBOX when the server has started, all of them unseen.
pub const INBOX_MESSAGES: u32 = 3;

/// The number of messages in the mailbox `Archive`, the only other one, when the server has started.
pub const ARCHIVE_MESSAGES: u32 = 1;

/// How long the server may take to greet, once it has accepted a connection.
const GREETING_WITHIN: Duration = Duration::from_secs(5);

/// A running Dovecot; it stops when this is dropped.
#[derive(Debug)]
pub struct Dovecot {
    process: ServerProcess,
    plaintext: Plaintext,
    ports: [u16; 2],
    delivered: AtomicU32,
}

impl Dovecot {
    /// Starts a server which offers STARTTLS, and takes a password without it too.
    ///
    /// # Panics
    ///
    /// When Dovecot is not installed or does not start, with what it logged.
    #[must_use]
    pub fn start(certificates: &Certificates) -> Self {
        Self::start_with(&certificates.valid(), Plaintext::Allowed)
    }

    /// Starts a server which announces `LOGINDISABLED` until TLS is on (RFC 3501, section 6.2.3).
    ///
    /// # Panics
    ///
    /// When Dovecot is not installed or does not start, with what it logged.
    #[must_use]
    pub fn start_requiring_tls(certificates: &Certificates) -> Self {
        Self::start_with(&certificates.valid(), Plaintext::Refused)
    }

    /// Starts a server with this certificate.
    ///
    /// # Panics
    ///
    /// When Dovecot is not installed or does not start, with what it logged.
    #[must_use]
    pub fn start_with(identity: &Identity, plaintext: Plaintext) -> Self {
        let dovecot = executable("dovecot");
        let (process, ports) = ServerProcess::start(
            |directory, account, ports| {
                let configuration = configuration(directory, account, ports, identity, plaintext);
                let file = directory.join("dovecot.conf");
                write(&file, configuration);
                write(&directory.join("users"), format!("{USER}:{{PLAIN}}{PASSWORD}\n"));
                make_mailbox(&directory.join("mail"));
                make_mailbox(&directory.join("mail/.Archive"));
                deliver(&directory.join("mail"), 1, INBOX_MESSAGES);
                deliver(
                    &directory.join("mail/.Archive"),
                    1 + INBOX_MESSAGES,
                    ARCHIVE_MESSAGES,
                );
                let mut command = Command::new(&dovecot);
                command.arg("-F").arg("-c").arg(file);
                command
            },
            |ports| greets(plaintext.host(), ports[0]),
        );
        Self {
            process,
            plaintext,
            ports,
            delivered: AtomicU32::new(INBOX_MESSAGES + ARCHIVE_MESSAGES),
        }
    }

    /// The address to connect to: a loopback address, which is a name of [`Certificates::valid`].
    #[must_use]
    pub fn host(&self) -> &'static str {
        self.plaintext.host()
    }

    /// The port for plaintext and STARTTLS, as 143 is.
    #[must_use]
    pub fn imap_port(&self) -> u16 {
        self.ports[0]
    }

    /// The port for TLS from the first byte, as 993 is.
    #[must_use]
    pub fn imaps_port(&self) -> u16 {
        self.ports[1]
    }

    /// Puts this many more messages into INBOX.
    ///
    /// # Panics
    ///
    /// When a message cannot be written.
    pub fn deliver(&self, messages: u32) {
        let first = 1 + self.delivered.fetch_add(messages, Ordering::Relaxed);
        let mailbox = self.process.directory().join("mail");
        deliver(&mailbox, first, messages);
        self.process.hand_over(&mailbox);
    }

    /// What the server has logged, for the message of a failed assertion.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Whether a password may be sent before TLS is on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Plaintext {
    /// It may.
    Allowed,
    /// It may not, and the server says so in its capabilities.
    Refused,
}

impl Plaintext {
    /// The address to listen on. Dovecot takes a connection whose two ends have the same address for safe
    /// without TLS; a client that connects to 127.0.0.2 has the address 127.0.0.1.
    fn host(self) -> &'static str {
        match self {
            Self::Allowed => "127.0.0.1",
            Self::Refused => "127.0.0.2",
        }
    }
}

fn configuration(
    directory: &Path,
    account: &Account,
    [imap, imaps]: [u16; 2],
    identity: &Identity,
    plaintext: Plaintext,
) -> String {
    let Account { user, group, .. } = account;
    let certificate = copy_into(directory, &identity.certificate_file);
    let key = copy_into(directory, &identity.key_file);
    let (certificate, key) = (certificate.display(), key.display());
    let directory = directory.display();
    let host = plaintext.host();
    let plaintext_refused = match plaintext {
        Plaintext::Allowed => "no",
        Plaintext::Refused => "yes",
    };
    format!(
        r#"base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
protocols = imap
listen = {host}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{directory}/mail

# One account for everything: there is nobody to change to, and no folder to be locked into.
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}

# A wrong password is refused at once, however often it is tried: without the penalty for repeated failures,
# and past the queue in which refusals wait for half a second even when their delay is zero. A field that comes
# from a lookup which fails is forgotten, so `nodelay` comes from one that succeeds and settles nothing.
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = static
  args = nopassword=y nodelay=y
  result_success = continue-fail
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = home={directory}/home
}}
disable_plaintext_auth = {plaintext_refused}

namespace inbox {{
  inbox = yes
}}
"#
    )
}

/// Makes an empty mailbox in the Maildir format.
fn make_mailbox(mailbox: &Path) {
    for folder in ["cur", "new", "tmp"] {
        let folder = mailbox.join(folder);
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("cannot create `{}`: {error}", folder.display()));
    }
}

/// Writes unseen messages into a mailbox, under names that begin with these numbers.
fn deliver(mailbox: &Path, first: u32, messages: u32) {
    for number in first..first + messages {
        let message = format!(
            "From: probe@example.org\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
             Subject: message {number}\r\n\r\nNothing is wrong.\r\n"
        );
        write(&mailbox.join(format!("new/{number}.message.localhost")), message);
    }
}

/// Whether the server greets a client: Dovecot accepts connections before it can serve them.
fn greets(host: &str, port: u16) -> bool {
    let greeting = || {
        let stream = TcpStream::connect((host, port))?;
        stream.set_read_timeout(Some(GREETING_WITHIN))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        std::io::Result::Ok(line)
    };
    greeting().is_ok_and(|line| line.starts_with("* OK"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Instant;

    use rustls::{ClientConnection, StreamOwned};

    use super::*;

    /// A client that sends lines and reads to the tagged answer.
    struct Client<S> {
        stream: BufReader<S>,
    }

    impl<S: Read + Write> Client<S> {
        fn greet(stream: S) -> Self {
            let mut client = Self {
                stream: BufReader::new(stream),
            };
            assert!(client.line().starts_with("* OK"));
            client
        }

        fn line(&mut self) -> String {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            line
        }

        fn command(&mut self, command: &str) -> String {
            self.stream
                .get_mut()
                .write_all(format!("a {command}\r\n").as_bytes())
                .unwrap();
            let mut answer = String::new();
            loop {
                let line = self.line();
                answer += &line;
                if line.starts_with("a ") || line.is_empty() {
                    return answer;
                }
            }
        }
    }

    fn login(password: &str) -> String {
        format!(
            "LOGIN {USER} \"{}\"",
            password.replace('\\', "\\\\").replace('"', "\\\"")
        )
    }

    fn connect(dovecot: &Dovecot, port: u16) -> TcpStream {
        TcpStream::connect((dovecot.host(), port)).unwrap()
    }

    fn over_tls(certificates: &Certificates, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let name = "127.0.0.1".try_into().unwrap();
        StreamOwned::new(
            ClientConnection::new(certificates.client_config(), name).unwrap(),
            stream,
        )
    }

    #[test]
    fn it_serves_its_mailboxes_over_tls() {
        let certificates = Certificates::new();
        let dovecot = Dovecot::start(&certificates);
        let mut client = Client::greet(over_tls(&certificates, connect(&dovecot, dovecot.imaps_port())));
        assert!(
            client.command(&login(PASSWORD)).contains("a OK"),
            "{}",
            dovecot.log()
        );
        assert!(
            client
                .command("SELECT Archive")
                .contains(&format!("* {ARCHIVE_MESSAGES} EXISTS"))
        );
        assert!(
            client
                .command("SELECT INBOX")
                .contains(&format!("* {INBOX_MESSAGES} EXISTS"))
        );
        dovecot.deliver(2);
        assert!(
            client
                .command("EXAMINE INBOX")
                .contains(&format!("* {} EXISTS", INBOX_MESSAGES + 2))
        );
        assert!(client.command("SELECT Missing").contains("a NO"));
        assert!(client.command("LOGOUT").contains("* BYE"));
    }

    #[test]
    fn a_wrong_password_is_refused_at_once_every_time() {
        let dovecot = Dovecot::start(&Certificates::new());
        // The first login waits for the server's own helpers to start.
        let mut client = Client::greet(connect(&dovecot, dovecot.imap_port()));
        assert!(
            client.command(&login(PASSWORD)).contains("a OK"),
            "{}",
            dovecot.log()
        );
        for _ in 0..3 {
            let mut client = Client::greet(connect(&dovecot, dovecot.imap_port()));
            let started = Instant::now();
            assert!(
                client
                    .command(&login("wrong"))
                    .contains("a NO [AUTHENTICATIONFAILED]")
            );
            // Where nothing else is said, Dovecot waits for two seconds before it refuses.
            let took = started.elapsed();
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
    }

    #[test]
    fn it_can_insist_on_tls() {
        let certificates = Certificates::new();
        let dovecot = Dovecot::start_requiring_tls(&certificates);
        let mut client = Client::greet(connect(&dovecot, dovecot.imap_port()));
        let capabilities = client.command("CAPABILITY");
        assert!(
            capabilities.contains("LOGINDISABLED") && capabilities.contains("STARTTLS"),
            "{capabilities}"
        );
        assert!(
            client
                .command(&login(PASSWORD))
                .contains("a NO [PRIVACYREQUIRED]")
        );
        assert!(client.command("STARTTLS").contains("a OK"));
        let stream = over_tls(&certificates, client.stream.into_inner());
        let mut client = Client {
            stream: BufReader::new(stream),
        };
        assert!(
            client.command(&login(PASSWORD)).contains("a OK"),
            "{}",
            dovecot.log()
        );
    }

    #[test]
    fn it_stops_when_dropped() {
        let dovecot = Dovecot::start(&Certificates::new());
        let port = dovecot.imap_port();
        drop(dovecot);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
