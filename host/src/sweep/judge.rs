//! What a run with an injected failure must report, and what is wrong with it if it does not. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::calls::{Called, calls_of};
use super::conduct::{leak, left_open, own_fault};
use super::kinds::{is_broken, is_lasting, is_vital, types_of};
use super::phase_keys::{PhaseKey, key_of, shown, statuses};
use super::plaintext::{self, UnderTls};
use super::{Trial, end_of};
use crate::fault::{FaultKind, HostCall, InjectedError};
use crate::outcome::{Outcome, Report};
use crate::phase::PhaseStatus;
use crate::runner::Prepared;
use crate::tape::Entry;

/// What the good run was like.
pub(super) struct Expected {
    outcome: Outcome,
    phases: Vec<(PhaseKey, PhaseStatus)>,
    /// The plugin's phases in which the network was asked for something.
    on_network: BTreeSet<PhaseKey>,
    connects: usize,
    calls: Vec<Called>,
    /// Every text in the settings.
    in_settings: BTreeSet<String>,
    under_tls: UnderTls,
}

/// What a run with a fault was like.
pub(super) struct Seen<'r> {
    pub(super) report: &'r Report,
    pub(super) entries: &'r [Entry],
}

/// How a run may end in which something was injected: with one of these errors, or perhaps well.
struct Ending {
    may_pass: bool,
    errors: Vec<&'static str>,
}

impl Expected {
    pub(super) fn of(report: &Report, entries: &[Entry], check: &Prepared) -> Self {
        let calls = calls_of(entries);
        let asks = |called: &&Called| called.call.is_network() && called.call != HostCall::NetClose;
        Self {
            outcome: report.outcome,
            phases: statuses(report),
            on_network: calls
                .iter()
                .filter(asks)
                .filter_map(|called| called.phase.clone())
                .collect(),
            connects: connects(&calls),
            calls,
            in_settings: texts(&check.settings),
            under_tls: UnderTls::of(entries),
        }
    }

    /// The phases in their order.
    pub(super) fn order(&self) -> Vec<PhaseKey> {
        self.phases.iter().map(|(key, _)| key.clone()).collect()
    }

    /// Whether a run dialled more often than the good one.
    pub(super) fn has_dialled_anew(&self, seen: &Seen<'_>) -> bool {
        connects(&calls_of(seen.entries)) > self.connects
    }

    /// Everything that is wrong with a run.
    pub(super) fn problems(&self, trial: &Trial, seen: &Seen<'_>, check: &Prepared) -> Vec<String> {
        let mut problems = Vec::new();
        let report = seen.report;
        if report.faults.is_empty() {
            problems
                .push("the failure did not happen: the plugin took another way than in the good run".into());
            return problems;
        }
        let is_stopped = (seen.entries.iter()).any(|entry| matches!(entry, Entry::End { stopped: true, .. }));
        if is_stopped || report.duration > end_of(report, trial, check.limits.grace) {
            problems.push(format!(
                "the run had not ended by itself after {} s, when deadline and grace were over",
                report.duration.as_secs_f64()
            ));
        }
        problems.extend(self.without_status(trial, report));
        problems.extend(left_open(trial, report));
        problems.extend(own_fault(trial, report, &check.limits));
        problems.extend(leak(report, check));
        problems.extend(plaintext::problem(&self.under_tls, trial, seen.entries, check));
        problems.extend(self.waited(trial, seen));
        if problems.is_empty() {
            problems.extend(self.untrue(trial, seen));
        }
        problems
    }

    /// The phases of the good run that the report does not even mention: those whose name is missing, and
    /// those that a plugin which plans could have planned, for their detail is in the settings.
    fn without_status(&self, trial: &Trial, report: &Report) -> Vec<String> {
        let phases = statuses(report);
        let has_planned = self.comes_after(&trial.at, HostCall::PhasesPlan);
        let is_missing = |key: &&PhaseKey| {
            let (name, detail) = key;
            let is_known = has_planned
                && detail
                    .as_ref()
                    .is_some_and(|detail| self.in_settings.contains(detail));
            let has_status =
                |(other, _): &(PhaseKey, PhaseStatus)| other.0 == *name && (!is_known || other == *key);
            !phases.iter().any(has_status)
        };
        let missing: BTreeSet<&PhaseKey> = self
            .phases
            .iter()
            .map(|(key, _)| key)
            .filter(is_missing)
            .collect();
        missing
            .into_iter()
            .map(|key| format!("the phase {} has no status", shown(key)))
            .collect()
    }

    /// Whether the good run had made that call before.
    fn comes_after(&self, at: &Called, call: HostCall) -> bool {
        let before = self.calls.iter().take_while(|called| *called != at);
        before.into_iter().any(|called| called.call == call)
    }

    /// Whether the run used all its time up although there was nothing any more to wait for.
    fn waited(&self, trial: &Trial, seen: &Seen<'_>) -> Option<String> {
        let is_over = is_broken(&trial.fault.kind) && is_vital(trial.at.call);
        let has_one_connection = self.connects <= 1 && !self.has_dialled_anew(seen);
        (is_over && has_one_connection && seen.report.deadline_exceeded).then(|| {
            format!(
                "the run went on until its deadline, although {} had failed and left nothing to wait for",
                told(&trial.at)
            )
        })
    }

    /// What the report says that cannot be so.
    fn untrue(&self, trial: &Trial, seen: &Seen<'_>) -> Vec<String> {
        let report = seen.report;
        let mut problems = Vec::new();
        let found = report.error.as_ref().map(|error| error.error_type.as_str());
        let has_passed = report.outcome == Outcome::Pass;
        let Ending { may_pass, errors } = self.ending(trial, seen);
        match found {
            None if !may_pass => problems.push(format!(
                "the run passed, although {} failed; wanted {}",
                told(&trial.at),
                alternatives(&errors)
            )),
            Some(found) if !errors.contains(&found) => {
                problems.push(format!(
                    "the run ended in `{found}`, wanted {}",
                    alternatives(&errors)
                ));
            }
            _ => {}
        }
        if has_passed && report.outcome == self.outcome {
            problems.extend(self.missing(report));
        } else {
            problems.extend(self.impossible(trial, seen));
        }
        problems
    }

    /// How the run must end. Who dials anew may succeed, or be refused: a script has no connections to spare.
    fn ending(&self, trial: &Trial, seen: &Seen<'_>) -> Ending {
        let mut ending = self.ending_without_recovery(trial);
        if self.has_dialled_anew(seen) {
            ending.may_pass = true;
            ending.errors.push("connection_refused");
        }
        ending
    }

    fn ending_without_recovery(&self, trial: &Trial) -> Ending {
        let call = trial.at.call;
        let (may_pass, errors): (bool, &[&str]) = match trial.fault.kind {
            FaultKind::Error(error @ InjectedError::DeadlineExceeded) => {
                let is_noticed = is_vital(call) || call == HostCall::Poll || self.asks_later(&trial.at);
                (!is_noticed, types_of(error))
            }
            FaultKind::Error(error) => (!is_vital(call), types_of(error)),
            FaultKind::ResetAfter(_) => (false, &["connection_reset"]),
            // What its sender ends by hanging up is as long as what has come.
            FaultKind::Truncate(_) if self.is_until_end(&trial.at) => (
                true,
                &[
                    "connection_closed",
                    "protocol.unexpected_response",
                    "assertion_failed",
                ],
            ),
            FaultKind::Truncate(_) => (false, &["connection_closed", "protocol.unexpected_response"]),
            FaultKind::Delay(_) | FaultKind::Drip(_) => (true, &["deadline_exceeded"]),
            FaultKind::MemoryPressure => (true, &["memory_limit"]),
        };
        Ending {
            may_pass,
            errors: errors.to_vec(),
        }
    }

    /// Whether the phase of that call read to the end of the stream in the good run.
    fn is_until_end(&self, at: &Called) -> bool {
        let same_phase = self.calls.iter().filter(|called| called.phase == at.phase);
        same_phase.into_iter().any(|called| called.ended_stream)
    }

    /// Whether the good run asks the network for something after that call.
    fn asks_later(&self, at: &Called) -> bool {
        let after = self
            .calls
            .iter()
            .skip_while(|called| (called.call, called.nth) != (at.call, at.nth))
            .skip(1);
        after
            .into_iter()
            .any(|called| is_vital(called.call) && called.call.is_network())
    }

    /// A run that passed has gone through everything.
    fn missing(&self, report: &Report) -> Option<String> {
        let phases = statuses(report);
        let differs = |(key, status): &&(PhaseKey, PhaseStatus)| !phases.contains(&(key.clone(), *status));
        let (key, status) = self.phases.iter().find(differs)?;
        Some(format!(
            "the run passed, and the phase {} is not `{}` as in the good run",
            shown(key),
            status.as_str()
        ))
    }

    /// A run that failed cannot have done what it needed the failed thing for, and says where it failed.
    fn impossible(&self, trial: &Trial, seen: &Seen<'_>) -> Vec<String> {
        let report = seen.report;
        let mut problems = Vec::new();
        let had_no_use = is_lasting(&trial.fault.kind) || trial.at.call == HostCall::NetStartTls;
        if had_no_use && !self.has_dialled_anew(seen) {
            problems.extend(self.later_and_well(trial, report));
        }
        let has_failed = is_vital(trial.at.call) && matches!(trial.fault.kind, FaultKind::Error(_));
        let has_ended = trial.fault.kind == FaultKind::Truncate(0) && !self.is_until_end(&trial.at);
        if !has_failed && !has_ended {
            return problems;
        }
        match &trial.at.phase {
            Some(key) => {
                let of_call = report.phases().iter().find(|phase| key_of(phase) == *key);
                let status = of_call.map(|phase| phase.status);
                if let Some(status @ (PhaseStatus::Ok | PhaseStatus::NotReached)) = status {
                    problems.push(format!(
                        "the phase {} is `{}`, although {} failed in it",
                        shown(key),
                        status.as_str(),
                        told(&trial.at)
                    ));
                }
            }
            None if is_exchange(trial.at.call) => problems.push(format!(
                "{} is made outside of all phases, so that its failure shows in none",
                told(&trial.at)
            )),
            None => {}
        }
        problems
    }

    /// The phases that came after the failure, and are said to have worked without a connection.
    fn later_and_well(&self, trial: &Trial, report: &Report) -> Vec<String> {
        let phases = report.phases();
        let at = trial.at.phase.as_ref();
        let failed_in = phases.iter().position(|phase| Some(&key_of(phase)) == at);
        let injected_at = report.faults.first().map(|fault| fault.at);
        let later_and_well = phases.iter().enumerate().filter(|(index, phase)| {
            // Between the failure and what comes after it there may be no time at all.
            let is_later = match failed_in {
                Some(failed_in) => *index > failed_in,
                None => phase.start > injected_at,
            };
            is_later && phase.status == PhaseStatus::Ok && self.on_network.contains(&key_of(phase))
        });
        later_and_well
            .map(|(_, phase)| {
                format!(
                    "the phase {} is `ok`, although there was no connection any more",
                    shown(&key_of(phase))
                )
            })
            .collect()
    }
}

/// Every text in the settings, which are JSON.
fn texts(settings: &str) -> BTreeSet<String> {
    fn collect(value: &Value, texts: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                texts.insert(text.clone());
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            Value::Object(values) => values.values().for_each(|value| collect(value, texts)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = BTreeSet::new();
    if let Ok(settings) = serde_json::from_str(settings) {
        collect(&settings, &mut texts);
    }
    texts
}

/// Whether bytes or datagrams are exchanged, in a phase of the plugin's own.
fn is_exchange(call: HostCall) -> bool {
    matches!(
        call,
        HostCall::NetRead | HostCall::NetWrite | HostCall::NetSendDatagram | HostCall::NetReceiveDatagram
    )
}

fn connects(calls: &[Called]) -> usize {
    calls.iter().filter(|called| called.call.dials()).count()
}

fn told(at: &Called) -> String {
    format!("`{}#{}`", at.call, at.nth)
}

fn alternatives(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(" or ")
}
