//! How a check does TLS, as its configuration says. Pure; the files are read in `tls`.

use std::path::PathBuf;

/// How a check does TLS: the operator's choice, never the plugin's.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tls {
    /// Whose word is taken for the peer's certificate.
    pub trust: Trust,
    /// What to show the peer when it asks for a certificate.
    pub client: Option<ClientIdentity>,
    /// The name to send and to verify, instead of the plugin's and of the host that is dialled.
    pub server_name: Option<String>,
}

/// Whose word is taken for a peer's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The authorities that the system trusts.
    #[default]
    System,
    /// Only the authorities in this file, PEM (`ca_file`).
    File(PathBuf),
    /// Nobody's: any certificate will do (`do_not_verify`). Everything that is sent, passwords too, may go to anyone.
    DoNotVerify,
}

/// A client certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientIdentity {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}
