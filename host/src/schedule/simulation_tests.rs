//! Hours and days of the schedule in simulated time.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use rand::{Rng, RngExt};

use super::simulation::*;
use super::*;
use crate::outcome::ErrorType;
use crate::policy::breaker::{Settings, State};
use crate::policy::{RetryBudget, RetryBudgetSettings};

const HOUR: Duration = Duration::from_secs(3600);
const SETTINGS: Settings = Settings {
    failures: 5,
    reset: Duration::from_secs(30),
    max_reset: Duration::from_secs(300),
};

fn always(verdict: breaker::Verdict) -> Conduct {
    Box::new(move |_, _| (milliseconds(20), verdict.clone()))
}

/// A hundred thousand checks, for some intervals: every one is run once in each, at the same distance, and at
/// no time are there many more than at others.
#[test]
fn a_hundred_thousand_checks_run_exactly_once_in_each_interval_and_evenly() {
    const CHECKS: usize = 100_000;
    const INTERVALS: usize = 3;
    let every = seconds(60);
    let mut scheduler = Scheduler::new(UNLIMITED, 1);
    let checks = (0..CHECKS).map(|number| Scheduled {
        target: TargetKey::of_check(&format!("target-{}", number % 1_000)),
        breaker: Some(SETTINGS),
        ..check(&format!("check-{number}"), every)
    });
    scheduler.set(checks.collect(), Duration::ZERO);
    let mut starts: HashMap<Arc<str>, Vec<Duration>> = HashMap::with_capacity(CHECKS);
    let mut in_second = vec![0_usize; 60 * INTERVALS];
    while let Some(now) = scheduler.next_due().filter(|due| *due < every * INTERVALS as u32) {
        for decision in scheduler.tick(now) {
            let Decision::Start { name, due, .. } = decision else {
                panic!("{decision:?}");
            };
            assert_eq!(due, now);
            in_second[usize::try_from(now.as_secs()).unwrap()] += 1;
            scheduler.finished(&name, &passed(), now);
            starts.entry(name).or_default().push(now);
        }
    }
    assert_eq!(starts.len(), CHECKS);
    for (name, starts) in &starts {
        assert_eq!(starts.len(), INTERVALS, "{name}");
        assert!(
            starts[0] < every && starts.windows(2).all(|pair| pair[1] - pair[0] == every),
            "{name}"
        );
    }
    // Chance makes the fullest of 60 seconds about 6 % fuller than the average; the names are fixed.
    let average = CHECKS / 60;
    let fullest = in_second.iter().max().copied().unwrap_or_default();
    assert!(
        fullest < average + average / 10,
        "{fullest} runs in a second, {average} on average"
    );
}

/// Eight times the checks cost about eight times the work, not sixty-four times. The least of five measurements each, in
/// turns and of the thread's own time, because others use the machine.
#[test]
fn the_work_grows_with_the_checks_and_not_with_their_square() {
    let work = |count: usize| {
        let began = thread_time();
        let limits = Limits {
            concurrency: 50,
            per_target: 4,
        };
        let checks = (0..count).map(|number| check(&format!("check-{number}"), seconds(60)));
        let mut scheduler = Scheduler::new(limits, 1);
        scheduler.set(checks.collect(), Duration::ZERO);
        // Everything waits at one target, and one run after the other is started.
        let mut started = scheduler.tick(seconds(1)).len();
        for now in 1..60 {
            started += scheduler.tick(seconds(now)).len();
        }
        assert_eq!(started, 4);
        for name in (0..count).map(|number| format!("check-{number}")) {
            scheduler.finished(&name, &passed(), seconds(60));
            scheduler.tick(seconds(60));
        }
        thread_time().saturating_sub(began)
    };
    let (mut few, mut many) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        few = few.min(work(2_000));
        many = many.min(work(16_000));
    }
    assert!(many < few * 24, "{few:?} for 2,000 checks, {many:?} for 16,000");
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Connections in an hour in which the target refuses them all, every check of it is due every 10 s and may try three
/// times: what a run sends is bounded by the retry budget, and whether it begins by the breaker.
fn connections_in_an_hour_of_refusals(checks: usize, settings: Option<Settings>) -> u64 {
    let connections = Rc::new(Cell::new(0));
    let (counted, mut budget) = (
        Rc::clone(&connections),
        RetryBudget::new(RetryBudgetSettings::default()),
    );
    let conduct: Conduct = Box::new(move |run, _| {
        budget.run(run.start);
        let retries = (0..2).take_while(|_| budget.retry(run.start).is_ok()).count();
        counted.set(counted.get() + 1 + retries as u64);
        (milliseconds(20), refused())
    });
    let limits = Limits {
        concurrency: 64,
        per_target: 4,
    };
    let mut world = World::new(limits, 1, conduct);
    let checks = (0..checks).map(|number| Scheduled {
        breaker: settings,
        ..check(&format!("check-{number}"), seconds(10))
    });
    world.set(checks.collect());
    world.live_until(HOUR);
    connections.get()
}

/// However many checks ask it: 5 runs before the breaker opens and 3 more that were under way with them, 17 probing
/// runs at most, and of each of those the two retries, of the others the three that a minute always has.
#[test]
fn a_target_that_is_down_for_an_hour_gets_few_connections_however_many_checks_ask_it() {
    for checks in [3, 200] {
        let connections = connections_in_an_hour_of_refusals(checks, Some(SETTINGS));
        assert!(
            (20..=8 + 17 + 2 * 17 + 3).contains(&connections),
            "{connections} for {checks} checks"
        );
    }
    // Without a breaker: a fifth more than the runs that are due, not three times as many.
    let (due, connections) = (200 * 360, connections_in_an_hour_of_refusals(200, None));
    assert!(
        (due..=due + due / 5 + due / 100).contains(&connections),
        "{connections} of {due}"
    );
}

/// A target that is down for an hour, asked every 10 s: it is left alone but for the first failures and the
/// probing runs.
#[test]
fn a_target_that_is_down_for_an_hour_is_hardly_asked() {
    let mut world = World::new(UNLIMITED, 1, always(refused()));
    world.set(vec![guarded("a", seconds(10), SETTINGS)]);
    world.live_until(HOUR);
    let probes = world.runs.iter().filter(|run| run.is_probe).count();
    assert_eq!(world.runs.len(), 5 + probes);
    // After 30, 60, 120 and 240 s each 300 s: 15, if no reset time were shortened by chance and every probing run
    // began at the very end of it. Shortened by a tenth at most, and begun one interval late at most: 14 to 17.
    assert!((13..=17).contains(&probes), "{probes}");
    let due = 360;
    assert_eq!(world.runs.len() as u64 + world.skipped("a"), due);
    assert!(
        world
            .skips
            .iter()
            .all(|(.., reason)| matches!(reason, SkipReason::CircuitOpen { .. }))
    );
}

#[test]
fn without_a_breaker_a_target_that_is_down_is_asked_each_time() {
    let mut world = World::new(UNLIMITED, 1, always(refused()));
    world.set(vec![check("a", seconds(10))]);
    world.live_until(HOUR);
    assert_eq!((world.runs.len(), world.skipped("a")), (360, 0));
}

#[test]
fn fifty_checks_that_share_a_breaker_ask_no_more_than_one() {
    let mut world = World::new(UNLIMITED, 1, always(refused()));
    let checks = (0..50).map(|number| guarded(&format!("check-{number}"), seconds(10), SETTINGS));
    world.set(checks.collect());
    world.live_until(HOUR);
    let probes: Vec<_> = world.runs.iter().filter(|run| run.is_probe).collect();
    // Those that were under way while the first five failed end as well.
    assert!(world.runs.len() - probes.len() < 10, "{}", world.runs.len());
    assert!((13..=17).contains(&probes.len()), "{}", probes.len());
    let probing: HashSet<_> = probes.iter().map(|run| &run.name).collect();
    assert!(probing.len() > 3, "whoever is due next probes: {probing:?}");
}

/// The strictest settings are those of a check that is seldom run, and they hold for the other as well.
#[test]
fn of_different_settings_the_strictest_hold_for_all() {
    let strict = Settings {
        failures: 2,
        reset: seconds(600),
        max_reset: seconds(600),
    };
    let mut world = World::new(UNLIMITED, 1, always(refused()));
    world.set(vec![
        guarded("often", seconds(5), SETTINGS),
        guarded("seldom", seconds(3000), strict),
    ]);
    world.live_until(HOUR);
    let probes = world.runs.iter().filter(|run| run.is_probe).count();
    assert_eq!(world.runs.len(), 2 + probes);
    assert!((5..=7).contains(&probes), "{probes}");
}

#[test]
fn a_plugin_that_traps_opens_no_breaker() {
    let trapped = verdict(Some(ErrorType::PluginTrap));
    let mut world = World::new(UNLIMITED, 1, always(trapped));
    world.set(vec![guarded("a", seconds(10), SETTINGS)]);
    world.live_until(HOUR);
    assert_eq!((world.runs.len(), world.transitions.len()), (360, 0));
}

/// Ten minutes well, ten minutes down: the breaker follows, and no later than by the longest reset time.
#[test]
fn a_target_that_flaps_is_followed() {
    let is_well = |now: Duration| (now.as_secs() / 600).is_multiple_of(2);
    let flapping: Conduct = Box::new(move |run, _| {
        let verdict = if is_well(run.start) { passed() } else { refused() };
        (milliseconds(20), verdict)
    });
    let mut world = World::new(UNLIMITED, 1, flapping);
    world.set(vec![guarded("a", seconds(5), SETTINGS)]);
    world.live_until(HOUR * 2);
    let opened = world.transitions.iter().filter(|one| one.from == State::Closed);
    let closed = world.transitions.iter().filter(|one| one.to == State::Closed);
    assert_eq!((opened.count(), closed.count()), (6, 5));
    let (well, down): (Vec<_>, Vec<_>) = world.runs.iter().partition(|run| is_well(run.start));
    // Each time five runs until it opens, and after 30, 60, 120 and 240 s a probing one.
    assert!(
        down.len() <= 6 * (5 + 4 + 1),
        "{} of 720 runs at a target that was down",
        down.len()
    );
    // Half of the time at least: 300 of 600 s.
    assert!(
        well.len() >= 360,
        "{} of 720 runs at a target that was well",
        well.len()
    );
}

#[test]
fn a_check_whose_probing_runs_are_cancelled_keeps_no_breaker_half_open() {
    let cancelled = verdict(Some(ErrorType::Cancelled));
    let mut world = World::new(UNLIMITED, 1, always(refused()));
    world.set(vec![guarded("a", seconds(10), SETTINGS)]);
    world.live_until(seconds(100));
    world.set_conduct(always(cancelled));
    world.live_until(seconds(200));
    world.set_conduct(always(passed()));
    world.live_until(seconds(220));
    assert_eq!(world.transitions.last().map(|one| one.to), Some(State::Closed));
}

/// A day passes in which nobody asks, for checks of every kind of interval.
#[test]
fn after_a_day_of_standing_still_there_is_no_burst() {
    const CHECKS: u32 = 20_000;
    let every = |number: u32| seconds([10, 30, 60, 3600][number as usize % 4]);
    let mut world = World::new(UNLIMITED, 1, always(passed()));
    let checks = (0..CHECKS).map(|number| check(&format!("check-{number}"), every(number)));
    world.set(checks.collect());
    world.live_until(seconds(60));
    let phases: HashMap<Arc<str>, Duration> = (0..CHECKS)
        .map(|number| {
            let name: Arc<str> = format!("check-{number}").into();
            let due = world.scheduler.view(&name).unwrap().next_due;
            (name, due)
        })
        .collect();
    let before = world.runs.len();
    let day = seconds(24 * 3600) + milliseconds(1_234);
    world.stand_still_until(seconds(60) + day);
    // In a usual second there are CHECKS / 4 * (1/10 + 1/30 + 1/60 + 1/3600), which is 751.
    let burst = world.runs.len() - before;
    assert!(burst < 1_000, "{burst} runs at once");
    let missed: u64 = world
        .skips
        .iter()
        .map(|(.., reason)| match reason {
            SkipReason::Missed { runs } => *runs,
            other => panic!("{other:?}"),
        })
        .sum();
    let usual = f64::from(CHECKS) / 4.0 * (1.0 / 10.0 + 1.0 / 30.0 + 1.0 / 60.0 + 1.0 / 3600.0);
    let expected = usual * day.as_secs_f64();
    let counted = (missed + burst as u64) as f64;
    assert!(
        (counted / expected - 1.0).abs() < 0.001,
        "{counted} of {expected}"
    );
    for (name, due) in &phases {
        let number: u32 = name.trim_start_matches("check-").parse().unwrap();
        let next = world.scheduler.view(name).unwrap().next_due;
        assert!(next > world.now && next <= world.now + every(number));
        assert_eq!(
            (next - *due).as_nanos() % every(number).as_nanos(),
            0,
            "{name} has lost its phase"
        );
    }
}

/// Random checks, limits, verdicts, durations, reloads and standstills. The world holds every decision against
/// what must always be so; here every due time must have become a run, a skip, or still wait.
#[test]
fn whatever_happens_no_due_time_is_lost_and_no_limit_exceeded() {
    for seed in 0..30 {
        let limits = Limits {
            concurrency: 1 + seed as usize % 7,
            per_target: 1 + seed as usize % 3,
        };
        let mut world = World::new(limits, seed, Box::new(haphazard));
        let mut checks: Vec<Scheduled> = (0..12).map(|number| random_check(number, &mut world)).collect();
        world.set(checks.clone());
        // Never touched, so that all of its due times can be counted.
        let steady = checks[0].clone();
        let first = world.scheduler.view(&steady.name).unwrap().next_due;
        for _ in 0..40 {
            let on = milliseconds(world.chance.random_range(1..20_000));
            match world.chance.random_range(0..10) {
                0 => world.stand_still_until(world.now + on * 20),
                1 => {
                    let at = world.chance.random_range(1..checks.len());
                    checks[at] = random_check(at, &mut world);
                    world.set(checks.clone());
                }
                2 => {
                    // Some are gone and will be back.
                    let mut some = checks.clone();
                    let most = some.len();
                    some.truncate(world.chance.random_range(1..=most));
                    world.set(some);
                }
                3 => {
                    let limits = Limits {
                        concurrency: world.chance.random_range(1..8),
                        per_target: world.chance.random_range(1..4),
                    };
                    world.set_limits(limits);
                }
                _ => {}
            }
            world.live_until(world.now + on);
            assert_every_due_time_is_accounted_for(&world, &steady, first, seed);
        }
        // Once nobody is in the way any more, everything ends and every breaker closes.
        world.set(checks);
        world.set_conduct(always(passed()));
        world.live_until(world.now + seconds(3 * 300 + 60));
        let stuck: Vec<_> = world
            .scheduler
            .breakers()
            .filter(|view| view.state != State::Closed)
            .collect();
        assert!(stuck.is_empty(), "seed {seed}: {stuck:?}");
        assert!(world.going() <= world.limits.concurrency);
    }
}

fn assert_every_due_time_is_accounted_for(world: &World, check: &Scheduled, first: Duration, seed: u64) {
    let view = world.scheduler.view(&check.name).unwrap();
    let elapsed = view.next_due.saturating_sub(first).as_nanos() / check.every.as_nanos();
    let waiting = u64::from(view.waiting_since.is_some());
    let (started, skipped) = (world.started(&check.name), world.skipped(&check.name));
    assert_eq!(
        (view.started, view.skipped.total()),
        (started, skipped),
        "seed {seed}"
    );
    assert_eq!(
        u128::from(started + skipped + waiting),
        elapsed,
        "seed {seed}, at {:?}",
        world.now
    );
}

fn random_check(number: usize, world: &mut World) -> Scheduled {
    let chance = &mut world.chance;
    let settings = Settings {
        failures: chance.random_range(1..4),
        reset: seconds(chance.random_range(1..30)),
        max_reset: seconds(chance.random_range(30..300)),
    };
    Scheduled {
        name: format!("check-{number}").into(),
        every: milliseconds(chance.random_range(1..100) * 100),
        // The first one has none, so that its due times are known.
        jitter: milliseconds(if number == 0 {
            0
        } else {
            chance.random_range(0..3_000)
        }),
        target: TargetKey::of_check(["one", "two", "three"][number % 3]),
        plugin: ["http", "imap"][number % 2].to_owned(),
        breaker: chance.random_bool(0.7).then_some(settings),
        fingerprint: chance.next_u64(),
    }
}

fn haphazard(_: &simulation::Run, chance: &mut rand::rngs::StdRng) -> (Duration, breaker::Verdict) {
    let error = match chance.random_range(0..10) {
        0..3 => None,
        3..7 => Some(ErrorType::ConnectionRefused),
        7 => Some(ErrorType::PluginTrap),
        8 => Some(ErrorType::Cancelled),
        _ => Some(ErrorType::DnsNotFound),
    };
    (milliseconds(chance.random_range(0..5_000)), verdict(error))
}
