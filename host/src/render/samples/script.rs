//! Builds reports from a script of phases.

use std::time::{Duration, SystemTime};

use crate::outcome::{
    Attempt, AttributeValue, Attributes, ErrorReport, ErrorType, Outcome, PhaseReport, PluginIdentity,
    Report, RunId, TraceId, Usage,
};
use crate::phase::{HostPhase, Planned, Timeline};

const PHASES: [&str; 8] = [
    "resolve",
    "connect",
    "tls",
    "greeting",
    "capability",
    "login",
    "select",
    "logout",
];

/// A step of a script: a phase, its detail, when it ends, and its error.
pub(super) type Step<'script> = (&'script str, Option<&'script str>, u64, Option<ErrorReport>);

pub(in super::super) fn at(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

pub(super) fn error(error_type: ErrorType, message: &str) -> ErrorReport {
    ErrorReport {
        error_type,
        message: message.to_owned(),
        phase: None,
        injected: false,
    }
}

fn timeline() -> Timeline {
    let declared = PHASES.map(String::from);
    let mut timeline = Timeline::new(&declared.clone().into());
    let mut planned: Vec<Planned> = declared.map(|name| Planned { name, detail: None }).into();
    planned[6].detail = Some("INBOX".to_owned());
    planned.insert(
        7,
        Planned {
            name: "select".to_owned(),
            detail: Some("Archive".to_owned()),
        },
    );
    timeline.plan(planned).unwrap();
    timeline
}

/// The phases of an attempt that went through these steps, one after the other.
pub(super) fn played(start: u64, deadline: Duration, steps: &[Step]) -> Vec<PhaseReport> {
    went_through(start, steps).into_reports(deadline)
}

/// The phases of an attempt that ended in the middle of a last one.
pub(super) fn cut_off(
    start: u64,
    deadline: Duration,
    steps: &[Step],
    last: &str,
    end: Duration,
) -> Vec<PhaseReport> {
    let mut timeline = went_through(start, steps);
    timeline
        .begin(last, None, steps.last().map_or(Duration::ZERO, |step| at(step.2)))
        .unwrap();
    timeline.finish(end);
    timeline.into_reports(deadline)
}

fn went_through(start: u64, steps: &[Step]) -> Timeline {
    let mut timeline = timeline();
    let mut began = at(start);
    for (name, detail, end, error) in steps {
        let host = match *name {
            "resolve" => Some(HostPhase::Resolve),
            "connect" => Some(HostPhase::Connect),
            "tls" => Some(HostPhase::Tls),
            _ => None,
        };
        if let Some(host) = host {
            timeline.begin_host(host, began).unwrap();
            timeline.end_host(error.clone(), attributes(host), at(*end));
        } else {
            timeline.begin(name, detail.map(str::to_owned), began).unwrap();
            timeline.end(error.clone(), at(*end)).unwrap();
        }
        began = at(*end);
    }
    timeline
}

fn attributes(phase: HostPhase) -> Attributes {
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    match phase {
        HostPhase::Resolve => Attributes::new(),
        HostPhase::Connect => Attributes::from([
            ("network.peer.address", text("192.0.2.1")),
            ("network.peer.port", AttributeValue::Integer(993)),
        ]),
        HostPhase::Tls => Attributes::from([
            ("tls.protocol.version", text("1.3")),
            ("tls.server.not_after", text("2026-03-25T12:00:00Z")),
        ]),
    }
}

pub(super) fn attempt(start: u64, end: u64, error: Option<ErrorReport>, phases: Vec<PhaseReport>) -> Attempt {
    let in_phase = phases.iter().find_map(|phase| phase.error.clone());
    Attempt {
        outcome: error
            .as_ref()
            .map_or(Outcome::Pass, |error| error.error_type.outcome()),
        error: in_phase.or(error),
        start: at(start),
        duration: at(end - start),
        phases,
    }
}

pub(super) fn finished(check: &str, deadline: Duration, attempts: Vec<Attempt>) -> Report {
    let error = attempts.last().and_then(|attempt| attempt.error.clone());
    Report {
        check: check.to_owned(),
        plugin: PluginIdentity {
            name: "imap".to_owned(),
            version: "0.1.0".to_owned(),
            sha256: "00".repeat(32),
        },
        run_id: RunId([1; 8]),
        trace_id: TraceId([2; 16]),
        // 2026-01-01T00:00:00Z
        started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600),
        duration: attempts
            .last()
            .map_or(Duration::ZERO, |attempt| attempt.start + attempt.duration),
        lag: Duration::ZERO,
        deadline,
        thresholds: None,
        deadline_exceeded: false,
        deadline_hit: None,
        outcome: error
            .as_ref()
            .map_or(Outcome::Pass, |error| error.error_type.outcome()),
        blame: error.as_ref().map(|error| error.error_type.blame()),
        error,
        warnings: Vec::new(),
        retry_denied: None,
        attempts,
        measurements: Vec::new(),
        usage: Usage::default(),
        log: Vec::new(),
        circuit: Vec::new(),
        relations: crate::outcome::Relations::default(),
        denials: Vec::new(),
        faults: Vec::new(),
    }
}
