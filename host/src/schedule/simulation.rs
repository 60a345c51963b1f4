//! A world for the schedule to be tried in: simulated time, runs that take time and end as a test says. Every
//! decision is held against what must always be so, by books that the world keeps itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Decision, Limits, Scheduled, Scheduler, SkipReason, Transition};
use crate::outcome::ErrorType;
use crate::policy::TargetKey;
use crate::policy::breaker::{Settings, State, Verdict};

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// No limit that a test could reach.
pub(super) const UNLIMITED: Limits = Limits {
    concurrency: usize::MAX,
    per_target: usize::MAX,
};

/// A check with the target and the plugin that most tests have.
pub(super) fn check(name: &str, every: Duration) -> Scheduled {
    Scheduled {
        name: name.into(),
        every,
        jitter: Duration::ZERO,
        target: TargetKey::of_check("target"),
        plugin: "http".to_owned(),
        breaker: None,
        fingerprint: 0,
    }
}

/// A check of the same target with a breaker.
pub(super) fn guarded(name: &str, every: Duration, settings: Settings) -> Scheduled {
    Scheduled {
        breaker: Some(settings),
        ..check(name, every)
    }
}

/// A verdict by its error type; none is a pass.
pub(super) fn verdict(error: Option<ErrorType>) -> Verdict {
    Verdict {
        outcome: error
            .as_ref()
            .map_or(crate::outcome::Outcome::Pass, ErrorType::outcome),
        blame: error.as_ref().map(ErrorType::blame),
        error,
        run: None,
    }
}

pub(super) fn passed() -> Verdict {
    verdict(None)
}

pub(super) fn refused() -> Verdict {
    verdict(Some(ErrorType::ConnectionRefused))
}

/// A run that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) name: Arc<str>,
    pub(super) due: Duration,
    pub(super) start: Duration,
    pub(super) is_probe: bool,
}

/// How a run goes: how long it takes, and how it ends.
pub(super) type Conduct = Box<dyn FnMut(&Run, &mut StdRng) -> (Duration, Verdict)>;

pub(super) struct World {
    pub(super) scheduler: Scheduler,
    pub(super) now: Duration,
    pub(super) limits: Limits,
    pub(super) runs: Vec<Run>,
    pub(super) skips: Vec<(Arc<str>, Duration, SkipReason)>,
    pub(super) transitions: Vec<Transition>,
    pub(super) chance: StdRng,
    conduct: Conduct,
    checks: HashMap<Arc<str>, Scheduled>,
    /// The checks that run, as they were when the run began, and whether it is a probing one.
    going: BTreeMap<Arc<str>, (Scheduled, bool)>,
    ends: BTreeSet<(Duration, Arc<str>)>,
    verdicts: HashMap<Arc<str>, Verdict>,
}

impl World {
    pub(super) fn new(limits: Limits, seed: u64, conduct: Conduct) -> Self {
        Self {
            scheduler: Scheduler::new(limits, seed),
            now: Duration::ZERO,
            limits,
            runs: Vec::new(),
            skips: Vec::new(),
            transitions: Vec::new(),
            chance: StdRng::seed_from_u64(seed),
            conduct,
            checks: HashMap::new(),
            going: BTreeMap::new(),
            ends: BTreeSet::new(),
            verdicts: HashMap::new(),
        }
    }

    pub(super) fn set(&mut self, checks: Vec<Scheduled>) {
        self.checks = checks
            .iter()
            .map(|check| (check.name.clone(), check.clone()))
            .collect();
        self.scheduler.set(checks, self.now);
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.scheduler.set_limits(limits);
    }

    pub(super) fn set_conduct(&mut self, conduct: Conduct) {
        self.conduct = conduct;
    }

    /// Lives on until then: whatever comes first, an end or a due time, at its time.
    pub(super) fn live_until(&mut self, end: Duration) {
        loop {
            let next_end = self.ends.first().map(|(at, _)| *at);
            let next = self.scheduler.next_due().into_iter().chain(next_end).min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
            self.step();
        }
        self.now = end;
    }

    /// Nobody does anything until then: what the schedule sees when the process stood still.
    pub(super) fn stand_still_until(&mut self, end: Duration) {
        self.now = end;
        self.step();
    }

    /// What is to be done now.
    pub(super) fn step(&mut self) {
        while self.ends.first().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, name)) = self.ends.pop_first() else {
                break;
            };
            self.end(&name);
        }
        let decisions = self.scheduler.tick(self.now);
        let mut announced = None;
        for decision in decisions {
            if let Some(check) = announced.take() {
                let is_probe =
                    matches!(&decision, Decision::Start { name, is_probe: true, .. } if *name == check);
                assert!(is_probe, "half-open without a probing run: {decision:?}");
            }
            match decision {
                Decision::Start {
                    name, due, is_probe, ..
                } => self.begin(name, due, is_probe),
                Decision::Skip { name, due, reason } => {
                    assert!(due <= self.now);
                    self.skips.push((name, due, reason));
                }
                Decision::Transition(transition) => {
                    assert_eq!((transition.from, transition.to), (State::Open, State::HalfOpen));
                    announced = Some(transition.check.clone());
                    self.transitions.push(transition);
                }
            }
        }
        self.assert_nothing_startable_waits();
    }

    fn begin(&mut self, name: Arc<str>, due: Duration, is_probe: bool) {
        assert!(due <= self.now, "{name} starts before it is due");
        let check = self.checks[&name].clone();
        let of_target = |other: &&(Scheduled, bool)| other.0.target == check.target;
        assert!(self.going.values().filter(of_target).count() < self.limits.per_target);
        assert!(self.going.len() < self.limits.concurrency);
        if check.breaker.is_some() {
            let shares = |other: &&(Scheduled, bool)| of_target(other) && other.0.plugin == check.plugin;
            let probes = self
                .going
                .values()
                .filter(shares)
                .filter(|(_, is_probe)| *is_probe);
            assert_eq!(probes.count(), 0, "{name} starts beside a probing run");
        } else {
            assert!(!is_probe);
        }
        let run = Run {
            name: name.clone(),
            due,
            start: self.now,
            is_probe,
        };
        let (duration, verdict) = (self.conduct)(&run, &mut self.chance);
        self.runs.push(run);
        self.verdicts.insert(name.clone(), verdict);
        self.ends.insert((self.now + duration, name.clone()));
        let already = self.going.insert(name.clone(), (check, is_probe));
        assert!(already.is_none(), "two runs of {name} at once");
    }

    fn end(&mut self, name: &Arc<str>) {
        self.going.remove(name);
        let verdict = self.verdicts.remove(name).unwrap();
        let transition = self.scheduler.finished(name, &verdict, self.now);
        self.transitions.extend(transition);
    }

    /// After a tick, whoever waits does so because there is no slot.
    fn assert_nothing_startable_waits(&self) {
        assert_eq!(self.scheduler.running(), self.going.len());
        if self.going.len() < self.limits.concurrency && self.scheduler.waiting() > 0 {
            let full = self
                .going
                .values()
                .filter(|(check, _)| {
                    let same = |other: &&(Scheduled, bool)| other.0.target == check.target;
                    self.going.values().filter(same).count() >= self.limits.per_target
                })
                .count();
            assert!(full > 0, "runs wait although there is room");
        }
    }

    pub(super) fn going(&self) -> usize {
        self.going.len()
    }

    /// How many due times of a check were skipped, missed ones each.
    pub(super) fn skipped(&self, name: &str) -> u64 {
        let of_check = self.skips.iter().filter(|(skipped, ..)| &**skipped == name);
        of_check
            .map(|(_, _, reason)| match reason {
                SkipReason::Missed { runs } => *runs,
                _ => 1,
            })
            .sum()
    }

    pub(super) fn started(&self, name: &str) -> u64 {
        self.runs.iter().filter(|run| &*run.name == name).count() as u64
    }
}
