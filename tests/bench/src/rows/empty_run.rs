//! What a fresh sandbox costs: a store, an instance, a run that does nothing, and putting it all away.
//!
//! The plugin is one in Rust as people write them (`tests/bench/idle`): what its runtime sets up, what it imports, and
//! reading its settings are part of what a sandbox costs. A component written by hand, which sets nothing up, shows
//! how much that is; beside it the engine by itself runs the same component, so that the rest is known to be ours.
//! The last side adds what the runner adds to the sandbox: identity, verdict and report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bedcheck::budget::Limits;
use bedcheck::clock::Clock;
use bedcheck::deadline::Deadline;
use bedcheck::hostcalls::{Access, Circumstances};
use bedcheck::sandbox::{self, Compiling, End, EngineSettings, Plugin, Purpose, Sandbox};
use bedcheck::tape::Tape;
use bedcheck_tests::component::Component;

use super::bare_engine::BareEngine;
use crate::bench::Bench;
use crate::check::{self, Check};
use crate::cpu;
use crate::row::{CPU, Goal, Line, RATE, Rounds, Row, Sample, Stand, Turn, Unmeasured};

/// What the plugin is told: no peer, so that it does nothing.
const SETTINGS: &str = "{}";
/// How many runs there are between two looks at the clock.
const BATCH: u64 = 50;

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "empty_run",
        about: "a fresh sandbox and a run that does nothing",
        rounds: Rounds::AsAsked,
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let idle = bench.guest("bedcheck_idle")?;
    let runtime = check::runtime(1)?;
    let ground = Arc::new(runtime.block_on(Ground::prepare(&idle))?);
    let check = Check::of_file("idle", &idle, &[], bench.folder(), &runtime)?;
    let engine = BareEngine::prepare(&Component::new().build())?;
    let (one, two, by_hand) = (Arc::clone(&ground), Arc::clone(&ground), ground);
    Ok(Stand::new()
        .side("one core", move |turn| on_threads(1, turn, || one.run(&one.idle)))
        .side("two cores", move |turn| {
            on_threads(2, turn, || two.run(&two.idle))
        })
        .side("by hand", move |turn| {
            on_threads(1, turn, || by_hand.run(&by_hand.by_hand))
        })
        .side("engine alone", move |turn| {
            on_threads(1, turn, || engine.run(SETTINGS))
        })
        .side("whole run", move |turn| on_threads(1, turn, || check.run()))
        .line(Line::absolute("sandbox, one core", CPU, "one core").goal(Goal::AtMost(20.0)))
        .line(
            Line::ratio("rate, two cores against one", RATE, "two cores", "one core")
                .goal(Goal::AtLeast(1.7)),
        )
        .line(Line::absolute(
            "sandbox, a component written by hand",
            CPU,
            "by hand",
        ))
        .line(Line::ratio(
            "that component against the engine alone",
            CPU,
            "by hand",
            "engine alone",
        ))
        .line(Line::ratio(
            "with runner and report against without",
            CPU,
            "whole run",
            "one core",
        )))
}

/// What the runs of all threads share.
struct Ground {
    sandbox: Sandbox,
    access: Arc<Access>,
    idle: Plugin,
    by_hand: Plugin,
}

impl Ground {
    async fn prepare(idle: &[u8]) -> Result<Self, String> {
        let settings = EngineSettings {
            concurrency: 64,
            memory: Limits::default().memory,
            compiling: Compiling::default(),
            purpose: Purpose::Runs,
        };
        let sandbox = Sandbox::new(&settings).map_err(|error| error.to_string())?;
        let load = async |component: &[u8]| {
            let loaded = Plugin::load(&sandbox, component).await;
            loaded.map_err(|error| format!("the plugin of an empty run: {error}"))
        };
        let (idle, by_hand) = (load(idle).await?, load(&Component::new().build()).await?);
        Ok(Self {
            sandbox,
            access: Arc::new(Access::nothing()),
            idle,
            by_hand,
        })
    }

    async fn run(&self, plugin: &Plugin) -> Result<(), String> {
        let limits = Limits::default();
        let deadline = Deadline::new(Clock::live(), Tape::none(), limits.deadline, limits.grace);
        let access = Arc::clone(&self.access);
        let circumstances = Circumstances::nowhere();
        let finished = sandbox::run(
            &self.sandbox,
            plugin,
            access,
            deadline,
            limits,
            circumstances,
            SETTINGS,
        )
        .await;
        match finished.end {
            End::Returned(Ok(())) => Ok(()),
            other => Err(format!("an empty run did not pass: {other:?}")),
        }
    }
}

/// Runs on so many threads, each with a runtime of its own, until the turn is over.
fn on_threads<F>(threads: usize, turn: &Turn, run: impl Fn() -> F + Sync) -> Result<Sample, String>
where
    F: Future<Output = Result<(), String>>,
{
    let runs = AtomicU64::new(0);
    let (begun, cpu) = (Instant::now(), cpu::own());
    let go_on = || -> Result<(), String> {
        check::runtime(1)?.block_on(async {
            while begun.elapsed() < turn.length {
                for _ in 0..BATCH {
                    run().await?;
                }
                runs.fetch_add(BATCH, Ordering::Relaxed);
            }
            Ok(())
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(go_on)).collect();
        threads.into_iter().try_for_each(|thread| {
            let panicked = |_| Err("a run panicked".to_owned());
            thread.join().unwrap_or_else(panicked)
        })
    })?;
    let (took, cpu) = (begun.elapsed(), cpu::own() - cpu);
    Ok(Sample::of_many(runs.into_inner(), took, cpu))
}
