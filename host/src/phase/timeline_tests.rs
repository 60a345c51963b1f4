//! Tests of the timeline.

use super::*;
use crate::outcome::{DeadlineWhile, ErrorType};

const DEADLINE: Duration = Duration::from_millis(1000);

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn timeline() -> Timeline {
    Timeline::new(&Arc::from(
        ["resolve", "connect", "greeting", "select"].map(String::from),
    ))
}

fn failure(error_type: ErrorType) -> Option<ErrorReport> {
    Some(ErrorReport {
        error_type,
        message: "no".into(),
        phase: None,
        injected: false,
    })
}

fn statuses(timeline: &Timeline) -> Vec<(String, Option<String>, PhaseStatus)> {
    let reports = timeline.clone().into_reports(DEADLINE);
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
    assert_eq!(timeline.first_interrupted(), Some("greeting"));
    let reports = timeline.into_reports(DEADLINE);
    assert_eq!(reports[0].status, PhaseStatus::Interrupted);
    assert_eq!(reports[1].status, PhaseStatus::Interrupted);
    assert_eq!(reports[1].duration, Some(at(4)));
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
        let report = timeline.into_reports(DEADLINE).remove(0);
        assert_eq!(report.status, status);
        assert_eq!(report.budget_share, Some(0.25));
        assert_eq!(report.error.unwrap().phase.as_deref(), Some("greeting"));
    }
}

#[test]
fn the_first_error_is_the_one_with_which_a_phase_ended_first() {
    let mut timeline = timeline();
    timeline.begin("greeting", None, at(0)).unwrap();
    timeline.begin_host(HostPhase::Connect, at(0)).unwrap();
    timeline.end_host(failure(ErrorType::GrantDenied), Attributes::new(), at(0));
    timeline
        .end(failure(ErrorType::ProtocolUnexpectedResponse), at(0))
        .unwrap();
    assert_eq!(
        timeline.first_error().map(|error| &error.error_type),
        Some(&ErrorType::GrantDenied)
    );
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
fn a_plan_without_detail_leaves_a_phase_to_one_that_names_it() {
    let planned = |detail: Option<&str>| Planned {
        name: "greeting".into(),
        detail: detail.map(str::to_owned),
    };
    let mut timeline = timeline();
    timeline.plan(vec![planned(None), planned(Some("a"))]).unwrap();
    for detail in ["a", "b"] {
        timeline.begin("greeting", Some(detail.into()), at(0)).unwrap();
        timeline.end(None, at(1)).unwrap();
    }
    assert_eq!(timeline.first_unmet_plan(), None);
}

#[test]
fn the_number_of_phases_is_bounded() {
    let mut timeline = timeline();
    for _ in 0..MAX_PHASES {
        timeline.begin("greeting", Some("x".repeat(1000)), at(0)).unwrap();
    }
    assert_eq!(timeline.begin("greeting", None, at(0)), Err(Refusal::TooMany));
    assert_eq!(
        timeline.into_reports(DEADLINE)[0]
            .detail
            .as_ref()
            .map(String::len),
        Some(MAX_DETAIL)
    );
}

#[test]
fn what_is_injected_marks_the_phases_that_are_open() {
    let mut timeline = timeline();
    timeline.begin("greeting", None, at(0)).unwrap();
    timeline.begin_host(HostPhase::Connect, at(1)).unwrap();
    timeline.mark_injected();
    timeline.end_host(None, Attributes::new(), at(2));
    timeline.end(None, at(3)).unwrap();
    timeline.begin("select", None, at(3)).unwrap();
    timeline.finish(at(4));
    let marked: Vec<_> = timeline
        .into_reports(at(10))
        .into_iter()
        .filter(|phase| phase.injected)
        .map(|phase| phase.name)
        .collect();
    assert_eq!(marked, ["greeting", "connect"]);
}

#[test]
fn facts_are_of_the_guests_open_phase_and_the_later_one_counts() {
    use crate::outcome::AttributeValue;

    let fact = |number| Attributes::from([("http.response.status_code", AttributeValue::Integer(number))]);
    let mut timeline = Timeline::new(&Arc::from(["greeting".to_owned()]));
    assert_eq!(timeline.describe(fact(1)), Err(Refusal::NothingOpen));
    assert_eq!(timeline.current_index(), None);
    timeline.begin_host(HostPhase::Connect, Duration::ZERO).unwrap();
    assert_eq!(timeline.current_index(), Some(0));
    timeline.end_host(None, Attributes::new(), Duration::ZERO);
    timeline.begin("greeting", None, Duration::ZERO).unwrap();
    assert_eq!(timeline.current_index(), Some(1));
    timeline.describe(fact(1)).unwrap();
    timeline.describe(fact(2)).unwrap();
    timeline.end(None, Duration::ZERO).unwrap();
    let reports = timeline.into_reports(Duration::from_secs(1));
    assert_eq!(reports[1].attributes, fact(2));
    assert!(reports[0].attributes.is_empty());
}
