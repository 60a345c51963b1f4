//! The timeline of an attempt: which phases it went through, when, and how each ended.
//!
//! Two parties open phases: the host its `resolve`, `connect` and `tls`, inside host calls, and the
//! guest its own, one at a time. A host phase may lie inside a guest phase.

use std::sync::Arc;
use std::time::Duration;

use super::{HostPhase, MAX_DETAIL, MAX_PHASES, MAX_PLANNED, PhaseStatus, Planned};
use crate::outcome::{Attributes, ErrorReport, PhaseReport};

/// Why the timeline refused a guest's wish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The plugin's description does not have the phase.
    #[error("the phase `{0}` is not declared by the plugin")]
    Undeclared(String),
    /// The host opens this phase.
    #[error("the phase `{0}` is opened by the host")]
    HostPhase(String),
    /// The plan came too late.
    #[error("phases are planned before the first one begins, and once")]
    PlanTooLate,
    /// There was nothing to end.
    #[error("no phase is open")]
    NothingOpen,
    /// More phases than a run may have.
    #[error("phases")]
    TooMany,
}

/// What a phase is called: thousands of runs wait at the same time, and none of them keeps the words.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// As the host calls it.
    Host(HostPhase),
    /// As the plugin that declares it does: its place among those declared.
    Declared(u8),
}

/// A phase that is to come.
#[derive(Debug, Clone)]
struct Expected {
    name: Name,
    detail: Option<Box<str>>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Name,
    detail: Option<Box<str>>,
    start: Duration,
    end: Option<(Duration, PhaseStatus)>,
    /// Boxed, because most phases end without, and each would have room for it.
    error: Option<Box<ErrorReport>>,
    injected: bool,
    attributes: Attributes,
}

/// The phases of one attempt.
#[derive(Debug, Clone)]
pub struct Timeline {
    declared: Arc<[String]>,
    /// What this run will really go through, instead of all that is declared.
    planned: Option<Box<[Expected]>>,
    entries: Vec<Entry>,
    open_guest: Option<usize>,
    open_host: Option<usize>,
    /// The phase that was the first to end with an error. One that encloses it began earlier and ends later.
    first_failed: Option<usize>,
}

impl Timeline {
    /// The timeline of an attempt of a plugin that declares these phases.
    pub fn new(declared: &Arc<[String]>) -> Self {
        Self {
            declared: Arc::clone(declared),
            planned: None,
            entries: Vec::new(),
            open_guest: None,
            open_host: None,
            first_failed: None,
        }
    }

    /// Replaces the declared phases by what this run will really go through.
    ///
    /// # Errors
    ///
    /// When a name is not declared, there are too many, or a phase has begun.
    pub fn plan(&mut self, phases: Vec<Planned>) -> Result<(), Refusal> {
        if self.planned.is_some() || !self.entries.is_empty() {
            return Err(Refusal::PlanTooLate);
        }
        if phases.len() > MAX_PLANNED {
            return Err(Refusal::TooMany);
        }
        let expected = |phase: Planned| match self.declared(&phase.name) {
            Some(name) => Ok(Expected {
                name,
                detail: phase.detail.map(shortened),
            }),
            None => Err(Refusal::Undeclared(phase.name)),
        };
        let planned: Result<_, _> = phases.into_iter().map(expected).collect();
        self.planned = Some(planned?);
        Ok(())
    }

    /// Begins a phase of the guest's; one still open is interrupted.
    ///
    /// # Errors
    ///
    /// When the name is not declared or is the host's, or there are too many phases.
    pub fn begin(&mut self, name: &str, detail: Option<String>, at: Duration) -> Result<(), Refusal> {
        if HostPhase::is_name(name) {
            return Err(Refusal::HostPhase(name.to_owned()));
        }
        let name = self
            .declared(name)
            .ok_or_else(|| Refusal::Undeclared(name.to_owned()))?;
        if let Some(open) = self.open_guest.take() {
            self.entries[open].end = Some((at, PhaseStatus::Interrupted));
        }
        self.open_guest = Some(self.push(name, detail, at)?);
        Ok(())
    }

    /// Ends the guest's open phase, well or with an error.
    ///
    /// # Errors
    ///
    /// When none is open.
    pub fn end(&mut self, error: Option<ErrorReport>, at: Duration) -> Result<(), Refusal> {
        let open = self.open_guest.take().ok_or(Refusal::NothingOpen)?;
        self.close(open, error, at);
        Ok(())
    }

    /// Begins a phase of the host's. The host ends each before it begins another.
    ///
    /// # Errors
    ///
    /// When there are too many phases.
    pub fn begin_host(&mut self, phase: HostPhase, at: Duration) -> Result<(), Refusal> {
        self.open_host = Some(self.push(Name::Host(phase), None, at)?);
        Ok(())
    }

    /// Ends the host's open phase, with what the host learned in it.
    pub fn end_host(&mut self, error: Option<ErrorReport>, attributes: Attributes, at: Duration) {
        if let Some(open) = self.open_host.take() {
            self.entries[open].attributes.merge(attributes);
            self.close(open, error, at);
        }
    }

    /// Records a phase of the host's that failed before it could begin. A guest that goes on trying
    /// what was refused to it does not fill the timeline: the same refusal in a row is recorded once.
    ///
    /// # Errors
    ///
    /// When there are too many phases.
    pub fn refuse_host(&mut self, phase: HostPhase, error: ErrorReport, at: Duration) -> Result<(), Refusal> {
        let last = self.entries.last().map(|last| (last.name, &last.error));
        if let Some((name, Some(recorded))) = last
            && self.word(name) == phase.as_str()
            && recorded.error_type == error.error_type
        {
            return Ok(());
        }
        self.begin_host(phase, at)?;
        self.end_host(Some(error), Attributes::new(), at);
        Ok(())
    }

    /// Closes what is still open as interrupted. The run is over.
    pub fn finish(&mut self, at: Duration) {
        for open in [self.open_host.take(), self.open_guest.take()]
            .into_iter()
            .flatten()
        {
            self.entries[open].end = Some((at, PhaseStatus::Interrupted));
        }
    }

    /// Marks the phases that are open, the host's and the guest's, as ones in which a failure was
    /// injected.
    pub fn mark_injected(&mut self) {
        for open in [self.open_host, self.open_guest].into_iter().flatten() {
            self.entries[open].injected = true;
        }
    }

    /// Whether a failure was injected in a phase of this name.
    pub fn was_injected(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.injected && self.word(entry.name) == name)
    }

    /// The phase that is open: the host's before the guest's.
    pub fn current(&self) -> Option<(&str, Option<&str>)> {
        let entry = &self.entries[self.current_index()?];
        Some((self.word(entry.name), entry.detail.as_deref()))
    }

    /// The guest's phase that is open.
    pub fn current_guest(&self) -> Option<(&str, Option<&str>)> {
        let entry = &self.entries[self.open_guest?];
        Some((self.word(entry.name), entry.detail.as_deref()))
    }

    /// Which of the phases that began is open, from 0: the host's before the guest's.
    pub fn current_index(&self) -> Option<usize> {
        self.open_host.or(self.open_guest)
    }

    /// Adds facts to the guest's open phase, in place of those of the same name.
    ///
    /// # Errors
    ///
    /// When none is open.
    pub fn describe(&mut self, facts: Attributes) -> Result<(), Refusal> {
        let open = self.open_guest.ok_or(Refusal::NothingOpen)?;
        self.entries[open].attributes.merge(facts);
        Ok(())
    }

    /// Whether the host has opened a phase: the guest has asked for the network.
    pub fn has_reached_out(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| HostPhase::is_name(self.word(entry.name)))
    }

    /// The first error that a phase ended with.
    pub fn first_error(&self) -> Option<&ErrorReport> {
        self.entries[self.first_failed?].error.as_deref()
    }

    /// The first error with which a phase of this name ended.
    pub fn error_in(&self, name: &str) -> Option<&ErrorReport> {
        let mut of_name = self.entries.iter().filter(|entry| self.word(entry.name) == name);
        of_name.find_map(|entry| entry.error.as_deref())
    }

    /// The first phase that another one, or the end of the run, interrupted.
    pub fn first_interrupted(&self) -> Option<&str> {
        let interrupted = |entry: &&Entry| matches!(entry.end, Some((_, PhaseStatus::Interrupted)));
        self.entries
            .iter()
            .find(interrupted)
            .map(|entry| self.word(entry.name))
    }

    /// The first phase of a plan made for this very run that was never begun.
    pub fn first_unmet_plan(&self) -> Option<&str> {
        self.planned.as_ref()?;
        self.not_reached().next().map(|(name, _)| name)
    }

    /// The phases as a report shows them: those begun in order, then those never begun.
    pub fn into_reports(self, deadline: Duration) -> Vec<PhaseReport> {
        let never = self.not_reached().map(|(name, detail)| PhaseReport {
            name: name.to_owned(),
            detail: detail.map(str::to_owned),
            status: PhaseStatus::NotReached,
            start: None,
            duration: None,
            budget_share: None,
            error: None,
            injected: false,
            attributes: Attributes::new(),
        });
        let never: Vec<_> = never.collect();
        let Self {
            declared, entries, ..
        } = self;
        let begun = entries
            .into_iter()
            .map(|entry| entry.into_report(&declared, deadline));
        begun.chain(never).collect()
    }

    /// What was planned, or else declared, and never begun: names and details. A plan without detail is met by any phase
    /// of the name that is not one with a detail.
    fn not_reached(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let mut unmatched: Vec<&Entry> = self.entries.iter().collect();
        let declared = self.declared.iter().filter(|_| self.planned.is_none());
        let planned = self.planned.iter().flatten();
        let planned = planned.map(|planned| (self.word(planned.name), planned.detail.as_deref()));
        let expected: Vec<(&str, Option<&str>)> = planned
            .chain(declared.map(|name| (name.as_str(), None)))
            .collect();
        let mut never: Vec<usize> = (0..expected.len()).collect();
        // The particular first: what has no detail would take from it what it can do without.
        never.sort_by_key(|place| expected[*place].1.is_none());
        never.retain(|place| {
            let (name, detail) = expected[*place];
            let met = unmatched.iter().position(|entry| {
                self.word(entry.name) == name && (detail.is_none() || detail == entry.detail.as_deref())
            });
            met.map(|at| unmatched.remove(at)).is_none()
        });
        never.sort_unstable();
        never.into_iter().map(move |place| expected[place])
    }

    /// The name of a phase that the plugin declares.
    fn declared(&self, name: &str) -> Option<Name> {
        let place = self.declared.iter().position(|declared| declared == name)?;
        u8::try_from(place).ok().map(Name::Declared)
    }

    fn word(&self, name: Name) -> &str {
        name.word(&self.declared)
    }

    fn push(&mut self, name: Name, detail: Option<String>, at: Duration) -> Result<usize, Refusal> {
        if self.entries.len() >= MAX_PHASES {
            return Err(Refusal::TooMany);
        }
        self.entries.push(Entry {
            name,
            detail: detail.map(shortened),
            start: at,
            end: None,
            error: None,
            injected: false,
            attributes: Attributes::new(),
        });
        Ok(self.entries.len() - 1)
    }

    fn close(&mut self, index: usize, error: Option<ErrorReport>, at: Duration) {
        let status = error
            .as_ref()
            .map_or(PhaseStatus::Ok, |error| PhaseStatus::of_error(&error.error_type));
        let entry = &mut self.entries[index];
        let phase = entry.name.word(&self.declared);
        entry.end = Some((at, status));
        if error.is_some() {
            self.first_failed.get_or_insert(index);
        }
        entry.error = error.map(|error| {
            Box::new(ErrorReport {
                phase: Some(phase.to_owned()),
                injected: error.injected || entry.injected,
                ..error
            })
        });
    }
}

impl Name {
    /// The word for it, where the plugin declares these phases.
    fn word(self, declared: &[String]) -> &str {
        match self {
            Self::Host(phase) => phase.as_str(),
            Self::Declared(place) => &declared[usize::from(place)],
        }
    }
}

impl Entry {
    fn into_report(self, declared: &[String], deadline: Duration) -> PhaseReport {
        let (end, status) = self.end.unwrap_or((self.start, PhaseStatus::Interrupted));
        let duration = end.saturating_sub(self.start);
        PhaseReport {
            name: self.name.word(declared).to_owned(),
            detail: self.detail.map(String::from),
            status,
            start: Some(self.start),
            duration: Some(duration),
            budget_share: Some(share(duration, deadline)),
            injected: self.injected || self.error.as_ref().is_some_and(|error| error.injected),
            error: self.error.map(|error| *error),
            attributes: self.attributes,
        }
    }
}

/// A duration as a share of the deadline, to four digits.
fn share(duration: Duration, deadline: Duration) -> f64 {
    if deadline.is_zero() {
        return 0.0;
    }
    (duration.as_secs_f64() / deadline.as_secs_f64() * 1e4).round() / 1e4
}

fn shortened(mut detail: String) -> Box<str> {
    if detail.len() > MAX_DETAIL {
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
    }
    detail.into()
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
