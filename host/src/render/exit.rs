//! The exit status of a one-shot run, after the Nagios plugin convention. Pure.

use std::process::ExitCode;

use crate::outcome::{Outcome, Report};

/// What the Nagios plugin convention says about a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// 0: every check passed, at the first attempt and without a warning.
    Ok,
    /// 1: a check passed, on a later attempt or with a warning.
    Warning,
    /// 2: a check failed: its target, or the way to it.
    Critical,
    /// 3: nothing can be said about a check: it could not be judged, or did not run.
    Unknown,
}

impl ExitStatus {
    /// The status of one check.
    pub fn of(report: &Report) -> Self {
        match report.outcome {
            Outcome::Pass if report.is_warning() => Self::Warning,
            Outcome::Pass => Self::Ok,
            Outcome::Fail => Self::Critical,
            Outcome::Error | Outcome::Skipped => Self::Unknown,
        }
    }

    /// The exit code, 0 to 3.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The word the convention has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// How bad it is beside others, 0 the least. A failure that was seen comes first; a check that
    /// could not be judged may hide one, and so comes before one that passed in the end.
    pub(super) fn severity(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Unknown => 2,
            Self::Critical => 3,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// The status of several checks: the worst of theirs, in the order `CRITICAL`, `UNKNOWN`, `WARNING`,
/// `OK`. Without any check nothing is known, which is `UNKNOWN`.
pub fn exit_code(reports: &[Report]) -> ExitStatus {
    reports
        .iter()
        .map(ExitStatus::of)
        .max_by_key(|status| status.severity())
        .unwrap_or(ExitStatus::Unknown)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn each_outcome_has_its_status() {
        let of = |report| ExitStatus::of(&report);
        assert_eq!(of(samples::pass()), ExitStatus::Ok);
        assert_eq!(of(samples::retry()), ExitStatus::Warning);
        assert_eq!(of(samples::slow()), ExitStatus::Warning);
        assert_eq!(of(samples::too_slow()), ExitStatus::Critical);
        assert_eq!(of(samples::wrong_password()), ExitStatus::Critical);
        assert_eq!(of(samples::trap()), ExitStatus::Unknown);
        assert_eq!(of(samples::skipped()), ExitStatus::Unknown);
        assert_eq!(of(samples::cancelled()), ExitStatus::Unknown);
    }

    #[test]
    fn the_worst_of_several_counts() {
        let (pass, retry) = (samples::pass(), samples::retry());
        let (trap, fail) = (samples::trap(), samples::wrong_password());
        let code =
            |reports: &[&Report]| exit_code(&reports.iter().copied().cloned().collect::<Vec<_>>()).code();
        assert_eq!(code(&[&pass, &pass]), 0);
        assert_eq!(code(&[&retry, &pass]), 1);
        assert_eq!(code(&[&retry, &trap, &pass]), 3);
        assert_eq!(code(&[&trap, &fail, &retry]), 2);
        assert_eq!(code(&[]), 3);
    }
}
