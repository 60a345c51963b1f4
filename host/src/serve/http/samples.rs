//! Checks and reports for the tests of what serves.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{
    Attempt, Blame, ErrorReport, ErrorType, Outcome, PluginIdentity, Report, RunId, TraceId, Usage,
};
use crate::serve::board::CheckFacts;

pub(crate) fn plugin() -> PluginIdentity {
    PluginIdentity {
        name: "http".into(),
        version: "0.1.0".into(),
        sha256: "ab".repeat(32),
    }
}

pub(crate) fn check(name: &str) -> CheckFacts {
    CheckFacts {
        name: name.into(),
        plugin: plugin(),
        target: format!("{name}.example.org:443"),
        every: Some(Duration::from_secs(30)),
    }
}

/// A run that passed; the number is the last byte of its id.
pub(crate) fn report(check: &str, number: u8) -> Arc<Report> {
    Arc::new(passed(check, number))
}

pub(crate) fn failing(check: &str, number: u8) -> Arc<Report> {
    let error = ErrorReport {
        error_type: ErrorType::ConnectionRefused,
        message: "nobody \u{202e} listens".into(),
        phase: Some("connect".into()),
        injected: false,
    };
    Arc::new(Report {
        outcome: Outcome::Fail,
        blame: Some(Blame::Target),
        error: Some(error),
        ..passed(check, number)
    })
}

pub(crate) fn still_running(check: &str, number: u8) -> Arc<Report> {
    skipped(check, number, ErrorType::StillRunning)
}

pub(crate) fn cancelled(check: &str, number: u8) -> Arc<Report> {
    skipped(check, number, ErrorType::Cancelled)
}

fn skipped(check: &str, number: u8, error_type: ErrorType) -> Arc<Report> {
    let error = ErrorReport {
        error_type,
        message: "not run".into(),
        phase: None,
        injected: false,
    };
    Arc::new(Report {
        outcome: Outcome::Skipped,
        blame: Some(Blame::Runner),
        error: Some(error),
        attempts: Vec::new(),
        ..passed(check, number)
    })
}

fn passed(check: &str, number: u8) -> Report {
    let attempt = Attempt {
        outcome: Outcome::Pass,
        error: None,
        start: Duration::ZERO,
        duration: Duration::from_millis(10),
        phases: Vec::new(),
    };
    Report {
        check: check.into(),
        plugin: plugin(),
        run_id: RunId([0, 0, 0, 0, 0, 0, 0, number]),
        trace_id: TraceId([number; 16]),
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600),
        duration: Duration::from_millis(10),
        lag: Duration::ZERO,
        deadline: Duration::from_secs(5),
        deadline_exceeded: false,
        deadline_hit: None,
        warnings: Vec::new(),
        retry_denied: None,
        thresholds: None,
        outcome: Outcome::Pass,
        blame: None,
        error: None,
        attempts: vec![attempt],
        measurements: Vec::new(),
        usage: Usage::default(),
        log: Vec::new(),
        circuit: Vec::new(),
        relations: crate::outcome::Relations::default(),
        denials: Vec::new(),
        faults: Vec::new(),
    }
}
