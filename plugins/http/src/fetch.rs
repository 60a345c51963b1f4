//! From the first request to the final response: a connection per request, and redirects followed. What
//! connections and phases are is left to a [`Network`], so that chains of redirects are tested as byte
//! strings too.

use std::borrow::Cow;

use bedcheck_sdk::{Failure, TlsInfo};
use http::StatusCode;

use crate::exchange::{self, Answer, Response, Transport};
use crate::request::{self, Request};
use crate::target::Target;

/// What connects, and what keeps the clock of the phases.
pub(crate) trait Network {
    /// A connection to a server.
    type Connection: Transport;

    /// Connects, and speaks TLS where the URL says so.
    fn connect(&mut self, target: &Target) -> Result<(Self::Connection, Option<TlsInfo>), Failure>;

    /// Goes through a phase; the detail tells the hops after the first apart.
    fn phase<T>(
        &mut self,
        name: &str,
        detail: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure>;

    /// Tells whoever looks into the run.
    fn note(&mut self, line: &str);
}

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many redirects are followed. With none, a redirect is the final response.
    pub(crate) redirects: u32,
    /// The most bytes of a body, encoded or decoded.
    pub(crate) body: usize,
}

/// The final response, and how it was reached.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The final response.
    pub(crate) response: Response,
    /// The TLS session it came over.
    pub(crate) tls: Option<TlsInfo>,
    /// How many redirects were followed.
    pub(crate) redirects: u32,
    /// Whether the request that was answered carried an `authorization` field.
    pub(crate) authorized: bool,
}

/// Fetches what is requested, following redirects.
///
/// # Errors
///
/// Whatever a connection or an exchange fails with; a redirect too many, or one that leads nowhere.
pub(crate) fn fetch(
    network: &mut impl Network,
    mut request: Request,
    limits: Limits,
) -> Result<Fetched, Failure> {
    let mut redirects = 0;
    loop {
        let hop = (redirects > 0).then(|| request.target.hop_name());
        let (response, tls) = visit(network, &request, hop.as_deref(), limits.body)?;
        let location = if limits.redirects > 0 {
            location(&response, &request.target)?
        } else {
            None
        };
        let Some(location) = location else {
            return Ok(Fetched {
                response,
                tls,
                redirects,
                authorized: request.is_authorized(),
            });
        };
        if redirects == limits.redirects {
            return Err(Failure::unexpected_response(format!(
                "more than {redirects} redirects: `{}` redirects to `{location}`",
                request.target
            )));
        }
        redirects += 1;
        network.note(&followed(response.status, &request.target, &location));
        request = request.redirected(response.status, location);
    }
}

/// One request on a connection of its own. The body of a redirect is received as well: that it comes is
/// part of what the server promised, and `transfer` is a phase of every hop.
fn visit<N: Network>(
    network: &mut N,
    request: &Request,
    hop: Option<&str>,
    max_body: usize,
) -> Result<(Response, Option<TlsInfo>), Failure> {
    let (mut connection, tls) = network.connect(&request.target)?;
    let answer: Answer = network.phase("processing", hop, || exchange::ask(&mut connection, request))?;
    let response = network.phase("transfer", hop, || answer.finish(&mut connection, max_body))?;
    Ok((response, tls))
}

/// Where a response redirects to, if it does. A redirect without a location is a response as any other
/// (RFC 9110 section 15.4); an empty one is none, though it could be read as the way back to where it comes from.
fn location(response: &Response, base: &Target) -> Result<Option<Target>, Failure> {
    if !request::is_redirect(response.status) {
        return Ok(None);
    }
    let location = response.fields.get("location");
    let Some(value) = location.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    base.join(&reference(value)).map(Some).map_err(|error| {
        Failure::unexpected_response(format!(
            "`{base}` answers {} with a location that cannot be followed: {error}",
            response.status.as_u16()
        ))
    })
}

/// A location as text. Bytes that are no UTF-8 are percent-encoded, as whoever sent them wants them back.
fn reference(location: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(location) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(location.len());
    for &byte in location {
        match byte.is_ascii() {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    Cow::Owned(text)
}

fn followed(status: StatusCode, from: &Target, to: &Target) -> String {
    let status = status.as_u16();
    if from.is_https() && !to.is_https() {
        return format!("{status}: `{from}` redirects to `{to}`, out of TLS; credentials are not sent there");
    }
    format!("{status}: `{from}` redirects to `{to}`")
}

#[cfg(test)]
mod tests {
    use bedcheck_sdk::{CallError, Reason};
    use serde_json::{Value, json};

    use super::*;
    use crate::script::{Servers, request};

    fn ok() -> String {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()
    }

    fn redirect(status: u16, location: &str) -> String {
        format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\ngone")
    }

    fn run(servers: &mut Servers, settings: &Value, redirects: u32) -> Result<Fetched, Failure> {
        fetch(servers, request(settings), Limits { redirects, body: 100 })
    }

    #[test]
    fn a_relative_redirect_stays_and_keeps_credentials() {
        let mut servers = Servers::new([
            ("example.org:443", redirect(302, "/new?token=1")),
            ("example.org:443", ok()),
        ]);
        let settings = json!({ "url": "https://example.org/old", "bearer": { "secret": "front" } });
        let fetched = run(&mut servers, &settings, 5).expect("a response");
        assert_eq!(
            (
                fetched.response.status.as_u16(),
                fetched.redirects,
                fetched.authorized
            ),
            (200, 1, true)
        );
        assert!(fetched.tls.is_some());
        assert_eq!(
            servers.events,
            [
                "connect example.org:443",
                "processing -",
                "transfer -",
                "302: `https://example.org/old` redirects to `https://example.org/new`",
                "connect example.org:443",
                "processing example.org:443/new",
                "transfer example.org:443/new",
            ]
        );
        let heard = servers.heard.borrow();
        assert!(
            heard[1].starts_with("GET /new?token=1 HTTP/1.1\r\n"),
            "{}",
            heard[1]
        );
        assert!(
            heard[1].contains("authorization: Bearer <front>\r\n"),
            "{}",
            heard[1]
        );
    }

    #[test]
    fn another_origin_gets_no_credentials() {
        let mut servers = Servers::new([
            ("example.org:443", redirect(307, "http://example.org/")),
            ("example.org:80", redirect(307, "https://example.org/")),
            ("example.org:443", ok()),
        ]);
        let settings = json!({
            "url": "https://example.org/", "method": "POST", "body": "a=1",
            "basic": { "user": "probe", "password": { "secret": "front" } },
            "headers": { "X-Key": { "secret": "key" }, "Cookie": "id=1", "X-Plain": "yes" },
        });
        let fetched = run(&mut servers, &settings, 5).expect("a response");
        assert!(!fetched.authorized);
        let heard = servers.heard.borrow();
        assert!(
            heard[0].contains("authorization: Basic base64(probe:<front>)\r\n"),
            "{}",
            heard[0]
        );
        assert!(
            heard[0].contains("x-key: <key>\r\n") && heard[0].contains("cookie: id=1\r\n"),
            "{}",
            heard[0]
        );
        for later in &heard[1..] {
            assert!(!later.contains('<') && !later.contains("cookie"), "{later}");
            assert!(
                later.contains("x-plain: yes\r\n") && later.ends_with("\r\n\r\na=1"),
                "{later}"
            );
        }
        assert!(
            servers.events[3].ends_with("out of TLS; credentials are not sent there"),
            "{:?}",
            servers.events
        );
    }

    #[test]
    fn another_origin_is_not_told_of_the_trace_nor_is_the_first_one_afterwards() {
        let mut servers = Servers::new([
            ("example.org:443", redirect(307, "/next")),
            ("example.org:443", redirect(307, "http://example.org/")),
            ("example.org:80", redirect(307, "https://example.org/")),
            ("example.org:443", ok()),
        ]);
        servers.trace_parent = Some("00-a-b-01".to_owned());
        run(&mut servers, &json!({ "url": "https://example.org/" }), 5).expect("a response");
        let heard = servers.heard.borrow();
        let told: Vec<bool> = heard
            .iter()
            .map(|heard| heard.contains("traceparent: 00-a-b-01\r\n"))
            .collect();
        assert_eq!(told, [true, true, false, false]);
    }

    #[test]
    fn post_becomes_get_without_content() {
        let mut servers = Servers::new([
            ("example.org:80", redirect(303, "done")),
            ("example.org:80", ok()),
        ]);
        run(
            &mut servers,
            &json!({ "url": "http://example.org/form", "method": "POST", "body": "a=1" }),
            5,
        )
        .expect("a response");
        let heard = servers.heard.borrow();
        assert!(heard[1].starts_with("GET /done HTTP/1.1\r\n"), "{}", heard[1]);
        assert!(
            !heard[1].contains("content-length") && heard[1].ends_with("\r\n\r\n"),
            "{}",
            heard[1]
        );
    }

    #[test]
    fn a_loop_ends_at_the_limit() {
        let mut servers = Servers::new((0..4).map(|_| ("example.org:80", redirect(301, "/"))));
        let failure = run(&mut servers, &json!({ "url": "http://example.org/" }), 3).expect_err("a loop");
        assert!(matches!(failure.reason(), Reason::UnexpectedResponse));
        assert_eq!(
            failure.message(),
            "more than 3 redirects: `http://example.org/` redirects to `http://example.org/`"
        );
        assert_eq!(servers.heard.borrow().len(), 4);
    }

    #[test]
    fn without_redirects_allowed_the_redirect_is_the_response() {
        let mut servers = Servers::new([("example.org:80", redirect(301, "ftp://nowhere/"))]);
        let fetched = run(&mut servers, &json!({ "url": "http://example.org/" }), 0).expect("a response");
        assert_eq!((fetched.response.status.as_u16(), fetched.redirects), (301, 0));
    }

    #[test]
    fn a_status_without_a_location_to_follow_is_a_response() {
        for answer in [
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nLocation: /\r\n\r\n",
            "HTTP/1.1 201 Created\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n",
        ] {
            let mut servers = Servers::new([("example.org:80", answer.to_owned())]);
            let fetched = run(&mut servers, &json!({ "url": "http://example.org/" }), 5).expect(answer);
            assert_eq!(fetched.redirects, 0);
        }
    }

    #[test]
    fn a_location_that_cannot_be_followed_is_the_servers_fault() {
        let mut servers = Servers::new([("example.org:80", redirect(302, "mailto:x@example.org"))]);
        let failure = run(&mut servers, &json!({ "url": "http://example.org/" }), 5).expect_err("mailto");
        assert!(matches!(failure.reason(), Reason::UnexpectedResponse));
        assert_eq!(
            failure.message(),
            "`http://example.org/` answers 302 with a location that cannot be followed: \
             the scheme is `mailto`, wanted `http` or `https`"
        );
    }

    #[test]
    fn a_location_with_bytes_that_are_no_utf_8_is_asked_for_with_these_bytes() {
        for (location, wanted) in [
            (b"/caf\xe9?q=\xfc".as_slice(), "GET /caf%E9?q=%FC HTTP/1.1\r\n"),
            ("/café?q=ü".as_bytes(), "GET /caf%C3%A9?q=%C3%BC HTTP/1.1\r\n"),
        ] {
            let head = [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ", location];
            let redirect = [&head.concat(), b"\r\n\r\n".as_slice()].concat();
            let mut servers = Servers::new([("example.org:80", redirect), ("example.org:80", ok().into())]);
            run(&mut servers, &json!({ "url": "http://example.org/" }), 5).expect("a response");
            let heard = servers.heard.borrow();
            assert!(heard[1].starts_with(wanted), "{}", heard[1]);
        }
    }

    #[test]
    fn a_user_and_a_password_in_a_location_are_left_out() {
        let mut servers = Servers::new([
            (
                "example.org:80",
                redirect(302, "http://ann:hunter2@other.example/next"),
            ),
            ("other.example:80", ok()),
        ]);
        run(&mut servers, &json!({ "url": "http://example.org/" }), 5).expect("a response");
        let heard = servers.heard.borrow();
        assert!(heard[1].starts_with("GET /next HTTP/1.1\r\n"), "{}", heard[1]);
        let told = [heard.join("\n"), servers.events.join("\n")].concat();
        assert!(
            !told.contains("hunter2") && !told.contains("authorization"),
            "{told}"
        );
    }

    #[test]
    fn a_hop_that_is_not_granted_is_passed_on() {
        let mut servers = Servers::new([("example.org:80", redirect(302, "http://internal.example:8080/"))]);
        let failure = run(&mut servers, &json!({ "url": "http://example.org/" }), 5).expect_err("no grant");
        assert!(
            matches!(failure.reason(), Reason::Call(CallError::GrantDenied(_))),
            "{failure}"
        );
    }
}
