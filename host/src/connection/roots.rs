//! The authorities that the system trusts. Reading them takes longer than a whole run: they are some hundred, each in a
//! file of its own. So they are read once, by whoever first needs them, and never by a run that does no TLS.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;

static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// The system's authorities; where a machine has none, as in an empty container, Mozilla's, which are built in.
pub(crate) fn system_roots() -> Arc<RootCertStore> {
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(roots)
    };
    Arc::clone(ROOTS.get_or_init(read))
}

/// Reads them aside from the runtime's own threads, unless they have been.
pub async fn read_system_roots() {
    if ROOTS.get().is_none() {
        // Should reading crash, whoever needs them tries again.
        let _ = tokio::task::spawn_blocking(system_roots).await;
    }
}
