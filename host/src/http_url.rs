//! URLs of `http` and `https` that can be asked. `http::Uri` takes any text for a port and then knows of none, so that a
//! client would go to the port of the scheme, with what was meant for another server. Pure.

use http::Uri;
use http::uri::Authority;

/// What a URL has to be, for people.
pub const WANTED_PORT: &str = "a port from 1 to 65535";

/// Why a text is no URL that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is no absolute URL of `http` or `https` with a host.
    Url,
    /// There can be no such port.
    Port,
}

/// The URL: an absolute one with a host, and with a port that there can be or none.
///
/// # Errors
///
/// What of it cannot be used.
pub fn parse(text: &str) -> Result<Uri, Unusable> {
    let uri: Uri = text.trim().parse().map_err(|_| Unusable::Url)?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if !authority.host().is_empty() => {
            if has_usable_port(authority) {
                Ok(uri)
            } else {
                Err(Unusable::Port)
            }
        }
        _ => Err(Unusable::Url),
    }
}

/// Whether it has a port that there can be, or none.
pub fn has_usable_port(authority: &Authority) -> bool {
    let text = authority.as_str();
    let server = text.rsplit_once('@').map_or(text, |(_, server)| server);
    match server.strip_prefix(authority.host()) {
        Some("") => true,
        Some(rest) => {
            let port = rest.strip_prefix(':').and_then(|port| port.parse::<u16>().ok());
            port.is_some_and(|port| port > 0)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_that_there_can_be() {
        for good in [
            "http://h",
            "https://h/a:99999",
            "http://h:1",
            "http://h:65535/",
            "http://[::1]",
            "http://[::1]:4318/a",
            "http://key:word@h:80/1",
            "http://key@h",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://h:65536",
            "http://h:99999/v1/traces",
            "http://h:0",
            "http://h:",
            "http://h:a",
            "http://h:-1",
            "http://[::1]:70000",
            "http://key@h:70000/1",
        ] {
            assert_eq!(parse(bad), Err(Unusable::Port), "{bad}");
        }
    }

    #[test]
    fn a_url_is_absolute_and_of_http() {
        for bad in [
            "",
            "h",
            "h:80",
            "/a",
            "ftp://h",
            "http://",
            "http:///a",
            "unix:/a",
        ] {
            assert_eq!(parse(bad), Err(Unusable::Url), "{bad}");
        }
    }
}
