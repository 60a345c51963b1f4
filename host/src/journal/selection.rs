//! Which reports are asked for. Pure.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::outcome::{Outcome, Report};
use crate::units::parse_duration;

/// Which reports are asked for: those that fit everything here. By default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Of one of these checks; none means of any.
    pub checks: Vec<String>,
    /// With one of these outcomes; none means with any.
    pub outcomes: Vec<Outcome>,
    /// That began at this moment or later.
    pub since: Option<SystemTime>,
    /// That began before this moment.
    pub until: Option<SystemTime>,
}

impl Selection {
    /// Whether a report is asked for.
    pub fn matches(&self, report: &Report) -> bool {
        (self.checks.is_empty() || self.checks.contains(&report.check))
            && (self.outcomes.is_empty() || self.outcomes.contains(&report.outcome))
            && self.since.is_none_or(|since| report.started >= since)
            && self.until.is_none_or(|until| report.started < until)
    }
}

/// A moment, as people write it: `2026-01-02T03:04:05Z`, or `90m` for that long ago.
///
/// # Errors
///
/// A sentence, when it is neither.
pub fn parse_moment(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(moment.into());
    }
    let ago = parse_duration(text).ok().and_then(|ago| now.checked_sub(ago));
    ago.ok_or_else(|| {
        let found = text.escape_debug();
        format!("found `{found}`, wanted a time such as `2026-01-02T03:04:05Z`, or `90m` for that long ago")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::render::samples;

    #[test]
    fn a_report_fits_when_it_fits_everything_that_is_asked_for() {
        let report = samples::wrong_password();
        let all = Selection::default();
        assert!(all.matches(&report));
        let fits = |selection: Selection| selection.matches(&report);
        let of = |check: &str| Selection {
            checks: vec!["other".to_owned(), check.to_owned()],
            ..Selection::default()
        };
        assert!(fits(of(&report.check)) && !fits(of("another")));
        let with = |outcome| Selection {
            outcomes: vec![outcome],
            ..of(&report.check)
        };
        assert!(fits(with(Outcome::Fail)) && !fits(with(Outcome::Pass)));
        let (at, later) = (report.started, report.started + Duration::from_micros(1));
        let between = |since, until| Selection {
            since: Some(since),
            until: Some(until),
            ..Selection::default()
        };
        assert!(fits(between(at, later)) && !fits(between(later, later)) && !fits(between(at, at)));
    }

    #[test]
    fn moments_are_times_or_so_long_ago() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(7200);
        let at = |seconds| Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(parse_moment("1h", now), at(3600));
        assert_eq!(parse_moment("1970-01-01T01:00:30+01:00", now), at(30));
        for wrong in ["", "yesterday", "1970-01-01", "9999999999999d"] {
            let refused = parse_moment(wrong, now).unwrap_err();
            assert!(
                refused.starts_with(&format!("found `{wrong}`, wanted")),
                "{refused}"
            );
        }
    }
}
