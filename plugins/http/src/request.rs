//! A request to be sent, and what a redirect makes of it. No I/O.

use bedcheck_sdk::{Failure, SecretName};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use crate::target::Target;

/// Header fields that are credentials whoever wrote their value (RFC 9110 section 11, RFC 6265).
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// How long user and password may be together, in bytes: with the colon between them they come to the 12,288 bytes of
/// base64 with a secret in it that the host sends at most.
const MAX_BASIC: usize = 9215;

/// What tells a server which trace a request belongs to (W3C Trace Context).
pub(crate) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request without the fields that the exchange adds by itself.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The method, such as `GET`.
    pub(crate) method: Method,
    /// What is requested, and from where.
    pub(crate) target: Target,
    /// The header fields; no name occurs twice.
    pub(crate) headers: Vec<(HeaderName, FieldValue)>,
    /// The content, if any.
    pub(crate) body: Option<String>,
    /// Whether redirects have led to another origin, whatever came after that.
    pub(crate) has_strayed: bool,
}

/// The value of a header field; secrets are names that the host knows.
#[derive(Debug, Clone)]
pub(crate) enum FieldValue {
    /// Written in the settings.
    Plain(HeaderValue),
    /// A secret as it is.
    Secret(SecretName),
    /// `Basic` credentials (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretName,
    },
    /// A `Bearer` token (RFC 6750).
    Bearer(SecretName),
}

impl FieldValue {
    /// The secret in it.
    pub(crate) fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(name) | Self::Bearer(name) | Self::Basic { password: name, .. } => Some(name),
        }
    }
}

impl Request {
    /// The secrets that it holds.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.headers.iter().filter_map(|(_, value)| value.secret())
    }

    /// Refuses Basic credentials that are longer than can be sent, by the lengths of secrets.
    pub(crate) fn check_credentials(&self, length: impl Fn(&SecretName) -> usize) -> Result<(), Failure> {
        for (_, value) in &self.headers {
            if let FieldValue::Basic { user, password } = value
                && let length = user.len().saturating_add(length(password))
                && length > MAX_BASIC
            {
                return Err(Failure::settings_invalid(format!(
                    "`basic.user` and `basic.password` have {length} bytes together, wanted at most {MAX_BASIC}"
                )));
            }
        }
        Ok(())
    }

    /// Whether it authenticates itself to the server (RFC 9110 section 11.6.2).
    pub(crate) fn is_authorized(&self) -> bool {
        self.has_field(&header::AUTHORIZATION)
    }

    /// Whether the settings have a field of this name.
    pub(crate) fn has_field(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(other, _)| other == name)
    }

    /// Whether it may tell of the trace, where the check allows it: if the settings do not say another one, and, as
    /// with credentials, to the first origin only.
    pub(crate) fn may_be_traced(&self) -> bool {
        !self.has_strayed && !self.has_field(&TRACE_PARENT)
    }

    /// The request that follows this one when the server answers with `status` and this location
    /// (RFC 9110 section 15.4).
    ///
    /// Credentials, secrets and a `host` of the settings are for the first origin only: once a redirect
    /// has left it they are gone, also when a later one leads back. The same goes for the way from
    /// `https` to `http`, which changes the origin too.
    pub(crate) fn redirected(mut self, status: StatusCode, target: Target) -> Self {
        if !self.target.has_same_origin(&target) {
            self.has_strayed = true;
            self.headers.retain(|(name, value)| {
                value.secret().is_none() && !CREDENTIALS.contains(name) && name != header::HOST
            });
        }
        if becomes_get(status, &self.method) {
            self.method = Method::GET;
            self.body = None;
            // Fields that describe the content are dropped with it (RFC 9110 section 15.4).
            self.headers
                .retain(|(name, _)| !name.as_str().starts_with("content-"));
        }
        self.target = target;
        self
    }
}

/// Whether a status redirects to the URL in `Location`, as 300 and 304 do not.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether the method changes: what every browser does with `POST`, and what 303 is for.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        StatusCode::SEE_OTHER => method != Method::GET && method != Method::HEAD,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bedcheck_sdk::Reason;

    use super::*;

    fn secret(name: &str) -> SecretName {
        serde_json::from_value(serde_json::json!({ "secret": name })).expect("a secret's name")
    }

    fn post() -> Request {
        let plain = |text| FieldValue::Plain(HeaderValue::from_static(text));
        Request {
            method: Method::POST,
            target: Target::parse("https://example.org/form").expect("a URL"),
            headers: vec![
                (header::AUTHORIZATION, FieldValue::Bearer(secret("token"))),
                (header::COOKIE, plain("id=1")),
                (
                    HeaderName::from_static("x-key"),
                    FieldValue::Secret(secret("key")),
                ),
                (header::HOST, plain("front.example")),
                (header::CONTENT_TYPE, plain("text/plain")),
                (header::ACCEPT, plain("text/html")),
            ],
            body: Some("a=1".into()),
            has_strayed: false,
        }
    }

    fn names(request: &Request) -> Vec<&str> {
        request.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn redirected(request: Request, status: u16, location: &str) -> Request {
        let target = request.target.join(location).expect(location);
        request.redirected(StatusCode::from_u16(status).expect("a status"), target)
    }

    #[test]
    fn methods_are_rewritten_as_the_status_says() {
        for (status, method, wanted) in [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (303, "POST", "GET"),
            (307, "POST", "POST"),
            (308, "POST", "POST"),
            (301, "PUT", "PUT"),
            (303, "PUT", "GET"),
            (303, "HEAD", "HEAD"),
            (302, "HEAD", "HEAD"),
        ] {
            let mut request = post();
            request.method = method.parse().expect("a method");
            let next = redirected(request, status, "/next");
            assert_eq!(next.method.as_str(), wanted, "{status} {method}");
            let has_kept_body = method != "GET" && wanted == method;
            assert_eq!(next.body.is_some(), has_kept_body, "{status} {method}");
            assert_eq!(
                names(&next).contains(&"content-type"),
                has_kept_body,
                "{status} {method}"
            );
        }
    }

    #[test]
    fn credentials_stay_within_the_origin() {
        let next = redirected(post(), 307, "/next");
        assert_eq!(
            names(&next),
            [
                "authorization",
                "cookie",
                "x-key",
                "host",
                "content-type",
                "accept"
            ]
        );
        assert!(next.is_authorized());
        for location in [
            "https://other.example/",
            "http://example.org/form",
            "https://example.org:8443/form",
        ] {
            let next = redirected(post(), 307, location);
            assert_eq!(names(&next), ["content-type", "accept"], "{location}");
            assert_eq!(next.secrets().count(), 0);
        }
    }

    #[test]
    fn credentials_are_no_longer_than_can_be_sent() {
        let request = |user: &str| {
            let password = secret("front");
            let mut request = post();
            let user = user.to_owned();
            request.headers[0].1 = FieldValue::Basic { user, password };
            request
        };
        request("probe").check_credentials(|_| 9_210).expect("it fits");
        let failure = request("probe")
            .check_credentials(|_| 9_211)
            .expect_err("too long");
        assert!(matches!(failure.reason(), Reason::SettingsInvalid), "{failure}");
        assert_eq!(
            failure.message(),
            "`basic.user` and `basic.password` have 9216 bytes together, wanted at most 9215"
        );
        post().check_credentials(|_| 100_000).expect("it is no base64");
    }

    #[test]
    fn credentials_do_not_come_back() {
        let away = redirected(post(), 307, "https://other.example/");
        let back = redirected(away, 307, "https://example.org/form");
        assert_eq!(names(&back), ["content-type", "accept"]);
    }
}
