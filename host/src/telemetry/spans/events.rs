//! What happened in a run and is worth an event of a span, and a log record of the same name. Pure.

use std::time::Duration;

use super::places::{attempts, place_of};
use super::times::seconds;
use crate::outcome::{CircuitChange, DeniedCall, InjectedFault, Report, SpanPlace};
use crate::telemetry::names;
use crate::telemetry::values::Attributes;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) struct Happening<'r> {
    /// The name of the event.
    pub(in crate::telemetry) name: &'static str,
    /// When, from the start of the run.
    pub(in crate::telemetry) at: Duration,
    /// In which span; none is the root.
    pub(in crate::telemetry) place: Option<SpanPlace>,
    /// What more is known.
    pub(in crate::telemetry) attributes: Attributes<'r>,
    /// For people, in a log.
    pub(in crate::telemetry) sentence: String,
}

/// Everything that happened in a run, by kind.
pub(in crate::telemetry) fn happenings(report: &Report) -> Vec<Happening<'_>> {
    let mut all = Vec::from_iter(deadline_hit(report));
    all.extend(retries(report));
    all.extend(report.faults.iter().map(|fault| fault_injected(report, fault)));
    all.extend(report.denials.iter().map(|denial| call_denied(report, denial)));
    all.extend(report.circuit.iter().map(circuit_changed));
    all
}

fn deadline_hit(report: &Report) -> Option<Happening<'_>> {
    let hit = report.deadline_hit.as_ref()?;
    let mut attributes = Attributes::default();
    attributes.set_some(names::DEADLINE_PHASE, hit.phase.as_ref());
    let host_call = hit.host_call.as_ref().map(|call| call.to_string());
    attributes.set_some(names::DEADLINE_HOST_CALL, host_call.clone());
    attributes.set_some(names::PHASE_DETAIL, hit.detail.as_ref());
    let doing = host_call.map_or_else(|| "computing".to_owned(), |call| format!("in `{call}`"));
    Some(Happening {
        name: names::EVENT_DEADLINE_HIT,
        at: hit.at,
        place: None,
        attributes,
        sentence: format!("the deadline of {} s was hit {doing}", seconds(report.deadline)),
    })
}

/// Each attempt after the first was scheduled at the end of the one before.
fn retries(report: &Report) -> impl Iterator<Item = Happening<'_>> {
    attempts(report)
        .zip(attempts(report).skip(1))
        .map(|((_, before), (number, next))| {
            let end = before.start + before.duration;
            let pause = seconds(next.start.saturating_sub(end));
            let mut attributes = Attributes::default();
            attributes.set(names::ATTEMPT, u64::from(number));
            attributes.set(names::BACKOFF, pause);
            let reason = before.error.as_ref();
            attributes.set_some(names::ERROR_TYPE, reason.map(|error| error.error_type.as_str()));
            Happening {
                name: names::EVENT_RETRY_SCHEDULED,
                at: end,
                place: None,
                attributes,
                sentence: format!("attempt {number} follows in {pause} s"),
            }
        })
}

fn fault_injected<'r>(report: &'r Report, fault: &'r InjectedFault) -> Happening<'r> {
    let mut attributes = Attributes::default();
    attributes.set(names::FAULT, &fault.fault);
    attributes.set(names::FAULT_HOST_CALL, fault.call.to_string());
    attributes.set_some(names::PHASE, fault.phase.as_ref());
    attributes.set_some(names::PHASE_DETAIL, fault.detail.as_ref());
    Happening {
        name: names::EVENT_FAULT_INJECTED,
        at: fault.at,
        place: place_of(report, fault.phase.as_ref(), fault.detail.as_ref(), fault.at),
        attributes,
        sentence: format!("the fault `{}` was injected", fault.fault),
    }
}

fn call_denied<'r>(report: &'r Report, denied: &'r DeniedCall) -> Happening<'r> {
    let mut attributes = Attributes::default();
    attributes.set(names::DENIAL, &*denied.denial);
    attributes.set_some(names::PHASE, denied.phase.as_ref());
    attributes.set_some(names::PHASE_DETAIL, denied.detail.as_ref());
    let (name, sentence) = if denied.denial == "grant" {
        let sentence = "a call was refused: the check does not grant what it wanted to reach";
        (names::EVENT_GRANT_DENIED, sentence.to_owned())
    } else {
        let sentence = format!("a call was refused: it needs the capability `{}`", denied.denial);
        (names::EVENT_CAPABILITY_DENIED, sentence)
    };
    Happening {
        name,
        at: denied.at,
        place: place_of(report, denied.phase.as_ref(), denied.detail.as_ref(), denied.at),
        attributes,
        sentence,
    }
}

fn circuit_changed(change: &CircuitChange) -> Happening<'_> {
    // The report's word for a state has a hyphen, the attribute's an underscore, as OpenTelemetry's have.
    let word = |state: &str| state.replace('-', "_");
    let (before, since) = (word(change.from), word(change.to));
    let name = match &*since {
        "open" => names::EVENT_CIRCUIT_OPENED,
        "closed" => names::EVENT_CIRCUIT_CLOSED,
        _ => names::EVENT_CIRCUIT_HALF_OPENED,
    };
    let mut attributes = Attributes::default();
    attributes.set(names::TARGET, &change.target);
    attributes.set(names::CIRCUIT_STATE_BEFORE, before);
    attributes.set(names::CIRCUIT_STATE, since);
    Happening {
        name,
        at: change.at,
        place: None,
        attributes,
        sentence: format!(
            "the breaker of `{}` is {}, it was {}",
            change.target, change.to, change.from
        ),
    }
}
