//! What a check's settings name as its target. Pure.

use url::Url;

use crate::config::Check;
use crate::grant::{Endpoint, Host};
use crate::policy::TargetKey;
use crate::sandbox::Target;

/// What a check shares with the others that ask the same service: the first endpoint that its settings name, or
/// nothing but itself.
pub(super) fn target_key(target: &Target, check: &Check) -> TargetKey {
    let endpoints = own_target(target, check.settings.values());
    match endpoints.first() {
        Some(endpoint) => TargetKey::endpoint(endpoint),
        None => TargetKey::of_check(check.name.as_str()),
    }
}

/// The ports of protocols that begin with TLS, as IANA has registered them: HTTP, SMTP submission, NNTP, LDAP, DNS, FTP,
/// Telnet, IMAP and POP3.
const TLS_PORTS: [u16; 10] = [443, 465, 563, 636, 853, 989, 990, 992, 993, 995];

/// Whether what a check's settings name is likely to begin with TLS, by the scheme or by the port. It may do TLS without
/// it, and without TLS with it.
pub(super) fn begins_with_tls(target: &Target, check: &Check) -> bool {
    let settings = check.settings.values();
    if let Target::Url(key) = target {
        let url = settings.get(key).and_then(serde_json::Value::as_str);
        return url
            .and_then(|url| Url::parse(url).ok())
            .is_some_and(|url| url.scheme() == "https");
    }
    let endpoints = own_target(target, settings);
    endpoints
        .iter()
        .any(|endpoint| TLS_PORTS.contains(&endpoint.port()))
}

/// What the settings name: one endpoint, or one for each port that the plugin may choose; none if they name
/// nothing that can be dialled.
pub(super) fn own_target(
    target: &Target,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Vec<Endpoint> {
    let text = |key: &str| settings.get(key).and_then(serde_json::Value::as_str);
    let endpoint = |host: &str, port: u16| Endpoint::new(Host::parse(host)?, port);
    match target {
        Target::None => Vec::new(),
        Target::Url(key) => text(key)
            .and_then(host_and_port)
            .and_then(|(host, port)| endpoint(&host, port))
            .into_iter()
            .collect(),
        Target::HostAndPort {
            host,
            port,
            default_ports,
        } => {
            let Some(host) = text(host) else { return Vec::new() };
            let named = settings.get(port).and_then(serde_json::Value::as_u64);
            let ports = match named.and_then(|port| u16::try_from(port).ok()) {
                Some(port) => vec![port],
                None => default_ports.clone(),
            };
            ports
                .into_iter()
                .filter_map(|port| endpoint(host, port))
                .collect()
        }
    }
}

/// Host and port of a URL; the port of its scheme when it has none. It is read as the plugin `http` reads it (the URL
/// Standard): names in other scripts in their ASCII form, and `127.1` as the address that it is there.
fn host_and_port(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    let default = match url.scheme() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Some((host.to_owned(), url.port().or(default)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(target: &Target, settings: serde_json::Value) -> Vec<String> {
        let settings = settings.as_object().cloned().unwrap_or_default();
        own_target(target, &settings)
            .iter()
            .map(Endpoint::to_string)
            .collect()
    }

    #[test]
    fn a_url_names_its_host_and_port() {
        let target = Target::Url("url".into());
        let of = |url: &str| named(&target, serde_json::json!({ "url": url }));
        assert_eq!(of("https://www.example.org/a?b"), ["www.example.org:443"]);
        assert_eq!(of("http://[::1]:8080/"), ["[::1]:8080"]);
        assert_eq!(of("http://127.0.0.1"), ["127.0.0.1:80"]);
        assert_eq!(of("redis://cache:6379/0"), ["cache:6379"]);
        for nothing in ["no url", "http://127.0.0.1:99999"] {
            assert_eq!(of(nothing), Vec::<String>::new(), "{nothing}");
        }
    }

    #[test]
    fn a_url_is_read_as_the_plugin_reads_it() {
        let target = Target::Url("url".into());
        let of = |url: &str| named(&target, serde_json::json!({ "url": url }));
        assert_eq!(of("https://bücher.example/"), ["xn--bcher-kva.example:443"]);
        assert_eq!(of("HTTP://A_B.Example.:8080/ü"), ["a_b.example:8080"]);
        assert_eq!(of("http://127.1/"), ["127.0.0.1:80"]);
    }

    #[test]
    fn a_host_without_a_port_names_the_default_ports() {
        let target = Target::HostAndPort {
            host: "host".into(),
            port: "port".into(),
            default_ports: vec![993, 143],
        };
        let of = |settings| named(&target, settings);
        assert_eq!(of(serde_json::json!({"host": "mail"})), ["mail:993", "mail:143"]);
        assert_eq!(
            of(serde_json::json!({"host": "mail", "port": 1993})),
            ["mail:1993"]
        );
    }
}
