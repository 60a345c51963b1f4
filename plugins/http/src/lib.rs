//! The built-in HTTP check: fetches a URL, follows redirects, and holds the final response against what
//! is expected of it.
//!
//! Here live the description and the course of a run; the protocol is in the modules below, which know
//! no sandbox but for `wire`. A request goes over a connection of its own by HTTP/1.1, and asks for gzip or deflate.
//!
//! # Phases
//!
//! | phase | from | to |
//! | --- | --- | --- |
//! | `resolve`, `connect`, `tls` | | recorded by the host; `tls` with `https` only |
//! | `processing` | the request is sent | the head of the response has come in |
//! | `transfer` | | the whole body has come in, and is decoded |
//!
//! Every redirect followed goes through them again; `processing` and `transfer` then tell by their
//! detail, `host:port/path`, whose they are. What is expected is judged after the phases: they have
//! worked when the run fails with `assertion_failed`.
//!
//! # Measurements
//!
//! | name | unit | what |
//! | --- | --- | --- |
//! | `http.response.status_code` | `{status_code}` | the final status |
//! | `http.response.body.size` | `By` | the final body as it was sent: before decoding, without chunk framing |
//! | `http.response.body.uncompressed_size` | `By` | the final body as it was decoded; only where it was gzip or deflate |
//! | `http.response.content_length` | `By` | what `Content-Length` says; only where it is there |
//! | `http.response.last_modified` | `s` | what `Last-Modified` says, in seconds since 1970; only where it is there |
//! | `http.response.version` | `{version}` | `1.0` or `1.1` |
//! | `http.expect.patterns_unmet` | `{pattern}` | how many regular expressions of `expect` are not met; only where there are some |
//! | `http.redirects` | `{redirect}` | how many redirects were followed |
//! | `tls.server.certificate.time_left` | `s` | how long the certificate is still valid, negative once it has expired; `https` only |

mod body;
mod chunks;
mod exchange;
mod expect;
mod fetch;
mod framing;
#[cfg(test)]
mod fuzz;
mod head;
mod message;
mod quote;
mod request;
#[cfg(test)]
mod script;
mod settings;
mod target;
mod wire;

use std::mem::ManuallyDrop;
use std::time::UNIX_EPOCH;

use bedcheck_sdk::{Check, Description, Failure, Planned, Target, measure, plan, warning};
use http::{StatusCode, Version};

use crate::body::Coding;
use crate::expect::Expectations;
use crate::fetch::Fetched;
use crate::framing::announced_length;
use crate::head::Fields;
use crate::wire::{Host, Secrets};

pub use settings::Settings;

/// The HTTP check.
#[derive(Debug)]
pub struct Http;

impl Check for Http {
    type Settings = Settings;

    fn describe() -> Description {
        bedcheck_bare::tell_panics();
        Description::new(
            "http",
            env!("CARGO_PKG_VERSION"),
            "fetches a URL and checks the response",
        )
        .phases(["resolve", "connect", "tls", "processing", "transfer"])
        .capabilities(["net.connect", "net.tls", "secrets"])
        .target(Target::url("url"))
        .settings_schema(settings::SCHEMA)
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        bedcheck_bare::tell_panics();
        plan(planned(&settings).map(Planned::new))?;
        let secrets = Secrets::open(settings.request.secrets())?;
        settings.request.check_credentials(|name| secrets.length(name))?;
        let Settings {
            request,
            limits,
            expect,
        } = settings;
        let fetched = fetch::fetch(&mut Host { secrets: &secrets }, request, limits)?;
        // Header maps and regular expressions are laborious to take apart, and all memory of a run goes with it.
        let (fetched, expect) = (ManuallyDrop::new(fetched), ManuallyDrop::new(expect));
        // Certificates alone have to do with the time of day.
        let now = fetched.tls.as_ref().map_or(0, |_| seconds_since_1970());
        report(&fetched, now)?;
        let unmet = expect.unmet(&fetched.response, fetched.tls.as_ref(), now);
        if let Some(patterns) = unmet.patterns {
            measure("http.expect.patterns_unmet", patterns as f64, "{pattern}", &[])?;
        }
        verdict(&expect, &fetched, &unmet.sentences)
    }
}

bedcheck_sdk::register!(Http);

/// The phases of the first hop: nobody knows beforehand whether there will be others.
fn planned(settings: &Settings) -> impl Iterator<Item = &'static str> {
    let is_https = settings.request.target.is_https();
    ["resolve", "connect", "tls", "processing", "transfer"]
        .into_iter()
        .filter(move |&phase| is_https || phase != "tls")
}

/// Zero should the clock stand before 1970, so that certificates seem valid rather than expired.
fn seconds_since_1970() -> i64 {
    bedcheck_bare::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Measures the response, and says what is odd about it.
fn report(fetched: &Fetched, now: i64) -> Result<(), Failure> {
    let response = &fetched.response;
    let version = if response.version == Version::HTTP_10 {
        1.0
    } else {
        1.1
    };
    measure(
        "http.response.status_code",
        response.status.as_u16().into(),
        "{status_code}",
        &[],
    )?;
    measure("http.response.body.size", response.received as f64, "By", &[])?;
    let coding = Coding::of(&response.fields);
    if matches!(coding, Coding::Gzip | Coding::Deflate) && response.received > 0 {
        let size = response.body.len() as f64;
        measure("http.response.body.uncompressed_size", size, "By", &[])?;
    }
    if let Ok(Some(length)) = announced_length(&response.fields) {
        measure("http.response.content_length", length as f64, "By", &[])?;
    }
    if let Some(modified) = last_modified(&response.fields) {
        measure("http.response.last_modified", modified as f64, "s", &[])?;
    }
    measure("http.response.version", version, "{version}", &[])?;
    measure("http.redirects", fetched.redirects.into(), "{redirect}", &[])?;
    if let Some(tls) = &fetched.tls {
        measure(
            "tls.server.certificate.time_left",
            expect::time_left(tls, now) as f64,
            "s",
            &[],
        )?;
    }
    if let Coding::Unknown(coding) = coding {
        let coding = quote::quote(coding.as_bytes());
        warning(&format!(
            "the body comes in the content coding {coding}, and is taken as it is"
        ));
    }
    Ok(())
}

/// When a response says it was last changed (RFC 9110 section 8.8.2), in seconds since 1970; none for a date that is
/// none.
fn last_modified(fields: &Fields) -> Option<u64> {
    let date = str::from_utf8(fields.get("last-modified")?).ok()?;
    let modified = httpdate::parse_http_date(date.trim()).ok()?;
    modified
        .duration_since(UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs())
}

/// What the run comes to: all that is not met, in one message. Credentials that a server answers with
/// 401 were refused (RFC 9110 section 15.5.2), unless 401 is what was expected.
fn verdict(expect: &Expectations, fetched: &Fetched, unmet: &[String]) -> Result<(), Failure> {
    if unmet.is_empty() {
        return Ok(());
    }
    let status = fetched.response.status;
    let message = unmet.join("; ");
    if fetched.authorized && status == StatusCode::UNAUTHORIZED && !expect.allows_status(status) {
        return Err(Failure::auth_rejected(format!(
            "the server refused the credentials: {message}"
        )));
    }
    Err(Failure::assertion_failed(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Response;
    use bedcheck_sdk::Reason;

    fn judged(expect: &str, status: StatusCode, authorized: bool) -> Result<(), Failure> {
        let settings = format!(r#"{{"url": "https://example.org/", "expect": {expect}}}"#);
        let settings: Settings = serde_json::from_str(&settings).expect("settings");
        let response = Response {
            status,
            version: Version::HTTP_11,
            fields: Fields::default(),
            body: b"no".to_vec(),
            received: 2,
        };
        let unmet = settings.expect.unmet(&response, None, 0);
        let fetched = Fetched {
            response,
            tls: None,
            redirects: 0,
            authorized,
        };
        verdict(&settings.expect, &fetched, &unmet.sentences)
    }

    #[test]
    fn refused_credentials_are_told_from_other_surprises() {
        let rejected = judged("{}", StatusCode::UNAUTHORIZED, true).expect_err("401");
        assert!(matches!(rejected.reason(), Reason::AuthRejected));
        assert_eq!(
            rejected.message(),
            "the server refused the credentials: status 401, expected 2xx"
        );
        for (expect, status, authorized) in [
            ("{}", StatusCode::UNAUTHORIZED, false),
            ("{}", StatusCode::FORBIDDEN, true),
            (
                r#"{"status": [401], "body_contains": "ok"}"#,
                StatusCode::UNAUTHORIZED,
                true,
            ),
        ] {
            let failure = judged(expect, status, authorized).expect_err(expect);
            assert!(
                matches!(failure.reason(), Reason::AssertionFailed),
                "{expect}: {failure}"
            );
        }
        judged(r#"{"status": [401]}"#, StatusCode::UNAUTHORIZED, true).expect("as expected");
    }

    #[test]
    fn all_that_is_not_met_is_in_one_message() {
        let failure = judged(
            r#"{"body_contains": "ok"}"#,
            StatusCode::SERVICE_UNAVAILABLE,
            false,
        );
        assert_eq!(
            failure.expect_err("503").message(),
            "status 503, expected 2xx; body does not contain `ok`; body is `no`"
        );
    }

    #[test]
    fn headers_with_dates_are_read() {
        let read = |date| last_modified(&Fields::from_iter([("Last-Modified", date)]));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:07 GMT"), Some(7));
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn tls_is_planned_with_https_only() {
        let planned = |url: &str| {
            let settings = serde_json::json!({ "url": url }).to_string();
            planned(&serde_json::from_str(&settings).expect("settings")).collect::<Vec<_>>()
        };
        assert_eq!(
            planned("https://example.org/"),
            ["resolve", "connect", "tls", "processing", "transfer"]
        );
        assert_eq!(
            planned("http://example.org/"),
            ["resolve", "connect", "processing", "transfer"]
        );
    }
}
