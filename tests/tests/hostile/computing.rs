//! Guests that use up their time: computing, sleeping, asking and printing without end.

use bedcheck_tests::script::Script;

use super::{assert_error, contained};

/// So much of everything that only time ends the run.
const ENDLESS: &str = "budget.fuel = 1_000_000_000_000\nbudget.host_calls = 1_000_000_000";

#[test]
fn whatever_a_guest_computes_it_is_stopped_after_the_grace_and_to_blame() {
    for behaviour in [
        "spin",
        "spin-between-calls",
        "hammer-clocks",
        "print-for-ever",
        "flood",
        "huge-texts-for-ever",
    ] {
        let report = contained(behaviour, ENDLESS, "");
        assert_error(&report, "plugin", "deadline_exceeded");
        assert_eq!(report["deadline_exceeded"], true);
    }
}

#[test]
fn a_guest_that_sleeps_past_the_deadline_is_to_blame() {
    for behaviour in ["sleep", "oversleep"] {
        assert_error(&contained(behaviour, "", ""), "plugin", "deadline_exceeded");
    }
}

#[test]
fn a_guest_that_slept_through_most_of_the_time_does_not_blame_a_slow_target() {
    let peer = Script::new().stall().serve();
    let (allow, settings) = reach(peer.port());
    let report = contained("sleep-then-read", &allow, &settings);
    assert_error(&report, "plugin", "deadline_exceeded");
    assert_eq!(report["deadline_hit"]["host_call"], "net.read");
}

#[test]
fn a_guest_that_computed_through_most_of_the_time_does_not_blame_a_slow_target() {
    let peer = Script::new().stall().serve();
    let (allow, settings) = reach(peer.port());
    let report = contained("compute-then-read", &format!("{ENDLESS}\n{allow}"), &settings);
    assert_error(&report, "plugin", "deadline_exceeded");
    assert_eq!(report["deadline_hit"]["host_call"], "net.read");
}

#[test]
fn a_guest_that_does_not_read_what_a_peer_sends_harms_nobody() {
    let peer = Script::new().send(vec![b'x'; 8 << 20]).stall().serve();
    let (allow, settings) = reach(peer.port());
    let report = contained("never-read", &format!("{ENDLESS}\n{allow}"), &settings);
    assert_error(&report, "plugin", "deadline_exceeded");
    assert_eq!(report["usage"]["bytes_read"], 0);
}

#[test]
fn an_exit_is_a_trap_even_if_it_is_a_success() {
    assert_error(&contained("exit", "", ""), "plugin", "plugin_trap");
}

/// What grants a port of the loopback, and settings that name it.
pub(super) fn reach(port: u16) -> (String, String) {
    (
        format!("allow = [\"127.0.0.1:{port}\"]"),
        format!("host = \"127.0.0.1\"\nport = {port}"),
    )
}
