//! The servers of `bedcheck demo`: IMAP and HTTP on loopback, healthy and sick, each with the check to
//! run against it and what its report must say. How servers behave is in the modules below; running the
//! checks is not done here.

mod authority;
mod endpoint;
mod http;
mod imap;
#[cfg(test)]
mod raw;
mod scenario;
mod sick;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use self::authority::{Authority, Validity};
use self::endpoint::Endpoint;
use self::http::Site;
use self::imap::{Account, Security};
pub use self::scenario::{Expected, Scenario};

/// The name under which the scenarios' settings refer to the password.
pub const SECRET: &str = "demo";
/// The password that checks log in with: what [`SECRET`] must be. It guards nothing, and is a constant
/// so that one can look for it in what the demo prints.
pub const PASSWORD: &str = "lights-out-at-ten";
/// The user that checks log in as.
const USER: &str = "probe";
/// The password of the server whose account has another one.
const CHANGED_PASSWORD: &str = "lights-out-at-nine";

/// The running servers. They stop when this is dropped.
pub struct Servers {
    scenarios: Vec<Scenario>,
    authority_pem: String,
    endpoints: Vec<Endpoint>,
}

impl Servers {
    /// Starts all servers on free ports of 127.0.0.1. They run on the tokio runtime this is called in,
    /// which needs its I/O and time drivers.
    ///
    /// # Errors
    /// When no port or no random numbers can be had.
    pub async fn start() -> io::Result<Self> {
        let authority = Authority::new()?;
        let mut servers = Self {
            scenarios: Vec::new(),
            authority_pem: authority.pem().to_owned(),
            endpoints: Vec::new(),
        };
        let current = authority.acceptor(Validity::Current)?;
        let expired = authority.acceptor(Validity::Expired)?;
        servers.start_imap(&current, &expired).await?;
        servers.start_http(&current, &expired).await?;
        Ok(servers)
    }

    /// The scenarios, one per server: those of IMAP before those of HTTP, and healthy ones first.
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// The certificate of the authority that has certified the servers, in PEM form: what a check must
    /// trust. It is new in every start.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    async fn start_imap(&mut self, current: &TlsAcceptor, expired: &TlsAcceptor) -> io::Result<()> {
        self.imap(
            "imap-healthy",
            "the mail server is healthy, with implicit TLS",
            mail_server(PASSWORD, Security::ImplicitTls(current.clone())).await?,
            "implicit",
            Expected::PASS,
        );
        self.imap(
            "imap-starttls",
            "the mail server is healthy, with STARTTLS",
            mail_server(PASSWORD, Security::StartTls(current.clone())).await?,
            "starttls",
            Expected::PASS,
        );
        self.imap(
            "imap-wrong-password",
            "the account has another password",
            mail_server(CHANGED_PASSWORD, Security::ImplicitTls(current.clone())).await?,
            "implicit",
            Expected::fail_in("login", "auth.rejected"),
        );
        self.imap(
            "imap-hangs-after-banner",
            "the server greets and then answers nothing",
            Endpoint::serving(sick::hangs_after_banner).await?,
            "none",
            Expected::fail_in("capability", "deadline_exceeded"),
        );
        self.imap(
            "imap-silent",
            "the server accepts connections and stays silent",
            Endpoint::serving(sick::silent).await?,
            "none",
            Expected::fail_in("greeting", "deadline_exceeded"),
        );
        self.imap(
            "imap-closed-port",
            "nobody listens on the port",
            Endpoint::refusing()?,
            "implicit",
            Expected::fail_in("connect", "connection_refused"),
        );
        self.imap(
            "imap-starttls-stripped",
            "the server, or somebody on the way to it, withholds STARTTLS and takes passwords in the clear",
            mail_server(PASSWORD, Security::Plaintext).await?,
            "starttls",
            Expected::fail_in("capability", "tls.not_offered"),
        );
        self.imap(
            "imap-expired-certificate",
            "the certificate expired yesterday",
            mail_server(PASSWORD, Security::ImplicitTls(expired.clone())).await?,
            "implicit",
            Expected::fail_in("tls", "tls.certificate_expired"),
        );
        Ok(())
    }

    async fn start_http(&mut self, current: &TlsAcceptor, expired: &TlsAcceptor) -> io::Result<()> {
        self.http(
            "http-healthy",
            "the web server is healthy",
            web_server(Site::Healthy, None).await?,
            "http",
            Expected::PASS,
        );
        self.http(
            "http-tls",
            "the web server is healthy, with TLS",
            web_server(Site::Healthy, Some(current.clone())).await?,
            "https",
            Expected::PASS,
        );
        self.http(
            "http-error-503",
            "the server answers 503 Service Unavailable",
            web_server(Site::Unavailable, None).await?,
            "http",
            Expected::unmet(),
        );
        self.http(
            "http-drip",
            "the server sends its response one byte a second",
            Endpoint::serving(sick::drips).await?,
            "http",
            Expected::fail_in("transfer", "deadline_exceeded"),
        );
        self.http(
            "http-silent",
            "the server accepts connections and stays silent",
            Endpoint::serving(sick::silent).await?,
            "http",
            Expected::fail_in("processing", "deadline_exceeded"),
        );
        self.http(
            "http-closed-port",
            "nobody listens on the port",
            Endpoint::refusing()?,
            "http",
            Expected::fail_in("connect", "connection_refused"),
        );
        self.http(
            "http-expired-certificate",
            "the certificate expired yesterday",
            web_server(Site::Healthy, Some(expired.clone())).await?,
            "https",
            Expected::fail_in("tls", "tls.certificate_expired"),
        );
        Ok(())
    }

    fn imap(
        &mut self,
        name: &'static str,
        about: &'static str,
        endpoint: Endpoint,
        tls: &str,
        expected: Expected,
    ) {
        let address = endpoint.address();
        self.endpoints.push(endpoint);
        let settings = imap_settings(address, tls);
        self.scenarios.push(Scenario {
            name,
            about,
            address,
            plugin: "imap",
            settings,
            expected,
        });
    }

    fn http(
        &mut self,
        name: &'static str,
        about: &'static str,
        endpoint: Endpoint,
        scheme: &str,
        expected: Expected,
    ) {
        let address = endpoint.address();
        self.endpoints.push(endpoint);
        let settings = http_settings(address, scheme);
        self.scenarios.push(Scenario {
            name,
            about,
            address,
            plugin: "http",
            settings,
            expected,
        });
    }
}

/// A mail server with one account, which has the mailboxes that the checks open.
async fn mail_server(password: &str, security: Security) -> io::Result<Endpoint> {
    let account = Arc::new(
        Account::new(USER, password)
            .mailbox("INBOX", 3)
            .mailbox("Archive", 12),
    );
    Endpoint::serving(move |stream| imap::serve(stream, Arc::clone(&account), security.clone())).await
}

async fn web_server(site: Site, tls: Option<TlsAcceptor>) -> io::Result<Endpoint> {
    Endpoint::serving(move |stream| http::serve(stream, site, tls.clone())).await
}

fn imap_settings(address: SocketAddr, tls: &str) -> Value {
    json!({
        "host": address.ip().to_string(),
        "port": address.port(),
        "tls": tls,
        "user": USER,
        "password": { "secret": SECRET },
        "mailboxes": ["INBOX", "Archive"],
    })
}

/// Expects the same of every server: what is wrong is the server, not the check.
fn http_settings(address: SocketAddr, scheme: &str) -> Value {
    json!({
        "url": format!("{scheme}://{address}/health"),
        "expect": { "status": ["2xx"], "json": { "/status": "up" } },
    })
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod tests;
