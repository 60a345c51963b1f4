//! A URL that can be fetched: parsed, checked, resolved against another. No I/O.

use std::borrow::Cow;
use std::fmt;

use http::Uri;
use url::{Host, Position, Url};

/// An absolute `http` or `https` URL without user information.
///
/// Its `Display` leaves the query out: queries carry tokens, and what is displayed ends in reports.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    url: Url,
    uri: Uri,
}

impl Target {
    /// Reads a URL, or says why it cannot be fetched. The text itself is not repeated: where it does
    /// not parse, nobody can tell what in it is a password or a token.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("not an absolute URL: {error}"))?;
        Self::from_url(url)
    }

    /// Resolves a reference such as that of a `Location` header (RFC 9110 section 10.2.2) against this
    /// URL. A user and a password in it are left out: whom a check is to a server, its settings say.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, String> {
        let mut url = self
            .url
            .join(reference)
            .map_err(|error| format!("not a URL reference: {error}"))?;
        // Fails for URLs that have no place for them.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        Self::from_url(url)
    }

    fn from_url(mut url: Url) -> Result<Self, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "the scheme is `{}`, wanted `http` or `https`",
                url.scheme()
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL holds a user or a password; secrets are never inline".into());
        }
        url.set_fragment(None);
        let uri = url
            .as_str()
            .parse()
            .map_err(|error| format!("the URL cannot be requested: {error}"))?;
        Ok(Self { url, uri })
    }

    /// The form that a request is made of.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The name or address to dial, IPv6 without brackets.
    pub(crate) fn host(&self) -> Cow<'_, str> {
        match self.url.host() {
            Some(Host::Ipv6(address)) => address.to_string().into(),
            Some(Host::Domain(_) | Host::Ipv4(_)) | None => self.url.host_str().unwrap_or_default().into(),
        }
    }

    /// The port to dial: the URL's, or that of its scheme.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.url.port().unwrap_or(default)
    }

    /// Whether both have the same scheme, host and port (RFC 9110 section 4.3.1).
    pub(crate) fn has_same_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }

    /// `host:port/path`, to tell the hops of a chain of redirects apart.
    pub(crate) fn hop_name(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}{}", self.port(), self.url.path())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url[..Position::AfterPath])
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

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
                (&*target.host(), target.port(), target.is_https()),
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
    fn references_are_resolved() {
        let base = target("https://example.org:8443/a/b?x=1");
        for (reference, wanted) in [
            ("/c", "https://example.org:8443/c"),
            ("c", "https://example.org:8443/a/c"),
            ("../c#part", "https://example.org:8443/c"),
            ("//other.example/c", "https://other.example/c"),
            ("http://other.example/", "http://other.example/"),
        ] {
            assert_eq!(base.join(reference).expect(reference).url.as_str(), wanted);
        }
        assert_eq!(
            base.join("?y=2").expect("query").uri().to_string(),
            "https://example.org:8443/a/b?y=2"
        );
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
