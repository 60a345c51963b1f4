//! Many checks in this process: written as a configuration, and prepared as the daemon prepares them.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bedcheck::config::{Config, Source};
use bedcheck::runner::{DefaultGrant, Preparation, Prepared, Runner};
use bedcheck::sandbox::Cache;
use tokio::runtime::Runtime;

/// Checks that are ready, and where they run.
pub struct Crowd {
    /// Runs them.
    pub runner: Arc<Runner>,
    /// The checks in the order of the configuration.
    pub checks: Vec<Arc<Prepared>>,
}

impl Crowd {
    /// Prepares the checks of a configuration, to run so many at once, which may be more than a file can ask for. In the
    /// folder are plugins that are not built in; compiled code is kept where `kept` says.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub fn prepare(
        text: &str,
        plugins: Option<&Path>,
        kept: Option<Cache>,
        at_once: usize,
        runtime: &Runtime,
    ) -> Result<Self, String> {
        let source = Source::new(Path::new("bench.toml"), text);
        let mut config = Config::parse(&source).map_err(|problems| problems.to_string())?;
        config.plugins_dir = plugins.map(Path::to_owned);
        config.concurrency = at_once;
        let preparing = Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, kept);
        let preparation = runtime
            .block_on(preparing)
            .map_err(|problems| problems.to_string())?;
        Ok(Self {
            runner: Arc::new(Runner::new(preparation.sandbox, at_once)),
            checks: preparation.checks,
        })
    }
}

/// Writes a check of the plugin `http` into a configuration.
pub fn write_http(text: &mut String, name: &str, every: &str, server: SocketAddr, path: &str) {
    let _ = write!(
        text,
        "[[check]]\nname = \"{name}\"\nplugin = \"http\"\nevery = \"{every}\"\nallow = [\"self\"]\n\
         settings.url = \"http://{server}{path}\"\n"
    );
}

/// Writes a check of the plugin `imap` without TLS into a configuration; its password is the secret `password`.
pub fn write_imap(text: &mut String, name: &str, server: SocketAddr, user: &str, mailboxes: usize) {
    let mailboxes: Vec<String> = (0..mailboxes).map(|number| format!("\"m{number}\"")).collect();
    let _ = write!(
        text,
        "[[check]]\nname = \"{name}\"\nplugin = \"imap\"\nevery = \"60s\"\nallow = [\"self\"]\n[check.settings]\n\
         host = \"{}\"\nport = {}\ntls = \"none\"\nuser = \"{user}\"\npassword = {{ secret = \"password\" }}\n\
         mailboxes = [{}]\n",
        server.ip(),
        server.port(),
        mailboxes.join(", ")
    );
}

/// Writes where the secret `password` is read from.
pub fn write_password(text: &mut String, file: &Path) {
    let _ = write!(text, "[secrets]\npassword = {{ file = '{}' }}\n", file.display());
}
