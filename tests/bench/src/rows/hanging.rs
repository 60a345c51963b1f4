//! Ten thousand checks at once of a server that accepts connections and says nothing: how late the last of them ends
//! after its deadline, what each of them holds while it waits, and what a healthy check notices of them.
//!
//! Half of them fetch a page, half wait for the greeting of a mail server. First all are begun as fast as that goes, so
//! that each has its deadline as long after its own beginning. Then all have the same deadline, to the microsecond, which
//! is the worst there is: ten thousand guests to be woken at one moment, whose ends are work.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bedcheck::open::{self, Kind};
use bedcheck::outcome::{Outcome, Report};
use bedcheck::runner::{CancellationToken, Prepared, Runner};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::Bench;
use crate::check;
use crate::crowd::{Crowd, write_http, write_imap, write_password};
use crate::memory;
use crate::row::{Goal, Line, Quantity, Rounds, Row, Sample, Stand, Unmeasured};
use crate::target::{PASSWORD, USER};

/// How many hang.
const HANGING: usize = 10_000;
/// The same where little is to do.
const QUICK: usize = 1_000;
/// How many healthy checks there are beside them.
const HEALTHY: usize = 100;
/// From one healthy run to the next: each check runs once a second.
const PACE: Duration = Duration::from_millis(10);
/// How long healthy checks run alone, for their median: before the others begin, and again after these have ended. One of
/// them on an idle machine takes a third more or less from one second to the next.
const ALONE: Duration = Duration::from_secs(5);
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
/// How long a healthy check takes.
const HEALTHY_ALONE: Quantity = Quantity {
    name: "healthy alone",
    unit: "ms",
};
/// The same beside those that hang.
const HEALTHY_BESIDE: Quantity = Quantity {
    name: "healthy beside",
    unit: "ms",
};
/// The one against the other. Both are of one turn, so that what else the machine does falls on both.
const KEPT: Quantity = Quantity {
    name: "healthy beside against alone",
    unit: "",
};
/// How long a healthy check takes while those that hang reach their deadlines and end.
const WHILE_THEY_END: Quantity = Quantity {
    name: "healthy while they end",
    unit: "ms",
};

/// The row. It has one round: connections that have ended keep the ports of their clients for a minute, so that a third
/// round cannot always begin, or is late.
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
    let (at_once, together) = (Rc::clone(&scene), scene);
    let (first, second) = (Rc::clone(&runtime), runtime);
    Ok(Stand::new()
        .side("begun at once", move |_| first.block_on(at_once.begun_at_once()))
        .side("due at one moment", move |_| {
            second.block_on(together.due_at_one_moment())
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
            Line::absolute(
                "median of healthy checks, beside them against alone",
                KEPT,
                "begun at once",
            )
            .goal(Goal::AtMost(1.1)),
        )
        .line(Line::absolute("median alone", HEALTHY_ALONE, "begun at once"))
        .line(Line::absolute(
            "median beside them",
            HEALTHY_BESIDE,
            "begun at once",
        ))
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
        })
    }

    /// How long healthy checks take alone, for [`ALONE`].
    async fn healthy_alone(&self) -> Result<Vec<Duration>, String> {
        let (runner, checks) = (Arc::clone(&self.runner), self.healthy.clone());
        let took = healthy(runner, checks, Instant::now() + ALONE).await?;
        Ok(took.into_values().collect())
    }

    /// All begun as fast as that goes, and what that is for the healthy ones.
    async fn begun_at_once(&self) -> Result<Sample, String> {
        let mut alone = self.healthy_alone().await?;
        let before = memory::own()?;
        let hung = self.hang(Deadlines::Own).await?;
        alone.extend(self.healthy_alone().await?);
        let alone = median(alone.into_iter());
        let while_they_end = hung.healthy.range(hung.begun + DEADLINE..).map(|(_, took)| *took);
        let while_they_end = median(while_they_end);
        let beside = median(hung.healthy.into_values());
        let each =
            |before: u64, held: u64| held.saturating_sub(before) as f64 / self.hanging.len() as f64 / 1024.0;
        Ok(Sample::new()
            .with(LATEST, milliseconds(hung.latest))
            .with(MEMORY, each(before.proportional, hung.held.proportional))
            .with(RESIDENT, each(before.resident, hung.held.resident))
            .with(HEALTHY_ALONE, milliseconds(alone))
            .with(HEALTHY_BESIDE, milliseconds(beside))
            .with(KEPT, beside.as_secs_f64() / alone.as_secs_f64())
            .with(WHILE_THEY_END, milliseconds(while_they_end)))
    }

    /// All with the same deadline.
    async fn due_at_one_moment(&self) -> Result<Sample, String> {
        let hung = self.hang(Deadlines::Common).await?;
        Ok(Sample::new().with(LATEST, milliseconds(hung.latest)))
    }

    /// Has all of them hang until their deadlines.
    async fn hang(&self, deadlines: Deadlines) -> Result<Hung, String> {
        let begun = Instant::now();
        let mut runs = JoinSet::new();
        for check in &self.hanging {
            let (runner, check) = (Arc::clone(&self.runner), Arc::clone(check));
            let grace = check.limits.grace;
            runs.spawn(async move {
                match deadlines {
                    Deadlines::Own => Some(runner.run(&check).await),
                    Deadlines::Common => {
                        let never = CancellationToken::new();
                        runner.probe(&check, begun, DEADLINE, grace, &never).await
                    }
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
        let held = memory::own()?;
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
        let healthy = beside
            .await
            .map_err(|error| format!("a run panicked: {error}"))??;
        Ok(Hung {
            begun,
            latest,
            held,
            healthy,
        })
    }
}

/// What came of having all of them hang.
struct Hung {
    /// When the first was begun.
    begun: Instant,
    /// How long after its deadline the last ended.
    latest: Duration,
    /// What was held while all waited.
    held: memory::Memory,
    /// When each healthy run beside them began, and how long it took.
    healthy: BTreeMap<Instant, Duration>,
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
