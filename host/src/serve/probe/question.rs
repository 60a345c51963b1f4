//! What a request for a probe asks: module, target, and how much time there is. Pure.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use crate::runner::Request;

/// The module of who names none: that of blackbox_exporter.
const DEFAULT_MODULE: &str = "http_2xx";
/// How long Prometheus waits for this scrape, in seconds.
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";
/// The longest time that a scraper is believed to wait.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// The query of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// `module`.
    pub(super) module: String,
    /// `debug=true`: what happened, for people.
    pub(super) debug: bool,
    /// `target` and `hostname`.
    request: Option<Request>,
}

/// Why nothing was run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// There is no such module.
    #[error("Unknown module {0:?}")]
    UnknownModule(String),
    /// The request names no target.
    #[error("Target parameter is missing")]
    NoTarget,
    /// The target or the hostname make no sense.
    #[error("{0}")]
    Unusable(String),
    /// The module may not be asked for this target.
    #[error("{0}")]
    NotAllowed(String),
    /// The header does not say how long the scraper waits.
    #[error("Failed to parse timeout from Prometheus header: {0:?} is not a number of seconds")]
    Timeout(String),
    /// All slots were taken all the time.
    #[error("no run could begin within {} s: all slots are taken (`runner.concurrency`)", .0.as_secs_f64())]
    NoSlot(Duration),
    /// The daemon ends.
    #[error("the daemon is ending")]
    Ending,
}

impl Refused {
    /// The status that says it, as blackbox_exporter has it where it knows the case.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UnknownModule(_) | Self::NoTarget | Self::Unusable(_) => StatusCode::BAD_REQUEST,
            Self::NotAllowed(_) => StatusCode::FORBIDDEN,
            Self::Timeout(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoSlot(_) | Self::Ending => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Question {
    /// Reads a query. Of a parameter that is there twice the first counts; others mean nothing here.
    pub(super) fn read(query: &str) -> Self {
        let (mut module, mut debug, mut target, mut hostname) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "module" => &mut module,
                "debug" => &mut debug,
                "target" => &mut target,
                "hostname" => &mut hostname,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        let said = |value: Option<Cow<'_, str>>| value.filter(|value| !value.is_empty()).map(Cow::into_owned);
        Self {
            module: said(module).unwrap_or_else(|| DEFAULT_MODULE.into()),
            debug: debug.as_deref() == Some("true"),
            request: said(target).map(|target| Request {
                target: encoded_once(target),
                hostname: said(hostname),
            }),
        }
    }

    /// What is asked of the module.
    ///
    /// # Errors
    ///
    /// When no target is named.
    pub(super) fn request(&self) -> Result<&Request, Refused> {
        self.request.as_ref().ok_or(Refused::NoTarget)
    }
}

/// A URL that was encoded twice, as some relabelling does, is still encoded as a whole.
fn encoded_once(target: String) -> String {
    let begins_with = |prefix: &str| {
        let beginning = target.as_bytes().get(..prefix.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let is_encoded = begins_with("http%3a%2f%2f") || begins_with("https%3a%2f%2f");
    if !is_encoded || target.contains(['&', '=', '/']) {
        return target;
    }
    let decoded = form_urlencoded::parse(target.as_bytes()).next();
    decoded.map_or_else(String::new, |(name, _)| name.into_owned())
}

/// The time a probe has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// From when it was asked for, the wait for a slot included.
    pub(super) deadline: Duration,
    /// After that, to report.
    pub(super) grace: Duration,
}

impl Time {
    /// The less of what the module gives and what the scraper gives but for the offset, of which it never takes
    /// more than half. Where the scraper's time counts, the grace is within the offset, so that the answer comes
    /// while somebody waits for it.
    ///
    /// # Errors
    ///
    /// When there is a header and no number in it.
    pub(super) fn for_probe(
        headers: &HeaderMap,
        offset: Duration,
        deadline: Duration,
        grace: Duration,
    ) -> Result<Self, Refused> {
        let Some(scraper) = scraper(headers)? else {
            return Ok(Self { deadline, grace });
        };
        let offset = offset.min(scraper / 2);
        let deadline = deadline.min(scraper.saturating_sub(offset));
        Ok(Self {
            deadline,
            grace: grace.min(scraper.saturating_sub(deadline)),
        })
    }
}

/// How long the scraper waits; zero is as good as no word.
fn scraper(headers: &HeaderMap) -> Result<Option<Duration>, Refused> {
    let Some(value) = headers.get(TIMEOUT_HEADER).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            let waited = Duration::try_from_secs_f64(seconds).unwrap_or(MAX_TIMEOUT);
            Ok((!waited.is_zero()).then_some(waited.min(MAX_TIMEOUT)))
        }
        _ => Err(Refused::Timeout(text.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn time(header: Option<&str>, offset: Duration, deadline: Duration) -> Result<(u128, u128), Refused> {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(TIMEOUT_HEADER, header.parse().unwrap());
        }
        let time = Time::for_probe(&headers, offset, deadline, SECOND / 10)?;
        Ok((time.deadline.as_millis(), time.grace.as_millis()))
    }

    #[test]
    fn the_deadline_is_the_scrapers_less_the_offset_or_the_modules() {
        let half = SECOND / 2;
        for (header, offset, module, deadline, grace) in [
            (None, half, 120 * SECOND, 120_000, 100),
            (Some("10"), half, 120 * SECOND, 9_500, 100),
            (Some("10.25"), half, 120 * SECOND, 9_750, 100),
            (Some("10"), half, 5 * SECOND, 5_000, 100),
            (Some("10"), Duration::ZERO, 120 * SECOND, 10_000, 0),
            (Some("10"), SECOND / 50, 120 * SECOND, 9_980, 20),
            // Half of a short time is left for the probe.
            (Some("0.4"), half, 120 * SECOND, 200, 100),
            (Some("0"), half, 7 * SECOND, 7_000, 100),
            (Some(""), half, 7 * SECOND, 7_000, 100),
            (Some("1e300"), half, 7200 * SECOND, 3_599_500, 100),
        ] {
            assert_eq!(
                time(header, offset, module),
                Ok((deadline, grace)),
                "{header:?} {offset:?}"
            );
        }
    }

    #[test]
    fn a_header_without_a_number_is_refused() {
        for header in ["ten", "10s", "-1", "NaN", "inf", "1,5"] {
            let refused = time(Some(header), SECOND, SECOND).unwrap_err();
            assert_eq!(refused, Refused::Timeout(header.into()));
            assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
    }

    #[test]
    fn parameters_are_read_as_blackbox_exporter_reads_them() {
        let question =
            Question::read("target=a%3A1&module=tcp_connect&target=b&debug=true&hostname=c&auth=x");
        assert_eq!((question.module.as_str(), question.debug), ("tcp_connect", true));
        let request = question.request().unwrap();
        assert_eq!(
            (request.target.as_str(), request.hostname.as_deref()),
            ("a:1", Some("c"))
        );

        let least = Question::read("target=a&debug=1");
        assert_eq!((least.module.as_str(), least.debug), ("http_2xx", false));
        for none in ["", "module=x", "target=", "Target=a"] {
            assert_eq!(Question::read(none).request(), Err(Refused::NoTarget), "{none}");
        }
    }

    #[test]
    fn a_target_that_was_encoded_twice_is_decoded_twice_and_no_other() {
        for (query, target) in [
            (
                "target=http%3A%2F%2Fa.example%2F%3Fb%3Dc%2520d",
                "http://a.example/?b=c%20d",
            ),
            (
                "target=http%253A%252F%252Fa.example%252F%253Fb%253Dc",
                "http://a.example/?b=c",
            ),
            ("target=a.example%2F%2541", "a.example/%41"),
        ] {
            assert_eq!(Question::read(query).request().unwrap().target, target, "{query}");
        }
    }

    #[test]
    fn refusals_have_the_words_and_statuses_of_blackbox_exporter() {
        let unknown = Refused::UnknownModule("a\"b".into());
        assert_eq!(unknown.to_string(), "Unknown module \"a\\\"b\"");
        assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
        assert_eq!(Refused::NoTarget.to_string(), "Target parameter is missing");
        assert_eq!(
            Refused::Timeout("ten".into()).to_string(),
            "Failed to parse timeout from Prometheus header: \"ten\" is not a number of seconds"
        );
        assert_eq!(Refused::NotAllowed(String::new()).status(), StatusCode::FORBIDDEN);
        assert_eq!(Refused::NoSlot(SECOND).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
