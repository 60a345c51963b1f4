//! A real web server: nginx, run in the foreground with a configuration and pages of its own. It shares nothing
//! with an nginx that the machine may run as a service.
//!
//! | path | answers |
//! | --- | --- |
//! | `/health` | 200, `{"status":"up"}` as JSON |
//! | `/page` | 200, [`PAGE_BYTES`] bytes of text, compressed for who accepts gzip |
//! | `/chunked` | 200, the same text in several chunks |
//! | `/drip` | 200, the same text; after the first KiB, head included, at 100 bytes a second |
//! | `/redirect` | 302 to `/health` |
//! | `/redirect-loop` | 302 to itself |
//! | `/private` | 200 for [`USER`] with [`PASSWORD`], 401 for anybody else |
//! | `/unavailable` | 503 |
//! | anything else | 404 |

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::certificates::{Certificates, Identity};
use crate::process::{ServerProcess, copy_into, executable, write};

/// The user whom `/private` lets in.
pub const USER: &str = "probe";

/// The user's password; it has what needs care in TOML, in JSON and in a shell, and a colon, which ends the user
/// but not the password (RFC 7617, section 2).
pub const PASSWORD: &str = "p@ss \"w\\o:rd";

/// The line of which the text consists.
pub const PAGE_LINE: &str = "The quick brown fox jumps over the lazy dog.\n";

/// The size of the text in bytes: several of the server's buffers, so that it is sent in several pieces.
pub const PAGE_BYTES: usize = PAGE_LINE.len() * 1000;

/// A running nginx; it stops when this is dropped.
#[derive(Debug)]
pub struct Nginx {
    process: ServerProcess,
    ports: [u16; 5],
}

impl Nginx {
    /// Starts a server with all its listeners and pages.
    ///
    /// # Panics
    ///
    /// When nginx is not installed or does not start, with what it logged.
    #[must_use]
    pub fn start(certificates: &Certificates) -> Self {
        let nginx = executable("nginx");
        let (process, ports) = ServerProcess::start(
            |directory, _, ports| {
                let file = directory.join("nginx.conf");
                write(&file, configuration(directory, certificates, ports));
                write(
                    &directory.join("pages/page"),
                    PAGE_LINE.repeat(PAGE_BYTES / PAGE_LINE.len()),
                );
                write(
                    &directory.join("users"),
                    format!("{USER}:{}\n", hashed_password()),
                );
                let mut command = Command::new(&nginx);
                command
                    .arg("-p")
                    .arg(directory)
                    .arg("-e")
                    .arg("stderr")
                    .arg("-c")
                    .arg(file);
                command
            },
            |ports| {
                ports
                    .iter()
                    .all(|&port| TcpStream::connect(("127.0.0.1", port)).is_ok())
            },
        );
        Self { process, ports }
    }

    /// The port on 127.0.0.1 for HTTP.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.ports[0]
    }

    /// The port on 127.0.0.1 for HTTPS with a certificate that is in order.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        self.ports[1]
    }

    /// The port on 127.0.0.1 for HTTPS with an expired certificate.
    #[must_use]
    pub fn expired_port(&self) -> u16 {
        self.ports[2]
    }

    /// The port on 127.0.0.1 for HTTPS with a certificate for another name.
    #[must_use]
    pub fn wrong_name_port(&self) -> u16 {
        self.ports[3]
    }

    /// The port on 127.0.0.1 for HTTPS which answers 400 to clients without a certificate of the authority's.
    #[must_use]
    pub fn client_certificate_port(&self) -> u16 {
        self.ports[4]
    }

    /// What the server has logged, for the message of a failed assertion: each request and each error.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn configuration(directory: &Path, certificates: &Certificates, ports: [u16; 5]) -> String {
    let [http, https, expired, wrong_name, client_certificate] = ports;
    let authority = copy_into(directory, &certificates.authority_file());
    let authority = authority.display();
    let asks = format!("ssl_client_certificate {authority}; ssl_verify_client on;");
    let servers = [
        tls_server(directory, https, &certificates.valid(), ""),
        tls_server(directory, expired, &certificates.expired(), ""),
        tls_server(directory, wrong_name, &certificates.wrong_name(), ""),
        tls_server(directory, client_certificate, &certificates.valid(), &asks),
    ];
    let servers = servers.concat();
    write(&directory.join("pages.conf"), PAGES);
    format!(
        r#"daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events {{
}}
http {{
  access_log /dev/stdout;
  client_body_temp_path temp-body;
  proxy_temp_path temp-proxy;
  fastcgi_temp_path temp-fastcgi;
  uwsgi_temp_path temp-uwsgi;
  scgi_temp_path temp-scgi;
  default_type text/plain;
  absolute_redirect off;
  server {{
    listen 127.0.0.1:{http};
    include pages.conf;
  }}
{servers}}}
"#
    )
}

/// The password as nginx's file of users has it; in clear, its colon would end it.
fn hashed_password() -> String {
    let output = Command::new(executable("openssl"))
        .args(["passwd", "-apr1", PASSWORD])
        .output();
    let output = output.unwrap_or_else(|error| panic!("cannot run `openssl passwd`: {error}"));
    assert!(
        output.status.success(),
        "`openssl passwd` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn tls_server(directory: &Path, port: u16, identity: &Identity, more: &str) -> String {
    let certificate = copy_into(directory, &identity.certificate_file);
    let key = copy_into(directory, &identity.key_file);
    let (certificate, key) = (certificate.display(), key.display());
    format!(
        "  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    {more}
    include pages.conf;
  }}
"
    )
}

/// The pages of every server. Server-side includes are what makes nginx answer in chunks: it does not know the
/// length beforehand.
const PAGES: &str = r#"
root pages;
location = /health {
  default_type application/json;
  return 200 '{"status":"up"}';
}
location = /page {
  gzip on;
  gzip_types text/plain;
}
location = /chunked {
  alias pages/page;
  ssi on;
  ssi_types text/plain;
  output_buffers 2 8k;
}
location = /drip {
  alias pages/page;
  limit_rate 100;
  limit_rate_after 1k;
}
location = /redirect {
  return 302 /health;
}
location = /redirect-loop {
  return 302 /redirect-loop;
}
location = /private {
  auth_basic "bedcheck tests";
  auth_basic_user_file users;
  alias pages/page;
}
location = /unavailable {
  return 503;
}
"#;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustls::{ClientConnection, StreamOwned};

    use super::*;

    /// Sends a request and returns the whole response, as text.
    fn get(mut stream: impl Read + Write, path: &str, headers: &str) -> std::io::Result<String> {
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        )?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response)?;
        Ok(String::from_utf8_lossy(&response).into_owned())
    }

    fn connect(port: u16) -> TcpStream {
        TcpStream::connect(("127.0.0.1", port)).unwrap()
    }

    #[test]
    fn its_pages_are_as_described() {
        let nginx = Nginx::start(&Certificates::new());
        let get = |path, headers| get(connect(nginx.http_port()), path, headers).unwrap();

        let health = get("/health", "");
        assert!(
            health.starts_with("HTTP/1.1 200") && health.contains("application/json"),
            "{health}"
        );
        assert!(health.ends_with("\r\n\r\n{\"status\":\"up\"}"), "{health}");
        let page = get("/page", "");
        assert!(page.contains(&format!("Content-Length: {PAGE_BYTES}\r\n")) && page.ends_with(PAGE_LINE));
        let compressed = get("/page", "Accept-Encoding: gzip\r\n");
        assert!(compressed.contains("Content-Encoding: gzip") && compressed.len() < PAGE_BYTES / 2);
        let chunked = get("/chunked", "");
        let chunk_sizes = chunked
            .lines()
            .filter(|line| u32::from_str_radix(line, 16).is_ok_and(|size| size > 0));
        assert!(chunked.contains("Transfer-Encoding: chunked") && chunk_sizes.count() > 1);
        assert!(get("/redirect", "").contains("302") && get("/redirect", "").contains("Location: /health"));
        assert!(get("/redirect-loop", "").contains("Location: /redirect-loop"));
        assert!(get("/unavailable", "").starts_with("HTTP/1.1 503"));
        assert!(get("/missing", "").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn the_private_page_wants_the_password() {
        let nginx = Nginx::start(&Certificates::new());
        let get = |headers: &str| get(connect(nginx.http_port()), "/private", headers).unwrap();
        // The user and password above, and a wrong password, in base64.
        let (right, wrong) = ("cHJvYmU6cEBzcyAid1xvOnJk", "cHJvYmU6d3Jvbmc=");
        assert!(get("").starts_with("HTTP/1.1 401"));
        assert!(get(&format!("Authorization: Basic {wrong}\r\n")).starts_with("HTTP/1.1 401"));
        let response = get(&format!("Authorization: Basic {right}\r\n"));
        assert!(
            response.starts_with("HTTP/1.1 200"),
            "{response}\n{}",
            nginx.log()
        );
    }

    #[test]
    fn a_client_sees_what_is_wrong_with_each_certificate() {
        let certificates = Certificates::new();
        let nginx = Nginx::start(&certificates);
        let get = |port| {
            let name = "localhost".try_into().unwrap();
            let tls = ClientConnection::new(certificates.client_config(), name).unwrap();
            get(StreamOwned::new(tls, connect(port)), "/health", "")
        };
        assert!(get(nginx.https_port()).unwrap().starts_with("HTTP/1.1 200"));
        assert!(
            get(nginx.expired_port())
                .unwrap_err()
                .to_string()
                .contains("expired")
        );
        assert!(
            get(nginx.wrong_name_port())
                .unwrap_err()
                .to_string()
                .contains("not valid for name")
        );
        assert!(
            get(nginx.client_certificate_port())
                .unwrap()
                .starts_with("HTTP/1.1 400")
        );
    }
}
