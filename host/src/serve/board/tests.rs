//! Tests of what is kept, and for how long.

use super::*;
use crate::outcome::PluginIdentity;
use crate::serve::http::samples::{cancelled, check, failing, report, still_running};

fn board(keep: Keep, names: &[&str]) -> Arc<Board> {
    let board = Board::new(keep);
    let facts: Vec<_> = names.iter().map(|name| Arc::new(check(name))).collect();
    board.change_checks(&[], &facts);
    board
}

#[test]
fn a_check_that_has_no_interval_any_more_is_due_at_no_time() {
    let board = board(Keep::default(), &["page"]);
    board.due("page", Instant::now());
    board.change_checks(&[], &[Arc::new(check("page"))]);
    assert!(board.check("page").unwrap().next_due.is_some());
    let facts = CheckFacts {
        every: None,
        ..check("page")
    };
    board.change_checks(&[], &[Arc::new(facts)]);
    assert_eq!(board.check("page").unwrap().next_due, None);
}

#[test]
fn a_check_has_its_counts_its_state_and_its_last_reports() {
    let keep = Keep {
        reports: 2,
        ..Keep::default()
    };
    let board = board(keep, &["page"]);
    board.started("page");
    assert!(board.check("page").unwrap().running_since.is_some());
    board.finished(report("page", 1), "passing");
    board.finished(failing("page", 2), "passing");
    board.skipped(still_running("page", 3));
    let known = board.check("page").unwrap();
    assert!(known.running_since.is_none());
    let counts = OutcomeCounts {
        pass: 1,
        fail: 1,
        error: 0,
        skipped: 1,
    };
    assert_eq!((known.state, known.outcomes), ("passing", counts));
    assert_eq!(known.skipped, BTreeMap::from([("still_running".to_owned(), 1)]));
    let ids: Vec<_> = board
        .reports("page")
        .unwrap()
        .iter()
        .map(|report| report.run_id.0[7])
        .collect();
    assert_eq!(ids, [3, 2]);
    assert_eq!(known.last.unwrap().error_type.as_deref(), Some("still_running"));
}

#[test]
fn a_run_goes_on_when_the_next_is_skipped_because_of_it_and_ends_when_it_is_cancelled() {
    let board = board(Keep::default(), &["page"]);
    board.started("page");
    board.skipped(still_running("page", 1));
    assert!(board.check("page").unwrap().running_since.is_some());
    board.skipped(cancelled("page", 2));
    assert!(board.check("page").unwrap().running_since.is_none());
}

#[test]
fn the_state_is_as_old_as_its_last_change() {
    let board = board(Keep::default(), &["page"]);
    assert_eq!(board.check("page").unwrap().state_since, None);
    board.finished(report("page", 1), "passing");
    let since = board.check("page").unwrap().state_since;
    board.finished(report("page", 2), "passing");
    assert_eq!(board.check("page").unwrap().state_since, since);
    board.finished(failing("page", 3), "failing");
    assert!(board.check("page").unwrap().state_since > since);
}

#[test]
fn reports_that_do_not_fit_are_dropped_and_the_outcome_stays() {
    let one = weight(&report("page", 1));
    let keep = Keep {
        reports: 10,
        memory: 2 * one + one / 2,
    };
    let board = board(keep, &["page"]);
    for number in 1..=5 {
        board.finished(report("page", number), "passing");
    }
    assert_eq!(board.reports("page").unwrap().len(), 2);
    board.change_checks(&[], &["b", "c"].map(|name| Arc::new(check(name))));
    board.trim();
    assert_eq!(board.reports("page").unwrap().len(), 0);
    let known = board.check("page").unwrap();
    assert_eq!((known.outcomes.pass, known.last.unwrap().run_id[7]), (5, 5));
}

#[test]
fn a_check_keeps_its_past_and_a_removed_one_leaves_nothing() {
    let board = board(Keep::default(), &["page", "mail"]);
    for name in ["page", "mail"] {
        board.finished(report(name, 1), "passing");
        board.breaker(BreakerFacts {
            target: format!("{name}.example.org:443"),
            plugin: "http".into(),
            state: "open",
            failures: 5,
            retry_at: None,
            checks: Arc::from([name.into()]),
        });
    }
    let mut page = check("page");
    page.every = None;
    board.change_checks(&["mail".into()], &[Arc::new(page.clone())]);
    board.breaker_gone("mail.example.org:443", "http");
    let known = board.check("page").unwrap();
    assert_eq!(
        (known.outcomes.pass, known.breaker, &*known.facts),
        (1, Some("open"), &page)
    );
    assert!(board.check("mail").is_none() && board.reports("mail").is_none());
    assert_eq!(board.breakers(None, 10).1, 1);
    board.finished(report("mail", 2), "passing");
    assert_eq!(board.check_count(), 1);
}

#[test]
fn a_breaker_is_shown_only_at_the_checks_that_share_it() {
    let board = Board::new(Keep::default());
    let target = "both.example.org:443";
    let facts = ["bold", "careful"].map(|name| CheckFacts {
        target: target.into(),
        ..check(name)
    });
    board.change_checks(&[], &facts.map(Arc::new));
    board.breaker(BreakerFacts {
        target: target.into(),
        plugin: "http".into(),
        state: "open",
        failures: 5,
        retry_at: None,
        checks: Arc::from(["careful".into()]),
    });
    let shown = ["bold", "careful"].map(|name| board.check(name).unwrap().breaker);
    assert_eq!(shown, [None, Some("open")]);
}

#[test]
fn checks_come_in_pages_in_the_order_of_their_names() {
    let board = board(Keep::default(), &["c", "a", "b"]);
    let names = |after: Option<&str>, limit| {
        let checks = board.checks(after, limit);
        checks
            .iter()
            .map(|check| check.facts.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2), ["a", "b"]);
    assert_eq!(names(Some("b"), 2), ["c"]);
    assert_eq!(names(Some("c"), 2), [""; 0]);
}

#[test]
fn a_refused_reload_leaves_the_generation() {
    let board = board(Keep::default(), &[]);
    assert_eq!(board.generation().0, 0);
    board.reloaded(Ok(1));
    board.reloaded(Err("bad.toml:1:1: no".into()));
    let (generation, last) = board.generation();
    let last = last.unwrap();
    assert_eq!(
        (generation, last.ok, last.message.as_deref()),
        (1, false, Some("bad.toml:1:1: no"))
    );
}

#[test]
fn a_hundred_thousand_checks_keep_within_the_bound() {
    let board = Board::new(Keep::default());
    let plugin = PluginIdentity {
        name: "http".into(),
        version: "0.1.0".into(),
        sha256: "ab".repeat(32),
    };
    let facts = (0..100_000).map(|number| CheckFacts {
        name: format!("check-{number}"),
        plugin: plugin.clone(),
        ..check("x")
    });
    board.change_checks(&[], &facts.map(Arc::new).collect::<Vec<_>>());
    let held: usize = (0..1_000)
        .flat_map(|number| {
            let name = format!("check-{number}");
            (1..=3).for_each(|run| board.finished(report(&name, run), "passing"));
            board.reports(&name).unwrap()
        })
        .map(|report| weight(&report))
        .sum();
    assert!(held <= Keep::default().memory / 100, "{held}");
}
