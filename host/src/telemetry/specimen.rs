//! Reports for the tests of this module.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::outcome::{
    Attempt, AttributeValue, Attributes, Blame, DeadlineHit, DeadlineWhile, Denial, DeniedCalls, ErrorReport,
    ErrorType, Measurement, Outcome, PhaseReport, PluginIdentity, Relations, Report, RunId, TraceId, Usage,
};
use crate::phase::PhaseStatus;

/// 2026-01-01T00:00:00Z.
pub(super) fn started() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

pub(super) fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A run that passed in one attempt of two phases. Its certificate expires a day after the run's end.
pub(super) fn passing() -> Report {
    let mut tls = phase("tls", PhaseStatus::Ok, 10, 20);
    let expiry = AttributeValue::Text("2026-01-02T00:00:00.1Z".into());
    tls.attributes = Attributes::from([("tls.server.not_after", expiry)]);
    Report {
        check: "mail-login".into(),
        plugin: PluginIdentity {
            name: "imap".into(),
            version: "0.1.0".into(),
            sha256: "ab".repeat(32),
        },
        run_id: RunId([1, 2, 3, 4, 5, 6, 7, 8]),
        trace_id: TraceId([9; 16]),
        started: started(),
        duration: milliseconds(100),
        lag: Duration::ZERO,
        deadline: milliseconds(1000),
        thresholds: None,
        deadline_exceeded: false,
        deadline_hit: None,
        outcome: Outcome::Pass,
        blame: None,
        error: None,
        warnings: Vec::new(),
        retry_denied: None,
        attempts: vec![attempt(
            Outcome::Pass,
            None,
            0,
            100,
            vec![phase("connect", PhaseStatus::Ok, 0, 10), tls],
        )],
        measurements: vec![measurement("imap.mailbox.messages", "{message}", 3.0)],
        usage: Usage {
            fuel: 7,
            ..Usage::default()
        },
        log: Vec::new(),
        circuit: Vec::new(),
        relations: Relations::default(),
        denials: Vec::new(),
        faults: Vec::new(),
    }
}

/// A run that failed, waited, and then hit its deadline in `select(INBOX)` and so never came to `logout`.
pub(super) fn failing() -> Report {
    let refused = error(ErrorType::ConnectionRefused, "connect");
    let late = error(ErrorType::DeadlineExceeded(DeadlineWhile::Waiting), "select");
    let mut connect = phase("connect", PhaseStatus::Failed, 0, 100);
    connect.error = Some(refused.clone());
    let mut select = phase("select", PhaseStatus::DeadlineExceeded, 300, 700);
    select.detail = Some("INBOX".into());
    select.error = Some(late.clone());
    let mut logout = phase("logout", PhaseStatus::NotReached, 0, 0);
    (logout.start, logout.duration, logout.budget_share) = (None, None, None);
    Report {
        duration: milliseconds(1000),
        deadline_exceeded: true,
        deadline_hit: Some(DeadlineHit {
            phase: Some("select".into()),
            detail: Some("INBOX".into()),
            host_call: Some("net.read"),
            at: milliseconds(1000),
        }),
        outcome: Outcome::Fail,
        blame: Some(Blame::Target),
        error: Some(late.clone()),
        attempts: vec![
            attempt(Outcome::Fail, Some(refused), 0, 100, vec![connect]),
            attempt(Outcome::Fail, Some(late), 300, 700, vec![select, logout]),
        ],
        measurements: Vec::new(),
        ..passing()
    }
}

/// A run that passed although two of its calls were refused.
pub(super) fn refused_and_passing() -> Report {
    let mut denied_calls = DeniedCalls::default();
    denied_calls.add(Denial::Grant);
    denied_calls.add(Denial::Grant);
    let passing = passing();
    Report {
        usage: Usage {
            denied_calls,
            ..passing.usage
        },
        ..passing
    }
}

/// A run that was not executed.
pub(super) fn skipped() -> Report {
    Report {
        duration: Duration::ZERO,
        outcome: Outcome::Skipped,
        blame: Some(Blame::Runner),
        error: Some(ErrorReport {
            phase: None,
            ..error(ErrorType::CircuitOpen, "")
        }),
        attempts: Vec::new(),
        measurements: Vec::new(),
        ..passing()
    }
}

pub(super) fn attempt(
    outcome: Outcome,
    error: Option<ErrorReport>,
    start: u64,
    duration: u64,
    phases: Vec<PhaseReport>,
) -> Attempt {
    Attempt {
        outcome,
        error,
        start: milliseconds(start),
        duration: milliseconds(duration),
        phases,
    }
}

pub(super) fn phase(name: &str, status: PhaseStatus, start: u64, duration: u64) -> PhaseReport {
    PhaseReport {
        name: name.into(),
        detail: None,
        status,
        start: Some(milliseconds(start)),
        duration: Some(milliseconds(duration)),
        budget_share: Some(0.01),
        error: None,
        injected: false,
        attributes: Attributes::new(),
    }
}

pub(super) fn error(error_type: ErrorType, phase: &str) -> ErrorReport {
    ErrorReport {
        error_type,
        message: "what happened".into(),
        phase: Some(phase.into()),
        injected: false,
    }
}

pub(super) fn measurement(name: &str, unit: &str, value: f64) -> Measurement {
    let attributes = BTreeMap::from([("mailbox".to_owned(), "INBOX".to_owned())]);
    Measurement {
        name: name.into(),
        value,
        unit: unit.into(),
        attributes,
    }
}
