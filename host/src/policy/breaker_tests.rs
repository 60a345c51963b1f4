//! The breaker, state by state.

use super::*;
use crate::outcome::DeadlineWhile;

const SETTINGS: Settings = Settings {
    failures: 3,
    reset: Duration::from_secs(10),
    max_reset: Duration::from_secs(35),
};

fn verdict(error: Option<ErrorType>) -> Verdict {
    Verdict {
        outcome: error.as_ref().map_or(Outcome::Pass, ErrorType::outcome),
        blame: error.as_ref().map(ErrorType::blame),
        error,
        run: None,
    }
}

fn passed() -> Verdict {
    verdict(None)
}

fn refused() -> Verdict {
    verdict(Some(ErrorType::ConnectionRefused))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Opened by three runs at 0 s: open until 10 s.
fn opened(check: &Arc<str>) -> Breaker {
    let mut breaker = Breaker::new(SETTINGS);
    for _ in 0..3 {
        breaker.record(check, &refused(), seconds(0), 0.0);
    }
    assert_eq!(breaker.state(), State::Open);
    breaker
}

#[test]
fn so_many_failed_runs_in_a_row_open_it() {
    let check: Arc<str> = "page".into();
    let mut breaker = Breaker::new(SETTINGS);
    let mut record = |verdict| breaker.record(&check, &verdict, seconds(1), 0.0);
    assert_eq!([record(refused()), record(refused())], [None, None]);
    assert_eq!(record(passed()), None, "and a pass begins anew");
    assert_eq!([record(refused()), record(refused())], [None, None]);
    let change = Change {
        from: State::Closed,
        to: State::Open,
        retry_at: Some(seconds(11)),
        check: check.clone(),
        error: Some(ErrorType::ConnectionRefused),
    };
    assert_eq!(record(refused()), Some(change));
}

#[test]
fn nothing_but_a_target_or_the_way_to_it_is_counted() {
    let check: Arc<str> = "page".into();
    for error in [
        ErrorType::PluginTrap,
        ErrorType::DeadlineExceeded(DeadlineWhile::Computing),
        ErrorType::GrantDenied,
        ErrorType::SecretMissing,
        ErrorType::Cancelled,
        ErrorType::StillRunning,
        ErrorType::Other,
    ] {
        let mut breaker = Breaker::new(SETTINGS);
        breaker.record(&check, &refused(), seconds(0), 0.0);
        for _ in 0..10 {
            breaker.record(&check, &verdict(Some(error.clone())), seconds(0), 0.0);
        }
        assert_eq!(breaker.failures(), 1, "{error} neither counts nor resets");
    }
    for error in [
        ErrorType::AssertionFailed,
        ErrorType::DnsServerFailure,
        ErrorType::DeadlineExceeded(DeadlineWhile::Resolving),
    ] {
        let mut breaker = Breaker::new(SETTINGS);
        breaker.record(&check, &verdict(Some(error.clone())), seconds(0), 0.0);
        assert_eq!(breaker.failures(), 1, "{error} counts");
    }
}

#[test]
fn exactly_one_run_probes() {
    let (check, other): (Arc<str>, Arc<str>) = ("page".into(), "other".into());
    let mut breaker = opened(&check);
    let early = seconds(10) - Duration::from_nanos(1);
    assert_eq!(
        breaker.admit(&check, early),
        Admission::Refused(Some(seconds(10)))
    );
    let Admission::Probe(change) = breaker.admit(&other, seconds(10)) else {
        panic!("no probe");
    };
    assert_eq!(
        (change.from, change.to, &*change.check),
        (State::Open, State::HalfOpen, "other")
    );
    assert_eq!(breaker.admit(&check, seconds(1_000)), Admission::Refused(None));
    let change = breaker.record(&other, &passed(), seconds(1_000), 0.0).unwrap();
    assert_eq!((change.from, change.to), (State::HalfOpen, State::Closed));
    assert_eq!((breaker.failures(), breaker.retry_at()), (0, None));
    assert_eq!(breaker.admit(&check, seconds(1_000)), Admission::Run);
}

#[test]
fn the_reset_time_doubles_up_to_the_longest_and_is_short_again_after_a_pass() {
    let check: Arc<str> = "page".into();
    let mut breaker = opened(&check);
    let mut now = breaker.retry_at().unwrap();
    for expected in [20, 35, 35] {
        assert!(matches!(breaker.admit(&check, now), Admission::Probe(_)));
        let change = breaker.record(&check, &refused(), now, 0.0).unwrap();
        assert_eq!((change.from, change.to), (State::HalfOpen, State::Open));
        assert_eq!(change.retry_at, Some(now + seconds(expected)));
        now += seconds(expected);
    }
    breaker.admit(&check, now);
    breaker.record(&check, &passed(), now, 0.0);
    for _ in 0..3 {
        breaker.record(&check, &refused(), now, 0.0);
    }
    assert_eq!(breaker.retry_at(), Some(now + seconds(10)));
}

#[test]
fn chance_shortens_the_reset_time_by_a_tenth_at_most() {
    let check: Arc<str> = "page".into();
    for (chance, expected) in [(0.0, 10.0), (0.5, 9.5), (1.0, 9.0), (7.0, 9.0)] {
        let settings = Settings {
            failures: 1,
            ..SETTINGS
        };
        let change = Breaker::new(settings).record(&check, &refused(), seconds(0), chance);
        assert_eq!(
            change.unwrap().retry_at,
            Some(Duration::from_secs_f64(expected)),
            "{chance}"
        );
    }
}

#[test]
fn a_probing_run_that_says_nothing_gives_the_probe_back() {
    let (check, other): (Arc<str>, Arc<str>) = ("page".into(), "other".into());
    for error in [ErrorType::Cancelled, ErrorType::Other, ErrorType::PluginTrap] {
        let mut breaker = opened(&check);
        breaker.admit(&check, seconds(10));
        let change = breaker.record(&check, &verdict(Some(error.clone())), seconds(12), 0.0);
        let change = change.unwrap();
        assert_eq!((change.to, change.retry_at), (State::Open, Some(seconds(12))));
        assert_eq!(change.error, Some(error));
        assert!(matches!(breaker.admit(&other, seconds(12)), Admission::Probe(_)));
        let change = breaker.record(&other, &refused(), seconds(13), 0.0).unwrap();
        assert_eq!(
            change.retry_at,
            Some(seconds(13 + 20)),
            "the reset time was not doubled in between"
        );
    }
}

#[test]
fn runs_from_before_it_opened_decide_nothing() {
    let (check, late): (Arc<str>, Arc<str>) = ("page".into(), "late".into());
    let mut breaker = opened(&check);
    assert_eq!(breaker.record(&late, &passed(), seconds(1), 0.0), None);
    breaker.admit(&check, seconds(10));
    assert_eq!(breaker.record(&late, &passed(), seconds(11), 0.0), None);
    assert_eq!(breaker.record(&late, &refused(), seconds(11), 0.0), None);
    assert_eq!(
        (breaker.state(), breaker.failures()),
        (State::HalfOpen, 3),
        "only the probing run counts"
    );
}

#[test]
fn the_strictest_settings_win() {
    let other = Settings {
        failures: 5,
        reset: seconds(30),
        max_reset: seconds(31),
    };
    let strictest = Settings {
        failures: 3,
        reset: seconds(30),
        max_reset: seconds(35),
    };
    assert_eq!(SETTINGS.strictest(other), strictest);
    assert_eq!(other.strictest(SETTINGS), strictest);
}

#[test]
fn other_settings_leave_it_where_it_stands() {
    let check: Arc<str> = "page".into();
    let mut breaker = opened(&check);
    let longer = Settings {
        failures: 1,
        reset: seconds(60),
        max_reset: seconds(60),
    };
    breaker.set(longer, seconds(1));
    assert_eq!(breaker.retry_at(), Some(seconds(10)));
    breaker.admit(&check, seconds(10));
    let change = breaker.record(&check, &refused(), seconds(10), 0.0).unwrap();
    assert_eq!(
        change.retry_at,
        Some(seconds(70)),
        "and hold from the next time on"
    );
}

#[test]
fn it_is_open_no_longer_than_its_settings_allow_from_now_on() {
    let mut breaker = opened(&"page".into());
    let shorter = Settings {
        failures: 3,
        reset: seconds(1),
        max_reset: seconds(2),
    };
    breaker.set(shorter, seconds(3));
    assert_eq!(breaker.retry_at(), Some(seconds(5)));
    breaker.set(shorter, seconds(4));
    assert_eq!(breaker.retry_at(), Some(seconds(5)), "and is not put off");
}
