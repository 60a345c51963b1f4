//! The schedule, decision by decision.

use super::super::simulation::{UNLIMITED, check, guarded, milliseconds, passed, refused, seconds, verdict};
use super::*;
use crate::outcome::ErrorType;
use crate::policy::breaker::{Settings, State};

const EVERY: Duration = Duration::from_secs(10);
const SETTINGS: Settings = Settings {
    failures: 1,
    reset: Duration::from_secs(25),
    max_reset: Duration::from_secs(60),
};

fn scheduler(limits: Limits, checks: Vec<Scheduled>) -> Scheduler {
    let mut scheduler = Scheduler::new(limits, 1);
    scheduler.set(checks, Duration::ZERO);
    scheduler
}

fn started(decisions: &[Decision]) -> Vec<&str> {
    let mut names = Vec::new();
    for decision in decisions {
        if let Decision::Start { name, .. } = decision {
            names.push(&**name);
        }
    }
    names
}

/// Ticks at the next due time; the time, and what was decided.
fn next(scheduler: &mut Scheduler) -> (Duration, Vec<Decision>) {
    let due = scheduler.next_due().unwrap();
    (due, scheduler.tick(due))
}

#[test]
fn a_run_that_is_due_starts_and_is_numbered() {
    let mut scheduler = scheduler(UNLIMITED, vec![check("a", EVERY)]);
    let (first, _) = next(&mut scheduler);
    assert!(first < EVERY);
    assert_eq!(scheduler.tick(first + seconds(1)), [], "nothing is due");
    scheduler.finished("a", &passed(), first + seconds(1));
    let late = first + EVERY + milliseconds(3);
    let start = Decision::Start {
        name: "a".into(),
        due: first + EVERY,
        number: 2,
        is_probe: false,
    };
    assert_eq!(scheduler.tick(late), [start]);
    assert_eq!(scheduler.view("a").unwrap().running_since, Some(late));
}

#[test]
fn while_a_run_goes_on_the_next_ones_are_skipped_and_counted() {
    let mut scheduler = scheduler(UNLIMITED, vec![check("a", EVERY)]);
    let (first, _) = next(&mut scheduler);
    for _ in 0..3 {
        let (due, decisions) = next(&mut scheduler);
        let reason = SkipReason::StillRunning;
        let name = "a".into();
        assert_eq!(decisions, [Decision::Skip { name, due, reason }]);
    }
    scheduler.finished("a", &passed(), first + EVERY * 3 + seconds(5));
    let (due, decisions) = next(&mut scheduler);
    assert_eq!(
        (due, started(&decisions).len()),
        (first + EVERY * 4, 1),
        "in its phase"
    );
    assert_eq!(scheduler.view("a").unwrap().skipped.still_running, 3);
}

#[test]
fn a_run_that_waits_starts_as_soon_as_a_slot_is_free_and_keeps_its_due_time() {
    let limits = Limits {
        concurrency: 1,
        per_target: 1,
    };
    let mut scheduler = scheduler(limits, vec![check("a", EVERY), check("b", EVERY)]);
    let (_, decisions) = next(&mut scheduler);
    let going = started(&decisions)[0].to_owned();
    let (due, decisions) = next(&mut scheduler);
    assert_eq!(decisions, []);
    let waiting = if going == "a" { "b" } else { "a" };
    assert_eq!(scheduler.view(waiting).unwrap().waiting_since, Some(due));
    let now = due + seconds(1);
    scheduler.finished(&going, &passed(), now);
    assert_eq!(scheduler.next_due(), Some(due), "at once");
    let decisions = scheduler.tick(now);
    assert!(
        matches!(&decisions[..], [Decision::Start { name, due: of_run, .. }] if &**name == waiting && *of_run == due),
        "{decisions:?}"
    );
}

#[test]
fn while_a_run_waits_the_next_ones_are_skipped_for_that_reason() {
    let limits = Limits {
        concurrency: 1,
        per_target: 1,
    };
    let mut scheduler = scheduler(limits, vec![check("a", seconds(1)), check("b", seconds(1))]);
    for _ in 0..20 {
        next(&mut scheduler);
    }
    let (a, b) = (scheduler.view("a").unwrap(), scheduler.view("b").unwrap());
    let (going, waiting) = if a.running_since.is_some() { (a, b) } else { (b, a) };
    assert_eq!((going.started, going.skipped.still_running), (1, 9));
    assert_eq!((waiting.started, waiting.skipped.still_waiting), (0, 9));
    assert_eq!((scheduler.running(), scheduler.waiting()), (1, 1));
}

#[test]
fn an_open_breaker_skips_and_then_lets_one_run_through() {
    let checks = vec![guarded("a", EVERY, SETTINGS), guarded("b", EVERY, SETTINGS)];
    let mut scheduler = scheduler(UNLIMITED, checks);
    let (now, decisions) = next(&mut scheduler);
    let opener = started(&decisions)[0].to_owned();
    let transition = scheduler.finished(&opener, &refused(), now).unwrap();
    assert_eq!((transition.from, transition.to), (State::Closed, State::Open));
    assert_eq!(transition.error, Some(ErrorType::ConnectionRefused));
    let until = transition.retry_at.unwrap();
    let probe = loop {
        let (now, decisions) = next(&mut scheduler);
        match &decisions[..] {
            [Decision::Skip { reason, .. }] => {
                assert_eq!(*reason, SkipReason::CircuitOpen { until: Some(until) });
                assert!(now < until);
            }
            [
                Decision::Transition(transition),
                Decision::Start {
                    name, is_probe: true, ..
                },
            ] => {
                assert_eq!(transition.to, State::HalfOpen);
                assert!(now >= until && now < until + EVERY);
                break name.clone();
            }
            other => panic!("{other:?}"),
        }
    };
    let (now, decisions) = next(&mut scheduler);
    assert!(
        matches!(&decisions[..], [Decision::Skip { name, reason: SkipReason::CircuitOpen { until: None }, .. }] if *name != probe),
        "the other check does not run beside the probing one: {decisions:?}"
    );
    let view = scheduler.breaker(&TargetKey::of_check("target"), "http").unwrap();
    assert_eq!(
        (view.state, view.probing.as_ref()),
        (State::HalfOpen, Some(&probe))
    );
    assert_eq!(*view.checks, ["a".into(), "b".into()]);
    let transition = scheduler.finished(&probe, &passed(), now).unwrap();
    assert_eq!(transition.to, State::Closed);
    assert_eq!(started(&next(&mut scheduler).1).len(), 1);
}

#[test]
fn a_breaker_that_opens_while_a_run_waits_skips_it() {
    let limits = Limits {
        concurrency: 1,
        per_target: 1,
    };
    let checks = vec![guarded("a", EVERY, SETTINGS), guarded("b", EVERY, SETTINGS)];
    let mut scheduler = scheduler(limits, checks);
    let (_, decisions) = next(&mut scheduler);
    let going = started(&decisions)[0].to_owned();
    let (now, _) = next(&mut scheduler);
    assert_eq!(scheduler.waiting(), 1);
    scheduler.finished(&going, &refused(), now);
    let decisions = scheduler.tick(now);
    assert!(
        matches!(
            &decisions[..],
            [Decision::Skip {
                reason: SkipReason::CircuitOpen { .. },
                ..
            }]
        ),
        "{decisions:?}"
    );
    assert_eq!((scheduler.running(), scheduler.waiting()), (0, 0));
}

#[test]
fn a_check_without_a_breaker_runs_beside_an_open_one() {
    let checks = vec![guarded("a", EVERY, SETTINGS), check("b", EVERY)];
    let mut scheduler = scheduler(UNLIMITED, checks);
    for _ in 0..2 {
        let (now, decisions) = next(&mut scheduler);
        let name = started(&decisions)[0].to_owned();
        scheduler.finished(&name, &refused(), now);
    }
    let decisions: Vec<Decision> = (0..2).flat_map(|_| next(&mut scheduler).1).collect();
    assert_eq!(started(&decisions), ["b"]);
}

#[test]
fn another_plugin_or_another_target_has_a_breaker_of_its_own() {
    let imap = Scheduled {
        plugin: "imap".to_owned(),
        ..guarded("imap", EVERY, SETTINGS)
    };
    let elsewhere = Scheduled {
        target: TargetKey::of_check("elsewhere"),
        ..guarded("elsewhere", EVERY, SETTINGS)
    };
    let mut scheduler = scheduler(UNLIMITED, vec![guarded("sick", EVERY, SETTINGS), imap, elsewhere]);
    for _ in 0..3 {
        let (now, decisions) = next(&mut scheduler);
        let name = started(&decisions)[0].to_owned();
        let verdict = if name == "sick" { refused() } else { passed() };
        scheduler.finished(&name, &verdict, now);
    }
    let decisions: Vec<Decision> = (0..3).flat_map(|_| next(&mut scheduler).1).collect();
    let mut names = started(&decisions);
    names.sort_unstable();
    assert_eq!(names, ["elsewhere", "imap"]);
    let open = scheduler.breakers().filter(|view| view.state == State::Open);
    assert_eq!((scheduler.breakers().count(), open.count()), (3, 1));
}

#[test]
fn unchanged_checks_keep_everything() {
    let checks = || vec![guarded("a", EVERY, SETTINGS), check("b", EVERY)];
    let mut scheduler = scheduler(UNLIMITED, checks());
    for _ in 0..4 {
        let (now, decisions) = next(&mut scheduler);
        for name in started(&decisions) {
            scheduler.finished(name, &refused(), now);
        }
    }
    let now = scheduler.next_due().unwrap() - seconds(1);
    let look = |scheduler: &Scheduler| {
        let views = ["a", "b"].map(|name| scheduler.view(name));
        (views, scheduler.breakers().collect::<Vec<_>>())
    };
    let before = look(&scheduler);
    assert_eq!(before.1[0].state, State::Open);
    scheduler.set(checks(), now);
    assert_eq!(look(&scheduler), before);
    let other = Scheduled {
        fingerprint: 1,
        ..checks().remove(0)
    };
    scheduler.set(vec![other, checks().remove(1)], now);
    let after = look(&scheduler);
    let (a, a_before) = (after.0[0].unwrap(), before.0[0].unwrap());
    assert_eq!(
        (a.started, a.next_due),
        (0, a_before.next_due),
        "its place, not its counts"
    );
    assert_eq!((after.0[1], after.1), (before.0[1], before.1));
}

#[test]
fn a_check_that_is_removed_or_changed_ends_its_run_before_another_one_starts() {
    let limits = Limits {
        concurrency: 5,
        per_target: 1,
    };
    let mut scheduler = scheduler(limits, vec![check("a", EVERY)]);
    let (first, _) = next(&mut scheduler);
    scheduler.set(Vec::new(), first);
    assert_eq!((scheduler.next_due(), scheduler.view("a")), (None, None));
    assert_eq!(scheduler.running(), 1, "its slot is taken until it ends");
    let elsewhere = Scheduled {
        target: TargetKey::of_check("elsewhere"),
        ..check("a", EVERY)
    };
    scheduler.set(vec![elsewhere], first + seconds(1));
    let (due, decisions) = next(&mut scheduler);
    assert_eq!(due, first + EVERY, "the phase is that of the name");
    assert!(
        matches!(
            &decisions[..],
            [Decision::Skip {
                reason: SkipReason::StillRunning,
                ..
            }]
        ),
        "{decisions:?}"
    );
    scheduler.finished("a", &passed(), due);
    assert_eq!(scheduler.running(), 0);
    assert_eq!(started(&next(&mut scheduler).1), ["a"]);
}

#[test]
fn another_interval_holds_at_once() {
    let mut scheduler = scheduler(UNLIMITED, vec![check("a", seconds(3600))]);
    let now = scheduler.next_due().unwrap() + seconds(60);
    scheduler.tick(now);
    scheduler.finished("a", &passed(), now);
    scheduler.set(vec![check("a", seconds(5))], now);
    let (due, _) = next(&mut scheduler);
    assert!(due >= now && due < now + seconds(5));
}

#[test]
fn a_check_that_changes_while_its_run_waits_waits_at_its_new_target() {
    let limits = Limits {
        concurrency: 5,
        per_target: 1,
    };
    let mut scheduler = scheduler(limits, vec![check("a", EVERY), check("b", EVERY)]);
    let (_, decisions) = next(&mut scheduler);
    let going = started(&decisions)[0].to_owned();
    let (due, _) = next(&mut scheduler);
    let moved = |mut check: Scheduled| {
        if *check.name != *going {
            check.target = TargetKey::of_check("elsewhere");
        }
        check
    };
    scheduler.set(vec![moved(check("a", EVERY)), moved(check("b", EVERY))], due);
    let decisions = scheduler.tick(due);
    assert_eq!(started(&decisions).len(), 1, "there is room: {decisions:?}");
}

#[test]
fn a_probing_run_whose_check_is_removed_gives_the_probe_back() {
    let checks = vec![guarded("a", EVERY, SETTINGS), guarded("b", EVERY, SETTINGS)];
    let mut scheduler = scheduler(UNLIMITED, checks.clone());
    let (now, decisions) = next(&mut scheduler);
    scheduler.finished(started(&decisions)[0], &refused(), now);
    let probe = loop {
        let (_, decisions) = next(&mut scheduler);
        if let [name] = &started(&decisions)[..] {
            break (*name).to_owned();
        }
    };
    let others = checks.into_iter().filter(|check| *check.name != *probe);
    scheduler.set(others.collect(), now);
    let cancelled = verdict(Some(ErrorType::Cancelled));
    let transition = scheduler.finished(&probe, &cancelled, now).unwrap();
    assert_eq!((transition.from, transition.to), (State::HalfOpen, State::Open));
    let (_, decisions) = next(&mut scheduler);
    assert!(
        matches!(decisions.last(), Some(Decision::Start { is_probe: true, .. })),
        "{decisions:?}"
    );
}

#[test]
fn time_that_goes_back_changes_nothing() {
    let mut scheduler = scheduler(UNLIMITED, vec![check("a", EVERY)]);
    let (first, _) = next(&mut scheduler);
    assert_eq!(scheduler.tick(Duration::ZERO), []);
    scheduler.finished("a", &passed(), Duration::ZERO);
    assert_eq!(scheduler.next_due(), Some(first + EVERY));
}

#[test]
fn the_end_of_a_run_that_was_never_started_is_left_out() {
    let mut scheduler = scheduler(UNLIMITED, vec![check("a", EVERY)]);
    assert_eq!(scheduler.finished("a", &refused(), seconds(1)), None);
    assert_eq!(scheduler.finished("unknown", &refused(), seconds(1)), None);
    assert_eq!(scheduler.running(), 0);
}

#[test]
fn a_run_beside_a_check_is_the_only_one_and_holds_a_slot_until_it_ends() {
    let limits = Limits {
        concurrency: 2,
        per_target: 2,
    };
    let mut scheduler = scheduler(limits, vec![check("a", EVERY), check("b", EVERY)]);
    let (a, b, target) = ("a".into(), "b".into(), TargetKey::of_check("elsewhere"));
    assert!(scheduler.start_beside(&a, &target));
    assert!(!scheduler.start_beside(&a, &target), "one of a check at a time");
    assert!(!scheduler.start_beside(&b, &target), "half of the slots");
    let (_, decisions) = next(&mut scheduler);
    assert_eq!(started(&decisions).len(), 1);
    let (now, decisions) = next(&mut scheduler);
    assert_eq!((started(&decisions).len(), scheduler.waiting()), (0, 1));
    scheduler.finished_beside("a");
    assert_eq!(started(&scheduler.tick(now)).len(), 1);
    scheduler.finished_beside("a");
    assert_eq!(scheduler.running(), 2, "an end that is told twice frees one slot");
}
