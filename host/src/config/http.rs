//! The HTTP endpoints of the daemon (`[http]`), as they are configured. Serving them is `serve::http`'s.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::SecretName;

/// The HTTP endpoints (`[http]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The address and port to listen at. Default: [`Http::LISTEN`].
    pub listen: SocketAddr,
    /// Speaks TLS, and nothing else.
    pub tls: Option<HttpTls>,
    /// The secret that whoever asks has to know, sent as a bearer token (RFC 6750).
    pub token: Option<SecretName>,
    /// What a probe leaves of its scraper's timeout for the way back, 0 to 1 min. By default
    /// [`Http::TIMEOUT_OFFSET`].
    pub timeout_offset: Duration,
}

/// A certificate and its key. They are read again when the files change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTls {
    /// The certificate, with those between it and the authority's, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Http {
    /// Loopback, because what is known of checks is nobody else's business unless somebody says so. The port
    /// is the one that the design names; it is registered to no other service of this kind.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9315);

    /// As blackbox_exporter, so that it can take its place.
    pub const TIMEOUT_OFFSET: Duration = Duration::from_millis(500);

    /// What is in force once a reload wants this: it goes on to listen where it did, as it did. That nobody needs a
    /// token any more is taken up only where it is meant for the same address: what is meant for another one, such as
    /// loopback, would open this one to everybody.
    pub fn reloaded(&self, wanted: Option<&Self>) -> Self {
        let Some(wanted) = wanted else {
            return self.clone();
        };
        let keeps_token = wanted.token.is_none() && wanted.listen != self.listen;
        let token = if keeps_token { &self.token } else { &wanted.token };
        Self {
            listen: self.listen,
            tls: self.tls.clone(),
            token: token.clone(),
            timeout_offset: wanted.timeout_offset,
        }
    }

    /// The keys of which this has something else than `wanted`, as they are called in a file.
    pub fn differing(&self, wanted: &Self) -> Vec<&'static str> {
        let keys = [
            ("`http.listen`", self.listen != wanted.listen),
            ("`http.tls`", self.tls != wanted.tls),
            ("`http.token`", self.token != wanted.token),
        ];
        keys.into_iter()
            .filter_map(|(key, differs)| differs.then_some(key))
            .collect()
    }

    /// What is to be noted of addresses that others can reach while nothing keeps them out.
    pub fn note(&self) -> Option<String> {
        if self.listen.ip().to_canonical().is_loopback() {
            return None;
        }
        let lacking = match (&self.token, &self.tls) {
            (None, None) => "without `token` and `tls`: whoever reaches it can read and reload everything",
            (None, Some(_)) => "without `token`: whoever reaches it can read and reload everything",
            (Some(_), None) => "without `tls`: the token crosses the network in the clear",
            (Some(_), Some(_)) => return None,
        };
        Some(format!(
            "`http.listen` is `{}`, not loopback, {lacking}",
            self.listen
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(listen: &str, token: bool, tls: bool) -> Http {
        Http {
            listen: listen.parse().unwrap(),
            tls: tls.then(|| HttpTls {
                certificate: "c.pem".into(),
                key: "k.pem".into(),
            }),
            token: token.then(|| "token".parse().unwrap()),
            timeout_offset: Http::TIMEOUT_OFFSET,
        }
    }

    #[test]
    fn a_reload_opens_no_address_but_the_one_it_is_meant_for() {
        let (here, there) = ("0.0.0.0:9315", "127.0.0.1:9315");
        let guarded = http(here, true, false);
        let after = |wanted: Http| guarded.reloaded(Some(&wanted));
        assert_eq!(guarded.reloaded(None), guarded);
        assert_eq!(after(http(here, false, false)), http(here, false, false));
        assert_eq!(after(http(there, false, true)), guarded);
        let open = http(here, false, false);
        assert_eq!(open.reloaded(Some(&http(there, true, true))), guarded);
        assert_eq!(
            guarded.differing(&http(there, false, true)),
            ["`http.listen`", "`http.tls`", "`http.token`"]
        );
        assert!(guarded.differing(&guarded).is_empty());
    }

    #[test]
    fn what_others_can_reach_is_noted_unless_it_is_kept_from_them() {
        for loopback in ["127.0.0.1:0", "[::1]:9315", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(http(loopback, false, false).note(), None);
        }
        let note = |token, tls| http("0.0.0.0:9315", token, tls).note();
        assert!(note(false, false).is_some_and(|note| note.contains("without `token` and `tls`")));
        assert!(note(true, false).is_some_and(|note| note.contains("in the clear")));
        assert!(note(false, true).is_some_and(|note| note.contains("without `token`:")));
        assert_eq!(note(true, true), None);
    }
}
