//! What `target=` comes to for a plugin: the settings that name it, and where that leads. Pure.
//!
//! What is read here is written anew from its parts before the plugin gets it, so that both understand the same
//! host: `http://granted.example@other.example/` is not a text to have two opinions about.

use serde_json::{Map, Value};
use url::Url;

use super::own_target::own_target;
use crate::grant::{Endpoint, Host};
use crate::sandbox::Target;

/// The longest target, in bytes: what a URL may have in most servers and proxies.
const MAX_TARGET: usize = 8 * 1024;
/// The host of the target that settings are tried with when they are loaded. No such name exists (RFC 6761
/// section 6.4).
const STAND_IN: &str = "target.invalid";

/// A target that was asked for, as settings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aim {
    /// The settings that name it.
    pub(super) settings: Vec<(String, Value)>,
    /// Where it is. Several where the plugin chooses the port.
    pub(super) endpoints: Vec<Endpoint>,
}

/// The keys of the settings that `target=` stands for, and that a module must leave out. A port may stand in a
/// module: it is that of targets without one.
pub(super) fn target_key(target: &Target) -> Option<&str> {
    match target {
        Target::Url(key) | Target::HostAndPort { host: key, .. } => Some(key),
        Target::None => None,
    }
}

/// Settings that name a target which does not exist, to hold the others against the plugin's schema.
pub(super) fn stand_in(target: &Target, settings: &Map<String, Value>) -> Vec<(String, Value)> {
    match target {
        Target::Url(key) => vec![(key.clone(), format!("http://{STAND_IN}/").into())],
        Target::HostAndPort {
            host,
            port,
            default_ports,
        } => {
            let number = default_ports.first().copied().unwrap_or(1);
            let named = (!settings.contains_key(port)).then(|| (port.clone(), number.into()));
            std::iter::once((host.clone(), STAND_IN.into()))
                .chain(named)
                .collect()
        }
        Target::None => Vec::new(),
    }
}

/// Reads a target for a plugin whose other settings are these.
///
/// # Errors
///
/// A sentence, when it is none that the plugin could be given.
pub(super) fn aim(target: &Target, others: &Map<String, Value>, text: &str) -> Result<Aim, String> {
    if text.len() > MAX_TARGET {
        return Err(format!("it has more than {MAX_TARGET} bytes"));
    }
    let settings = match target {
        Target::Url(key) => vec![(key.clone(), url(text)?.into())],
        Target::HostAndPort { host, port, .. } => {
            let (named, number) = host_and_port(text)?;
            let number = number.map(|number| (port.clone(), number.into()));
            std::iter::once((host.clone(), named.into()))
                .chain(number)
                .collect()
        }
        Target::None => return Err("the plugin takes no target".into()),
    };
    let mut whole = others.clone();
    whole.extend(settings.iter().cloned());
    let endpoints = own_target(target, &whole);
    if endpoints.is_empty() {
        return Err("it names no host and port that can be dialled".into());
    }
    Ok(Aim { settings, endpoints })
}

/// A URL; `http` where there is no scheme.
fn url(text: &str) -> Result<String, String> {
    let whole = if has_scheme(text) {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let mut url = Url::parse(&whole).map_err(|error| format!("it is no URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user or a password in it".into());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("it has no host".into());
    }
    // What stands behind `#` is for whoever reads the page.
    url.set_fragment(None);
    Ok(url.into())
}

/// Whether a text begins with a scheme (RFC 3986 section 3.1) and `://`. The colon in `host:80/?next=http://x` is
/// none of a scheme.
fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// `host:port`, `[address]:port`, or a host alone.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("its bracket is not closed")?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port),
                None if after.is_empty() => None,
                None => return Err("only a port can follow the bracket".into()),
            };
            (host, port)
        }
        // More than one colon: an IPv6 address alone.
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    let host = Host::parse(host).ok_or("wanted `host:port`, `[address]:port` or a host alone")?;
    let port = port.map(port_number).transpose()?;
    Ok((host.to_string(), port))
}

fn port_number(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u16>().ok().filter(|&number| digits && number != 0);
    number.ok_or_else(|| "its port is none from 1 to 65535".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn aimed(target: &Target, others: Value, text: &str) -> Result<(Value, Vec<String>), String> {
        let others = others.as_object().cloned().unwrap_or_default();
        aim(target, &others, text).map(|aim| {
            let settings: Map<String, Value> = aim.settings.into_iter().collect();
            let endpoints = aim.endpoints.iter().map(Endpoint::to_string).collect();
            (Value::Object(settings), endpoints)
        })
    }

    #[test]
    fn a_url_may_lack_its_scheme_and_is_written_anew() {
        let target = Target::Url("url".into());
        for (text, url, endpoint) in [
            ("www.example.org", "http://www.example.org/", "www.example.org:80"),
            (
                "https://WWW.example.org/a b?c",
                "https://www.example.org/a%20b?c",
                "www.example.org:443",
            ),
            (
                "localhost:8080/x?next=http://y/",
                "http://localhost:8080/x?next=http://y/",
                "localhost:8080",
            ),
            ("[::1]:8080", "http://[::1]:8080/", "[::1]:8080"),
            ("http://127.1/", "http://127.0.0.1/", "127.0.0.1:80"),
            (
                "http://bücher.example/#top",
                "http://xn--bcher-kva.example/",
                "xn--bcher-kva.example:80",
            ),
            // The backslash ends the host for whoever fetches it.
            (
                "http://other.example\\@granted.example/",
                "http://other.example/@granted.example/",
                "other.example:80",
            ),
        ] {
            let wanted = (json!({ "url": url }), vec![endpoint.to_owned()]);
            assert_eq!(aimed(&target, json!({}), text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_with_the_reason() {
        let target = Target::Url("url".into());
        for (text, reason) in [
            (
                "http://granted.example@other.example/",
                "it has a user or a password in it",
            ),
            (
                "granted.example:443@other.example",
                "it has a user or a password in it",
            ),
            ("http://", "it is no URL: empty host"),
            ("http://a b/", "it is no URL: invalid international domain name"),
            (
                "http://a.example:0/",
                "it names no host and port that can be dialled",
            ),
            ("http://0.0.0.0/", "it names no host and port that can be dialled"),
            ("file:///etc/passwd", "it has no host"),
            (
                "ftp://a.example/",
                "it names no host and port that can be dialled",
            ),
        ] {
            assert_eq!(aimed(&target, json!({}), text).unwrap_err(), reason, "{text}");
        }
        let long = format!("http://a.example/{}", "x".repeat(MAX_TARGET));
        assert!(
            aimed(&target, json!({}), &long)
                .unwrap_err()
                .starts_with("it has more")
        );
    }

    fn mail() -> Target {
        Target::HostAndPort {
            host: "host".into(),
            port: "port".into(),
            default_ports: vec![993, 143],
        }
    }

    #[test]
    fn a_host_may_have_a_port_or_that_of_the_module_or_the_plugins() {
        let own = json!({ "port": 1993 });
        for (text, others, settings, endpoints) in [
            (
                "Mail.example.org:25",
                json!({}),
                json!({ "host": "mail.example.org", "port": 25 }),
                vec!["mail.example.org:25"],
            ),
            (
                "mail",
                json!({}),
                json!({ "host": "mail" }),
                vec!["mail:993", "mail:143"],
            ),
            ("mail", own.clone(), json!({ "host": "mail" }), vec!["mail:1993"]),
            (
                "mail:25",
                own,
                json!({ "host": "mail", "port": 25 }),
                vec!["mail:25"],
            ),
            (
                "[2001:db8::1]:25",
                json!({}),
                json!({ "host": "2001:db8::1", "port": 25 }),
                vec!["[2001:db8::1]:25"],
            ),
            (
                "[2001:db8::1]",
                json!({}),
                json!({ "host": "2001:db8::1" }),
                vec!["[2001:db8::1]:993", "[2001:db8::1]:143"],
            ),
            (
                "2001:db8::1",
                json!({}),
                json!({ "host": "2001:db8::1" }),
                vec!["[2001:db8::1]:993", "[2001:db8::1]:143"],
            ),
        ] {
            let wanted = (settings, endpoints.into_iter().map(str::to_owned).collect());
            assert_eq!(aimed(&mail(), others, text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_host_and_port_that_are_none_are_refused_with_the_reason() {
        let host = "wanted `host:port`, `[address]:port` or a host alone";
        for (text, reason) in [
            ("tcp://mail.example.org:25", host),
            ("probe@mail.example.org:25", host),
            ("", host),
            (":25", host),
            ("127.1:25", host),
            ("mail.example.org:", "its port is none from 1 to 65535"),
            ("mail.example.org:0", "its port is none from 1 to 65535"),
            ("mail.example.org:+25", "its port is none from 1 to 65535"),
            ("mail.example.org:25/x", "its port is none from 1 to 65535"),
            ("[2001:db8::1", "its bracket is not closed"),
            ("[2001:db8::1]25", "only a port can follow the bracket"),
        ] {
            assert_eq!(aimed(&mail(), json!({}), text).unwrap_err(), reason, "{text}");
        }
        let portless = Target::HostAndPort {
            host: "host".into(),
            port: "port".into(),
            default_ports: Vec::new(),
        };
        assert_eq!(
            aimed(&portless, json!({}), "mail").unwrap_err(),
            "it names no host and port that can be dialled"
        );
    }

    #[test]
    fn a_stand_in_leaves_the_port_of_a_module_alone() {
        let settings = json!({ "port": 25 });
        let kept = stand_in(&mail(), settings.as_object().unwrap());
        assert_eq!(kept, [("host".to_owned(), json!("target.invalid"))]);
        assert_eq!(stand_in(&mail(), &Map::new()).len(), 2);
    }
}
