//! What a run with an injected failure must report, and what is wrong with it if it does not. Pure.

use std::collections::BTreeSet;

use super::calls::{Called, calls_of};
use super::{Case, Trial, end_of};
use crate::fault::{FaultKind, HostCall, InjectedError};
use crate::outcome::{ErrorType, Outcome, PhaseReport, Report};
use crate::phase::PhaseStatus;
use crate::runner::Prepared;
use crate::tape::Entry;

/// A phase, as it can be told from the others of a run.
type PhaseKey = (String, Option<String>);

/// What the good run was like.
pub(super) struct Expected {
    outcome: Outcome,
    phases: Vec<(PhaseKey, PhaseStatus)>,
    /// The plugin's phases in which the network was asked for something.
    on_network: BTreeSet<PhaseKey>,
    connects: usize,
    calls: Vec<Called>,
}

/// What a run with a fault was like.
pub(super) struct Seen<'r> {
    pub(super) report: &'r Report,
    pub(super) entries: &'r [Entry],
}

/// How a run may end in which something was injected.
enum Ending {
    /// With one of these errors.
    Fail(&'static [&'static str]),
    /// As the good one, or with one of these errors.
    Either(&'static [&'static str]),
}

impl Expected {
    pub(super) fn of(report: &Report, entries: &[Entry]) -> Self {
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
        }
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
        if report.duration > end_of(report, trial, check.limits.grace) {
            problems.push(format!(
                "the run ended after {} s, later than deadline and grace",
                report.duration.as_secs_f64()
            ));
        }
        problems.extend(self.without_status(report));
        problems.extend(left_open(trial, report));
        problems.extend(own_fault(trial, report));
        problems.extend(leak(report, check));
        if problems.is_empty() {
            problems.extend(self.untrue(trial, seen));
        }
        problems
    }

    /// The phases of the good run that the report does not even mention.
    fn without_status(&self, report: &Report) -> Vec<String> {
        let phases = statuses(report);
        let names = |name: &str| phases.iter().filter(|((other, _), _)| other == name).count();
        let missing = self
            .phases
            .iter()
            .map(|((name, _), _)| name)
            .filter(|name| names(name) == 0);
        let missing: BTreeSet<&String> = missing.collect();
        missing
            .into_iter()
            .map(|name| format!("the phase `{name}` has no status"))
            .collect()
    }

    /// What the report says that cannot be so.
    fn untrue(&self, trial: &Trial, seen: &Seen<'_>) -> Vec<String> {
        let report = seen.report;
        let mut problems = Vec::new();
        let found = report.error.as_ref().map(|error| error.error_type.as_str());
        let has_passed = report.outcome == Outcome::Pass;
        let (may_pass, errors) = match self.ending(trial) {
            Ending::Fail(errors) => (connects(&calls_of(seen.entries)) > self.connects, errors),
            Ending::Either(errors) => (true, errors),
        };
        match found {
            None if !may_pass => problems.push(format!(
                "the run passed, although {} failed; wanted {}",
                told(&trial.at),
                alternatives(errors)
            )),
            Some(found) if !errors.contains(&found) => {
                problems.push(format!(
                    "the run ended in `{found}`, wanted {}",
                    alternatives(errors)
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

    /// How the run must end.
    fn ending(&self, trial: &Trial) -> Ending {
        let call = trial.at.call;
        match trial.fault.kind {
            FaultKind::Error(InjectedError::DeadlineExceeded) if is_vital(call) || call == HostCall::Poll => {
                Ending::Fail(&["deadline_exceeded"])
            }
            FaultKind::Error(InjectedError::DeadlineExceeded) if self.asks_later(&trial.at) => {
                Ending::Fail(&["deadline_exceeded"])
            }
            FaultKind::Error(InjectedError::DeadlineExceeded) => Ending::Either(&["deadline_exceeded"]),
            FaultKind::Error(error) if is_vital(call) => Ending::Fail(types_of(error)),
            FaultKind::Error(error) => Ending::Either(types_of(error)),
            FaultKind::ResetAfter(_) => Ending::Fail(&["connection_reset"]),
            FaultKind::Truncate(_) => Ending::Fail(&["connection_closed", "protocol.unexpected_response"]),
            FaultKind::Delay(_) | FaultKind::Drip(_) => Ending::Either(&["deadline_exceeded"]),
            FaultKind::MemoryPressure => Ending::Either(&["memory_limit"]),
        }
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
        let has_recovered = connects(&calls_of(seen.entries)) > self.connects;
        let Some(injected_at) = report.faults.first().map(|fault| fault.at) else {
            return problems;
        };
        if is_lasting(&trial.fault.kind) && !has_recovered {
            let later_and_well = report.phases().iter().filter(|phase| {
                phase.status == PhaseStatus::Ok
                    && phase.start.is_some_and(|start| start > injected_at)
                    && self.on_network.contains(&key_of(phase))
            });
            problems.extend(later_and_well.map(|phase| {
                format!(
                    "the phase {} is `ok`, although there was no connection any more",
                    shown(&key_of(phase))
                )
            }));
        }
        if !is_vital(trial.at.call) || !matches!(trial.fault.kind, FaultKind::Error(_)) {
            return problems;
        }
        match &trial.at.phase {
            Some(key) => {
                let status = report.phases().iter().find(|phase| key_of(phase) == *key);
                if status
                    .is_some_and(|phase| matches!(phase.status, PhaseStatus::Ok | PhaseStatus::NotReached))
                {
                    problems.push(format!(
                        "the phase {} is `{}`, although {} failed in it",
                        shown(key),
                        status.map_or("", |phase| phase.status.as_str()),
                        told(&trial.at)
                    ));
                }
            }
            None if matches!(trial.at.call, HostCall::NetRead | HostCall::NetWrite) => {
                problems.push(format!(
                    "{} is made outside of all phases, so that its failure shows in none",
                    told(&trial.at)
                ))
            }
            None => {}
        }
        problems
    }
}

/// Errors after which a connection is of no use, which a plugin has no reason to tell from one another.
const BROKEN: [InjectedError; 5] = [
    InjectedError::ConnectionReset,
    InjectedError::ConnectionClosed,
    InjectedError::NetworkUnreachable,
    InjectedError::HostUnreachable,
    InjectedError::Other,
];

/// Holds the cases of one call against one another: where a connection breaks, it does not matter how.
pub(super) fn compare(cases: &mut [Case]) {
    let is_broken = |case: &Case| {
        matches!(case.trial.fault.kind, FaultKind::Error(error) if BROKEN.contains(&error))
            && case.report.outcome != Outcome::Pass
            && case.problems.is_empty()
    };
    let mut from = 0;
    while from < cases.len() {
        let at = cases[from].trial.at.clone();
        let to = from
            + cases[from..]
                .iter()
                .take_while(|case| case.trial.at == at)
                .count();
        let ways: Vec<(usize, Vec<PhaseKey>)> = (from..to)
            .filter(|&index| is_broken(&cases[index]))
            .map(|index| (index, reached(&cases[index].report)))
            .collect();
        if let Some(usual) = most_common(&ways) {
            for (index, way) in ways.iter().filter(|(_, way)| *way != usual) {
                let missing = usual.iter().find(|key| !way.contains(key));
                let difference = match (missing, way.iter().find(|key| !usual.contains(key))) {
                    (Some(key), _) => format!("never begins the phase {}", shown(key)),
                    (None, Some(key)) => format!("begins the phase {}", shown(key)),
                    (None, None) => "goes through its phases in another order".into(),
                };
                cases[*index].problems.push(format!(
                    "after this error the plugin {difference}, unlike after the others that break a connection here"
                ));
            }
        }
        from = to;
    }
}

/// What most of them have; none if there is no majority.
fn most_common(ways: &[(usize, Vec<PhaseKey>)]) -> Option<Vec<PhaseKey>> {
    let count = |way: &Vec<PhaseKey>| ways.iter().filter(|(_, other)| other == way).count();
    let (_, usual) = ways.iter().max_by_key(|(_, way)| count(way))?;
    (count(usual) * 2 > ways.len()).then(|| usual.clone())
}

/// Calls without which a check cannot have done what it is for.
fn is_vital(call: HostCall) -> bool {
    matches!(
        call,
        HostCall::NetConnect
            | HostCall::NetStartTls
            | HostCall::NetRead
            | HostCall::NetWrite
            | HostCall::SecretsOpen
    )
}

/// Whether the connection is gone for good.
fn is_lasting(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Error(error) => *error == InjectedError::DeadlineExceeded || BROKEN.contains(error),
        FaultKind::ResetAfter(_) => true,
        _ => false,
    }
}

/// The phases that were left open by a plugin which ended by itself, and could have ended them.
fn left_open(trial: &Trial, report: &Report) -> impl Iterator<Item = String> {
    let could_not_end = matches!(trial.at.call, HostCall::PhasesSucceed | HostCall::PhasesFail);
    let is_excused = has_ended_by_force(report) || could_not_end;
    let open = report
        .phases()
        .iter()
        .filter(move |phase| phase.status == PhaseStatus::Interrupted && !is_excused);
    open.map(|phase| format!("the phase {} was begun and never ended", shown(&key_of(phase))))
}

fn has_ended_by_force(report: &Report) -> bool {
    let error = report.error.as_ref().map(|error| &error.error_type);
    matches!(
        error,
        Some(ErrorType::PluginTrap | ErrorType::FuelExhausted | ErrorType::MemoryLimit)
    )
}

/// What the plugin must not do whatever happens to it.
fn own_fault(trial: &Trial, report: &Report) -> Option<String> {
    let error = report.error.as_ref()?;
    let injected: &[&str] = match trial.fault.kind {
        FaultKind::Error(error) => types_of(error),
        FaultKind::MemoryPressure => &["memory_limit"],
        _ => &[],
    };
    let is_own = matches!(
        error.error_type,
        ErrorType::PluginTrap
            | ErrorType::FuelExhausted
            | ErrorType::MemoryLimit
            | ErrorType::HostCallLimit
            | ErrorType::PluginInvalid
    );
    (is_own && !injected.contains(&error.error_type.as_str())).then(|| {
        format!(
            "the run ended in `{}`, which is the plugin's own fault: {}",
            error.error_type.as_str(),
            error.message
        )
    })
}

/// Whether a secret is anywhere in the report.
fn leak(report: &Report, check: &Prepared) -> Option<String> {
    let written = serde_json::to_string(report).unwrap_or_default();
    let is_in = check.access.redactor.redact(&written) != written;
    is_in.then(|| "a secret is in the report".to_owned())
}

/// The error types that a report may show for an injected error.
fn types_of(error: InjectedError) -> &'static [&'static str] {
    match error {
        InjectedError::DeadlineExceeded => &["deadline_exceeded"],
        InjectedError::OverQuota => &["host_call_limit"],
        InjectedError::CapabilityDisabled => &["capability_disabled"],
        InjectedError::GrantDenied => &["grant_denied"],
        InjectedError::NameNotFound => &["dns.not_found"],
        InjectedError::NameServerFailure => &["dns.server_failure"],
        InjectedError::NoAddress => &["dns.no_address"],
        InjectedError::ConnectionRefused => &["connection_refused"],
        InjectedError::NetworkUnreachable => &["network_unreachable"],
        InjectedError::HostUnreachable => &["host_unreachable"],
        InjectedError::ConnectionReset => &["connection_reset"],
        InjectedError::ConnectionClosed => &["connection_closed"],
        InjectedError::TlsHandshake => &["tls.handshake"],
        InjectedError::CertificateInvalid => &["tls.certificate_invalid"],
        InjectedError::CertificateExpired => &["tls.certificate_expired"],
        InjectedError::NameMismatch => &["tls.name_mismatch"],
        InjectedError::Invalid => &["plugin_invalid"],
        InjectedError::SecretMissing => &["secret_missing"],
        InjectedError::Other => &["_OTHER"],
    }
}

fn connects(calls: &[Called]) -> usize {
    calls
        .iter()
        .filter(|called| called.call == HostCall::NetConnect)
        .count()
}

fn key_of(phase: &PhaseReport) -> PhaseKey {
    (phase.name.clone(), phase.detail.clone())
}

fn statuses(report: &Report) -> Vec<(PhaseKey, PhaseStatus)> {
    report
        .phases()
        .iter()
        .map(|phase| (key_of(phase), phase.status))
        .collect()
}

fn reached(report: &Report) -> Vec<PhaseKey> {
    let begun = report
        .phases()
        .iter()
        .filter(|phase| phase.status != PhaseStatus::NotReached);
    begun.map(key_of).collect()
}

fn shown((name, detail): &PhaseKey) -> String {
    match detail {
        Some(detail) => format!("`{name}` ({detail})"),
        None => format!("`{name}`"),
    }
}

fn told(at: &Called) -> String {
    format!("`{}#{}`", at.call, at.nth)
}

fn alternatives(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(" or ")
}
