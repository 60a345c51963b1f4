//! Ten thousand checks at once of a server that accepts connections and says nothing: how late the last of them ends
//! after its deadline, what each of them holds while it waits, and what a healthy check notices of them.
//!
//! Half of them fetch a page, half wait for the greeting of a mail server. First all are begun as fast as that goes, so
//! that each has its deadline as long after its own beginning. Then all have the same deadline, to the microsecond, which
//! is the worst there is: ten thousand guests to be woken at one moment, whose ends are work.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bedcheck::open::{self, Kind};
use bedcheck::outcome::{Outcome, Report};
use bedcheck::runner::{Prepared, Runner};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::Bench;
use crate::check;
use crate::crowd::{Crowd, write_http, write_imap, write_password};
use crate::memory;
use crate::row::{Goal, Line, Quantity, Rounds, Row, Sample, Stand, Unmeasured, WALL};
use crate::target::{PASSWORD, USER};

/// How many hang.
const HANGING: usize = 10_000;
/// The same where little is to do.
const QUICK: usize = 1_000;
/// How many healthy checks there are beside them.
const HEALTHY: usize = 100;
/// From one healthy run to the next: each check runs once a second.
const PACE: Duration = Duration::from_millis(10);
/// How long healthy checks run alone, for their median.
const ALONE: Duration = Duration::from_secs(3);
/// The deadline of those that hang: several times what beginning them all takes, with nearly all of it left to hang in.
const DEADLINE: Duration = Duration::from_secs(8);
/// How long it is waited after the last has been begun, so that all is as it stays.
const SETTLED: Duration = Duration::from_millis(300);
/// The threads of the runtime: those of the machine which the goals are for.
const THREADS: usize = 2;

/// How long after its deadline the last run ended.
const LATEST: Quantity = Quantity {
    name: "latest",
    unit: "ms",
};
/// What each holds; a page that all share counts once.
const MEMORY: Quantity = Quantity {
    name: "memory",
    unit: "KiB",
};
/// What each holds; a page that all share counts for each of them.
const RESIDENT: Quantity = Quantity {
    name: "resident",
    unit: "KiB",
};
/// How long a healthy check takes while those that hang reach their deadlines and end.
const WHILE_THEY_END: Quantity = Quantity {
    name: "wall while they end",
    unit: "ms",
};

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "hanging",
        about: "ten thousand checks of a silent server at once, and healthy ones beside them",
        rounds: Rounds::AtMost(1),
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let runtime = Rc::new(check::runtime(THREADS)?);
    let number = if bench.is_quick() { QUICK } else { HANGING };
    let scene = Rc::new(Scene::prepare(bench, &runtime, number)?);
    let (alone, at_once, together) = (Rc::clone(&scene), Rc::clone(&scene), scene);
    let runtimes = [Rc::clone(&runtime), Rc::clone(&runtime), runtime];
    let [first, second, third] = runtimes;
    Ok(Stand::new()
        .side("healthy checks alone", move |_| {
            first.block_on(alone.healthy_alone())
        })
        .side("begun at once", move |_| {
            second.block_on(at_once.hang(Deadlines::Own))
        })
        .side("due at one moment", move |_| {
            third.block_on(together.hang(Deadlines::Common))
        })
        .line(
            Line::absolute(
                format!("{number} begun at once, the latest end"),
                LATEST,
                "begun at once",
            )
            .goal(Goal::AtMost(25.0)),
        )
        .line(Line::absolute("memory of each", MEMORY, "begun at once").goal(Goal::AtMost(48.0)))
        .line(Line::absolute(
            "the same as `ps` counts it",
            RESIDENT,
            "begun at once",
        ))
        .line(
            Line::ratio(
                "median of healthy checks, beside them against alone",
                WALL,
                "begun at once",
                "healthy checks alone",
            )
            .goal(Goal::AtMost(1.1)),
        )
        .line(Line::absolute(
            "median of those that begin while these end",
            WHILE_THEY_END,
            "begun at once",
        ))
        .line(Line::absolute(
            "all with one deadline, the latest end",
            LATEST,
            "due at one moment",
        ))
        .note("Sockets are the kernel's memory and are not counted."))
}

/// When the deadlines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deadlines {
    /// Each as long after its own beginning.
    Own,
    /// All at the same moment.
    Common,
}

/// The checks.
struct Scene {
    runner: Arc<Runner>,
    hanging: Vec<Arc<Prepared>>,
    healthy: Vec<Arc<Prepared>>,
    /// What is held before any has hung: later the allocator has more than is needed.
    before: Cell<Option<memory::Memory>>,
}

impl Scene {
    fn prepare(bench: &Bench, runtime: &Runtime, number: usize) -> Result<Self, Unmeasured> {
        let target = bench.target()?;
        let addresses = target.addresses();
        let password = bench.folder().join("password-of-hanging");
        std::fs::write(&password, PASSWORD)
            .map_err(|error| format!("`{}` cannot be written: {error}", password.display()))?;
        let text = configuration(number, addresses.silent, addresses.http, &password);
        let crowd = Crowd::prepare(&text, None, None, number + HEALTHY, runtime)?;
        let mut hanging = crowd.checks;
        let healthy = hanging.split_off(number);
        Ok(Self {
            runner: crowd.runner,
            hanging,
            healthy,
            before: Cell::new(None),
        })
    }

    async fn healthy_alone(&self) -> Result<Sample, String> {
        let took = healthy(
            Arc::clone(&self.runner),
            self.healthy.clone(),
            Instant::now() + ALONE,
        )
        .await?;
        Ok(Sample::new().with(WALL, milliseconds(median(took.into_values()))))
    }

    /// Has all of them hang until their deadlines.
    async fn hang(&self, deadlines: Deadlines) -> Result<Sample, String> {
        let before = match self.before.get() {
            Some(before) => before,
            None => memory::own()?,
        };
        self.before.set(Some(before));
        let begun = Instant::now();
        let mut runs = JoinSet::new();
        for check in &self.hanging {
            let (runner, check) = (Arc::clone(&self.runner), Arc::clone(check));
            let grace = check.limits.grace;
            runs.spawn(async move {
                match deadlines {
                    Deadlines::Own => Some(runner.run(&check).await),
                    Deadlines::Common => runner.probe(&check, begun, DEADLINE, grace).await,
                }
            });
        }
        while open::everywhere().count(Kind::Connection) < self.hanging.len() {
            if begun.elapsed() > DEADLINE / 2 {
                return Err("this machine is too slow or too busy to begin them all in time".into());
            }
            tokio::time::sleep(PACE).await;
        }
        tokio::time::sleep(SETTLED).await;
        let now = memory::own()?;
        let beside = tokio::spawn(healthy(
            Arc::clone(&self.runner),
            self.healthy.clone(),
            // The last has its deadline as long after the first as it was begun.
            begun + DEADLINE + begun.elapsed(),
        ));
        let mut latest = Duration::ZERO;
        while let Some(ended) = runs.join_next().await {
            let report = ended.map_err(|error| format!("a run panicked: {error}"))?;
            latest = latest.max(lateness(&report.ok_or("a run found no slot")?)?);
        }
        let took = beside
            .await
            .map_err(|error| format!("a run panicked: {error}"))??;
        let while_they_end = took.range(begun + DEADLINE..).map(|(_, took)| *took);
        let while_they_end = median(while_they_end);
        let each =
            |before: u64, now: u64| now.saturating_sub(before) as f64 / self.hanging.len() as f64 / 1024.0;
        Ok(Sample::new()
            .with(LATEST, milliseconds(latest))
            .with(MEMORY, each(before.proportional, now.proportional))
            .with(RESIDENT, each(before.resident, now.resident))
            .with(WALL, milliseconds(median(took.into_values())))
            .with(WHILE_THEY_END, milliseconds(while_they_end)))
    }
}

/// The checks that hang, and then the healthy ones.
fn configuration(number: usize, silent: SocketAddr, http: SocketAddr, password: &std::path::Path) -> String {
    let deadline = DEADLINE.as_secs();
    let mut text = format!("[defaults.budget]\ndeadline = \"{deadline}s\"\n");
    write_password(&mut text, password);
    for check in 0..number {
        let name = format!("hanging-{check}");
        match check % 2 {
            0 => write_http(&mut text, &name, "60s", silent, "/"),
            _ => write_imap(&mut text, &name, silent, USER, 1),
        }
    }
    for check in 0..HEALTHY {
        write_http(&mut text, &format!("healthy-{check}"), "60s", http, "/");
    }
    text
}

/// Runs healthy checks one after the other, at their pace, until that moment: when each began, and how long it took.
async fn healthy(
    runner: Arc<Runner>,
    checks: Vec<Arc<Prepared>>,
    until: Instant,
) -> Result<BTreeMap<Instant, Duration>, String> {
    let mut pace = tokio::time::interval(PACE);
    let mut runs = JoinSet::new();
    for check in checks.iter().cycle() {
        pace.tick().await;
        if Instant::now() >= until {
            break;
        }
        let (runner, check) = (Arc::clone(&runner), Arc::clone(check));
        runs.spawn(async move {
            let begun = Instant::now();
            let report = runner.run(&check).await;
            (report.outcome, begun, begun.elapsed())
        });
    }
    let mut took = BTreeMap::new();
    while let Some(ended) = runs.join_next().await {
        match ended.map_err(|error| format!("a run panicked: {error}"))? {
            (Outcome::Pass, begun, time) => drop(took.insert(begun, time)),
            (outcome, ..) => return Err(format!("a healthy check ended with `{}`", outcome.as_str())),
        }
    }
    Ok(took)
}

/// How long after its deadline a run ended that the deadline ended.
fn lateness(report: &Report) -> Result<Duration, String> {
    if !report.deadline_exceeded {
        let error = report.error.as_ref().map(|error| error.message.as_str());
        return Err(format!(
            "a run was to hang and did not: {}",
            error.unwrap_or("it passed")
        ));
    }
    Ok(report.duration.saturating_sub(report.deadline))
}

fn median(took: impl Iterator<Item = Duration>) -> Duration {
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
