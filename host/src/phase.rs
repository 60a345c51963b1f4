//! The timeline of an attempt: which phases it went through, when, and how each ended. Pure: moments
//! are given, as offsets from the start of the run.
//!
//! Two parties open phases: the host its `resolve`, `connect` and `tls`, inside host calls, and the
//! guest its own, one at a time. A host phase may lie inside a guest phase.

use std::time::Duration;

use serde::Serialize;

use crate::outcome::{Attributes, ErrorReport, ErrorType, PhaseReport};

/// How many phases a plugin may declare.
pub const MAX_DECLARED: usize = 32;
/// How many phases a run may plan: enough for a long list of mailboxes.
pub const MAX_PLANNED: usize = 64;
/// How many phases a run may go through: enough for 20 redirects of 5 phases beside a full plan.
pub const MAX_PHASES: usize = 192;
/// The longest detail that is kept, in bytes.
pub const MAX_DETAIL: usize = 256;

/// How a phase ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseStatus {
    /// Well.
    Ok,
    /// With an error of the target or the network.
    Failed,
    /// The run's deadline passed in it, or had passed before.
    DeadlineExceeded,
    /// A grant or a capability was missing.
    Denied,
    /// The run ended, or another phase began, while it was open.
    Interrupted,
    /// It was declared and never begun.
    NotReached,
}

impl PhaseStatus {
    /// The word used in reports, labels and attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Denied => "denied",
            Self::Interrupted => "interrupted",
            Self::NotReached => "not-reached",
        }
    }

    fn of_error(error: &ErrorType) -> Self {
        match error {
            ErrorType::DeadlineExceeded(_) => Self::DeadlineExceeded,
            ErrorType::GrantDenied | ErrorType::CapabilityDisabled => Self::Denied,
            _ => Self::Failed,
        }
    }
}

/// A phase that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// One of the declared names.
    pub name: String,
    /// Which one, where several have the name.
    pub detail: Option<String>,
}

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

/// The phases the host opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPhase {
    /// Name resolution.
    Resolve,
    /// Dialling.
    Connect,
    /// The TLS handshake.
    Tls,
}

impl HostPhase {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
        }
    }

    /// Whether the host opens phases of this name.
    pub fn is_name(name: &str) -> bool {
        [Self::Resolve, Self::Connect, Self::Tls]
            .iter()
            .any(|phase| phase.as_str() == name)
    }
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    detail: Option<String>,
    start: Duration,
    end: Option<(Duration, PhaseStatus)>,
    error: Option<ErrorReport>,
    attributes: Attributes,
}

/// The phases of one attempt.
#[derive(Debug, Clone)]
pub struct Timeline {
    declared: Vec<String>,
    planned: Vec<Planned>,
    plan_replaced: bool,
    entries: Vec<Entry>,
    open_guest: Option<usize>,
    open_host: Option<usize>,
}

impl Timeline {
    /// The timeline of an attempt of a plugin that declares these phases.
    pub fn new(declared: &[String]) -> Self {
        let planned = declared
            .iter()
            .map(|name| Planned {
                name: name.clone(),
                detail: None,
            })
            .collect();
        Self {
            declared: declared.to_vec(),
            planned,
            plan_replaced: false,
            entries: Vec::new(),
            open_guest: None,
            open_host: None,
        }
    }

    /// Replaces the declared phases by what this run will really go through.
    ///
    /// # Errors
    ///
    /// When a name is not declared, there are too many, or a phase has begun.
    pub fn plan(&mut self, phases: Vec<Planned>) -> Result<(), Refusal> {
        if self.plan_replaced || !self.entries.is_empty() {
            return Err(Refusal::PlanTooLate);
        }
        if phases.len() > MAX_PLANNED {
            return Err(Refusal::TooMany);
        }
        if let Some(unknown) = phases.iter().find(|phase| !self.declared.contains(&phase.name)) {
            return Err(Refusal::Undeclared(unknown.name.clone()));
        }
        self.planned = phases
            .into_iter()
            .map(|phase| Planned {
                detail: phase.detail.map(shortened),
                ..phase
            })
            .collect();
        self.plan_replaced = true;
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
        if !self.declared.iter().any(|declared| declared == name) {
            return Err(Refusal::Undeclared(name.to_owned()));
        }
        if let Some(open) = self.open_guest.take() {
            self.entries[open].end = Some((at, PhaseStatus::Interrupted));
        }
        self.open_guest = Some(self.push(name.to_owned(), detail, at)?);
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
        self.open_host = Some(self.push(phase.as_str().to_owned(), None, at)?);
        Ok(())
    }

    /// Ends the host's open phase, with what the host learned in it.
    pub fn end_host(&mut self, error: Option<ErrorReport>, attributes: Attributes, at: Duration) {
        if let Some(open) = self.open_host.take() {
            self.entries[open].attributes.extend(attributes);
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
        let last = self.entries.last().map(|last| (last.name.as_str(), &last.error));
        if let Some((name, Some(recorded))) = last
            && name == phase.as_str()
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

    /// The phase that is open: the host's before the guest's.
    pub fn current(&self) -> Option<(&str, Option<&str>)> {
        let entry = &self.entries[self.open_host.or(self.open_guest)?];
        Some((&entry.name, entry.detail.as_deref()))
    }

    /// The first phase that failed, and how.
    pub fn first_error(&self) -> Option<&ErrorReport> {
        self.entries.iter().find_map(|entry| entry.error.as_ref())
    }

    /// The first phase that another one, or the end of the run, interrupted.
    pub fn first_interrupted(&self) -> Option<&str> {
        let interrupted = |entry: &&Entry| matches!(entry.end, Some((_, PhaseStatus::Interrupted)));
        self.entries
            .iter()
            .find(interrupted)
            .map(|entry| entry.name.as_str())
    }

    /// The phase that was open when the run ended, or else the last that began.
    pub fn last_open(&self) -> Option<&str> {
        self.first_interrupted()
            .or_else(|| self.entries.last().map(|entry| entry.name.as_str()))
    }

    /// The first phase of a plan made for this very run that was never begun.
    pub fn first_unmet_plan(&self) -> Option<&str> {
        if !self.plan_replaced {
            return None;
        }
        self.not_reached().next().map(|planned| planned.name.as_str())
    }

    /// The phases as a report shows them: those begun in order, then those never begun.
    pub fn reports(&self, deadline: Duration) -> Vec<PhaseReport> {
        let begun = self.entries.iter().map(|entry| entry.report(deadline));
        let never = self.not_reached().map(|planned| PhaseReport {
            name: planned.name.clone(),
            detail: planned.detail.clone(),
            status: PhaseStatus::NotReached,
            start: None,
            duration: None,
            budget_share: None,
            error: None,
            attributes: Attributes::new(),
        });
        begun.chain(never).collect()
    }

    /// What was planned and never begun. A plan without detail is met by any phase of the name.
    fn not_reached(&self) -> impl Iterator<Item = &Planned> {
        let mut unmatched: Vec<&Entry> = self.entries.iter().collect();
        self.planned.iter().filter(move |planned| {
            let met = unmatched.iter().position(|entry| {
                entry.name == planned.name && (planned.detail.is_none() || planned.detail == entry.detail)
            });
            met.map(|at| unmatched.remove(at)).is_none()
        })
    }

    fn push(&mut self, name: String, detail: Option<String>, at: Duration) -> Result<usize, Refusal> {
        if self.entries.len() >= MAX_PHASES {
            return Err(Refusal::TooMany);
        }
        self.entries.push(Entry {
            name,
            detail: detail.map(shortened),
            start: at,
            end: None,
            error: None,
            attributes: Attributes::new(),
        });
        Ok(self.entries.len() - 1)
    }

    fn close(&mut self, index: usize, error: Option<ErrorReport>, at: Duration) {
        let status = error
            .as_ref()
            .map_or(PhaseStatus::Ok, |error| PhaseStatus::of_error(&error.error_type));
        let entry = &mut self.entries[index];
        entry.end = Some((at, status));
        entry.error = error.map(|error| ErrorReport {
            phase: Some(entry.name.clone()),
            ..error
        });
    }
}

impl Entry {
    fn report(&self, deadline: Duration) -> PhaseReport {
        let (end, status) = self.end.unwrap_or((self.start, PhaseStatus::Interrupted));
        let duration = end.saturating_sub(self.start);
        PhaseReport {
            name: self.name.clone(),
            detail: self.detail.clone(),
            status,
            start: Some(self.start),
            duration: Some(duration),
            budget_share: Some(share(duration, deadline)),
            error: self.error.clone(),
            attributes: self.attributes.clone(),
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

fn shortened(mut detail: String) -> String {
    if detail.len() > MAX_DETAIL {
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL));
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::DeadlineWhile;

    const DEADLINE: Duration = Duration::from_millis(1000);

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn timeline() -> Timeline {
        Timeline::new(&["resolve", "connect", "greeting", "select"].map(String::from))
    }

    fn failure(error_type: ErrorType) -> Option<ErrorReport> {
        Some(ErrorReport {
            error_type,
            message: "no".into(),
            phase: None,
        })
    }

    fn statuses(timeline: &Timeline) -> Vec<(String, Option<String>, PhaseStatus)> {
        let reports = timeline.reports(DEADLINE);
        reports
            .into_iter()
            .map(|phase| (phase.name, phase.detail, phase.status))
            .collect()
    }

    #[test]
    fn what_is_never_begun_is_reported_as_not_reached() {
        let mut timeline = timeline();
        timeline.begin_host(HostPhase::Resolve, at(0)).unwrap();
        timeline.end_host(failure(ErrorType::DnsNotFound), Attributes::new(), at(3));
        timeline.finish(at(3));
        let seen: Vec<_> = statuses(&timeline)
            .into_iter()
            .map(|(name, _, status)| (name, status))
            .collect();
        assert_eq!(
            seen,
            [
                ("resolve".into(), PhaseStatus::Failed),
                ("connect".into(), PhaseStatus::NotReached),
                ("greeting".into(), PhaseStatus::NotReached),
                ("select".into(), PhaseStatus::NotReached),
            ]
        );
    }

    #[test]
    fn each_planned_mailbox_is_accounted_for_by_itself() {
        let mut timeline = timeline();
        let select = |detail: &str| Planned {
            name: "select".into(),
            detail: Some(detail.into()),
        };
        timeline.plan(vec![select("INBOX"), select("Archive")]).unwrap();
        timeline.begin("select", Some("INBOX".into()), at(1)).unwrap();
        timeline.end(None, at(2)).unwrap();
        timeline.finish(at(2));
        assert_eq!(
            statuses(&timeline),
            [
                ("select".into(), Some("INBOX".into()), PhaseStatus::Ok),
                ("select".into(), Some("Archive".into()), PhaseStatus::NotReached),
            ]
        );
    }

    #[test]
    fn an_open_phase_is_interrupted_by_the_next_and_by_the_end() {
        let mut timeline = timeline();
        timeline.begin("greeting", None, at(0)).unwrap();
        timeline.begin("select", None, at(5)).unwrap();
        timeline.finish(at(9));
        let reports = timeline.reports(DEADLINE);
        assert_eq!(reports[0].status, PhaseStatus::Interrupted);
        assert_eq!(reports[1].status, PhaseStatus::Interrupted);
        assert_eq!(reports[1].duration, Some(at(4)));
        assert_eq!(timeline.first_interrupted(), Some("greeting"));
    }

    #[test]
    fn the_status_follows_from_the_error() {
        for (error_type, status) in [
            (
                ErrorType::DeadlineExceeded(DeadlineWhile::Waiting),
                PhaseStatus::DeadlineExceeded,
            ),
            (ErrorType::GrantDenied, PhaseStatus::Denied),
            (ErrorType::CapabilityDisabled, PhaseStatus::Denied),
            (ErrorType::AuthRejected, PhaseStatus::Failed),
        ] {
            let mut timeline = timeline();
            timeline.begin("greeting", None, at(0)).unwrap();
            timeline.end(failure(error_type), at(250)).unwrap();
            let report = timeline.reports(DEADLINE).remove(0);
            assert_eq!(report.status, status);
            assert_eq!(report.budget_share, Some(0.25));
            assert_eq!(report.error.unwrap().phase.as_deref(), Some("greeting"));
        }
    }

    #[test]
    fn the_guest_opens_declared_phases_only_and_not_the_hosts() {
        let mut timeline = timeline();
        assert_eq!(
            timeline.begin("login", None, at(0)),
            Err(Refusal::Undeclared("login".into()))
        );
        assert_eq!(
            timeline.begin("connect", None, at(0)),
            Err(Refusal::HostPhase("connect".into()))
        );
        assert_eq!(timeline.end(None, at(0)), Err(Refusal::NothingOpen));
    }

    #[test]
    fn a_plan_comes_once_and_first() {
        let mut timeline = timeline();
        timeline.plan(Vec::new()).unwrap();
        assert_eq!(timeline.plan(Vec::new()), Err(Refusal::PlanTooLate));
    }

    #[test]
    fn the_number_of_phases_is_bounded() {
        let mut timeline = timeline();
        for _ in 0..MAX_PHASES {
            timeline.begin("greeting", Some("x".repeat(1000)), at(0)).unwrap();
        }
        assert_eq!(timeline.begin("greeting", None, at(0)), Err(Refusal::TooMany));
        assert_eq!(
            timeline.reports(DEADLINE)[0].detail.as_ref().map(String::len),
            Some(MAX_DETAIL)
        );
    }
}
