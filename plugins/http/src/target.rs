//! A URL that can be fetched: parsed, checked, resolved against another. No I/O.

use std::fmt;
use std::net::Ipv4Addr;

use url::{Position, Url};

/// The most bytes of a URL: as many as libraries of HTTP take, and far more than servers do.
const MAX_LENGTH: usize = 65_534;

/// An absolute `http` or `https` URL without user information and without a fragment.
///
/// Its `Display` leaves the query out: queries carry tokens, and what is displayed ends in reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The URL in the standard's own form (URL Standard section 4.5): without a default port, the path never empty.
    text: String,
    /// Where host and port begin.
    authority: usize,
    /// Where the host ends.
    host_end: usize,
    /// Where the path begins.
    path: usize,
    /// Where the path ends, and the query may begin.
    path_end: usize,
    port: u16,
}

impl Target {
    /// Reads a URL, or says why it cannot be fetched. The text itself is not repeated: where it does
    /// not parse, nobody can tell what in it is a password or a token.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(target) = Self::parse_plain(text) {
            return Ok(target);
        }
        let url = Url::parse(text).map_err(|error| format!("not an absolute URL: {error}"))?;
        Self::from_url(url)
    }

    /// Resolves a reference such as that of a `Location` header (RFC 9110 section 10.2.2) against this
    /// URL. A user and a password in it are left out: whom a check is to a server, its settings say.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, String> {
        let mut url = Url::parse(&self.text)
            .and_then(|base| base.join(reference))
            .map_err(|error| format!("not a URL reference: {error}"))?;
        // Fails for URLs that have no place for them.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        Self::from_url(url)
    }

    fn from_url(mut url: Url) -> Result<Self, String> {
        let default_port = match url.scheme() {
            "http" => 80,
            "https" => 443,
            other => return Err(format!("the scheme is `{other}`, wanted `http` or `https`")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds a user or a password; secrets are never inline".into());
        }
        url.set_fragment(None);
        let length = url.as_str().len();
        if length > MAX_LENGTH {
            return Err(format!("the URL has {length} bytes, wanted at most {MAX_LENGTH}"));
        }
        Ok(Self {
            authority: url[..Position::BeforeHost].len(),
            host_end: url[..Position::AfterHost].len(),
            path: url[..Position::BeforePath].len(),
            path_end: url[..Position::AfterPath].len(),
            port: url.port().unwrap_or(default_port),
            text: url.into(),
        })
    }

    /// Takes a URL apart that is in the standard's form already and has nothing out of the ordinary, as most are, at a
    /// fraction of what parsing costs every run. None for any other.
    fn parse_plain(text: &str) -> Option<Self> {
        let (authority, default_port) = if text.starts_with("https://") {
            ("https://".len(), 443)
        } else if text.starts_with("http://") {
            ("http://".len(), 80)
        } else {
            return None;
        };
        let path = authority + text[authority..].find('/')?;
        let (host, port) = match text[authority..path].split_once(':') {
            Some((host, port)) => (host, plain_port(port).filter(|&port| port != default_port)?),
            None => (&text[authority..path], default_port),
        };
        let path_end = text[path..].find('?').map_or(text.len(), |at| path + at);
        let has_dot_segments = text[path..path_end].contains("/.");
        let is_plain = text.len() <= MAX_LENGTH && is_plain_host(host) && !has_dot_segments;
        let is_plain = is_plain && text[path..].bytes().all(is_plain_in_path);
        is_plain.then(|| Self {
            text: text.to_owned(),
            authority,
            host_end: authority + host.len(),
            path,
            path_end,
            port,
        })
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// The name or address to dial, IPv6 without brackets.
    pub(crate) fn host(&self) -> &str {
        let host = &self.text[self.authority..self.host_end];
        host.strip_prefix('[')
            .and_then(|address| address.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// The port to dial: the URL's, or that of its scheme.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Host, and port where it is not that of the scheme: what `Host` says (RFC 9110 section 7.2).
    pub(crate) fn authority(&self) -> &str {
        &self.text[self.authority..self.path]
    }

    /// Path and query: what is asked for (RFC 9112 section 3.2.1).
    pub(crate) fn origin_form(&self) -> &str {
        &self.text[self.path..]
    }

    /// The URL without its query, as its `Display`.
    pub(crate) fn shown(&self) -> &str {
        &self.text[..self.path_end]
    }

    /// Whether both have the same scheme, host and port (RFC 9110 section 4.3.1).
    pub(crate) fn has_same_origin(&self, other: &Self) -> bool {
        self.text[..self.path] == other.text[..other.path]
    }

    /// `host:port/path`, to tell the hops of a chain of redirects apart.
    pub(crate) fn hop_name(&self) -> String {
        let (host, port) = (&self.text[self.authority..self.host_end], self.port);
        format!("{host}:{port}{}", &self.text[self.path..self.path_end])
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

/// A port as it would be written again.
fn plain_port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

/// Whether a host is a name in ASCII that nothing is to be done about, or an IPv4 address as it would be written again.
fn is_plain_host(host: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let ends_in_digits = |label: &str| label.starts_with(|first: char| first.is_ascii_digit());
    host.bytes().all(is_plain)
        && host.split('.').all(|label| !label.is_empty() && !label.starts_with("xn--"))
        // What ends in a number is an address (URL Standard section 3.5).
        && (!host.rsplit('.').next().is_some_and(ends_in_digits) || host.parse::<Ipv4Addr>().is_ok())
}

/// Whether a byte of a path or a query stays as it is, and begins nothing else.
fn is_plain_in_path(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'-'..=b';' | b'&' | b'+' | b',' | b'=' | b'?' | b'@' | b'_' | b'~')
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text).expect(text)
    }

    #[test]
    fn host_and_port_are_what_is_dialled() {
        for (text, host, port, https) in [
            ("http://www.example.org/", "www.example.org", 80, false),
            ("https://www.example.org", "www.example.org", 443, true),
            ("HTTPS://WWW.Example.org:8443/x", "www.example.org", 8443, true),
            ("http://192.0.2.1:8080/", "192.0.2.1", 8080, false),
            ("https://[2001:db8::1]/", "2001:db8::1", 443, true),
            ("http://bücher.example/", "xn--bcher-kva.example", 80, false),
        ] {
            let target = target(text);
            assert_eq!(
                (target.host(), target.port(), target.is_https()),
                (host, port, https),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_a_sentence() {
        for (text, sentence) in [
            (
                "www.example.org",
                "not an absolute URL: relative URL without a base",
            ),
            (
                "ftp://example.org/",
                "the scheme is `ftp`, wanted `http` or `https`",
            ),
            (
                "http://probe:hunter2@example.org/",
                "the URL holds a user or a password; secrets are never inline",
            ),
            (
                "http://probe@example.org/",
                "the URL holds a user or a password; secrets are never inline",
            ),
            ("http://", "not an absolute URL: empty host"),
        ] {
            assert_eq!(Target::parse(text).expect_err(text), sentence);
        }
    }

    #[test]
    fn parts_are_those_of_the_url() {
        for (text, authority, origin_form, shown) in [
            ("http://example.org", "example.org", "/", "http://example.org/"),
            (
                "http://example.org:80/a?b#c",
                "example.org",
                "/a?b",
                "http://example.org/a",
            ),
            (
                "https://[2001:db8::1]:80/?b/c",
                "[2001:db8::1]:80",
                "/?b/c",
                "https://[2001:db8::1]:80/",
            ),
        ] {
            let target = target(text);
            let parts = (target.authority(), target.origin_form(), target.shown());
            assert_eq!(parts, (authority, origin_form, shown), "{text}");
        }
    }

    #[test]
    fn a_url_is_no_longer_than_can_be_requested() {
        let url = |path: usize| format!("http://example.org/{}", "x".repeat(path));
        let most = MAX_LENGTH - url(0).len();
        target(&url(most));
        assert_eq!(
            Target::parse(&url(most + 1)).expect_err("too long"),
            "the URL has 65535 bytes, wanted at most 65534"
        );
    }

    #[test]
    fn plain_urls_are_what_parsing_makes_of_them() {
        for text in [
            "http://example.org/",
            "https://www.example.org:8443/a/b.html?c=d&e=f",
            "http://127.0.0.1:8080/health",
            "http://a-b.c1/",
        ] {
            assert!(Target::parse_plain(text).is_some(), "{text}");
            fuzz::assert_same(text);
        }
        for text in [
            "http://example.org",
            "http://example.org?a/b",
            "http://EXAMPLE.org/",
            "http://a.org:80/",
        ] {
            assert!(Target::parse_plain(text).is_none(), "{text}");
        }
    }

    #[test]
    fn references_are_resolved() {
        let base = target("https://example.org:8443/a/b?x=1");
        for (reference, wanted) in [
            ("/c", "https://example.org:8443/c"),
            ("c", "https://example.org:8443/a/c"),
            ("../c#part", "https://example.org:8443/c"),
            ("//other.example/c", "https://other.example/c"),
            ("http://other.example/", "http://other.example/"),
        ] {
            assert_eq!(base.join(reference).expect(reference).text, wanted);
        }
        assert_eq!(base.join("?y=2").expect("query").origin_form(), "/a/b?y=2");
        assert_eq!(
            base.join("javascript:alert(1)").expect_err("scheme"),
            "the scheme is `javascript`, wanted `http` or `https`"
        );
    }

    #[test]
    fn origin_is_scheme_host_and_port() {
        let base = target("https://example.org/a");
        assert!(base.has_same_origin(&target("https://EXAMPLE.org:443/b")));
        assert!(!base.has_same_origin(&target("http://example.org/a")));
        assert!(!base.has_same_origin(&target("https://www.example.org/a")));
        assert!(!base.has_same_origin(&target("https://example.org:8443/a")));
    }

    #[test]
    fn what_is_shown_has_no_query() {
        let target = target("https://[2001:db8::1]:8443/login?token=abc");
        assert_eq!(target.to_string(), "https://[2001:db8::1]:8443/login");
        assert_eq!(target.hop_name(), "[2001:db8::1]:8443/login");
    }
}
