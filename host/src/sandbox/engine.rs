//! The engine: what guests are linked against and run in, and the ticker that lets time interrupt a guest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use super::PrivateFolder;
use super::compiled::{Cache, CodeFolder};
use super::compiler::Compiler;
use super::configuration::{EngineSettings, Interruption, engine, memory};
use super::standstill::Standstills;
use super::turns::Turns;
use crate::hostcalls::{self, RunState, Wasi};

/// How often a computing guest is looked at: often enough that a stop is a few milliseconds late at
/// most, and rarely enough to cost nothing.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// The engine and what guests are linked against.
pub struct Sandbox {
    pub(super) engine: Engine,
    pub(super) interruption: Interruption,
    /// Found by the ticker, if there is one.
    standstills: Option<Arc<Standstills>>,
    /// What guests without files and sockets are linked against.
    linker: Linker<RunState>,
    pub(super) turns: Turns,
    compiler: Compiler,
    /// Whether there are runs that compiling must leave room for.
    has_runs: AtomicBool,
    cache: Option<Cache>,
    /// What the engine is built for.
    concurrency: u32,
    memory: u64,
    /// The address space of a linear memory, in bytes, which compiled code depends on.
    pub(super) reservation: u64,
}

/// The engine could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine cannot provide what the settings ask for.
    #[error("the sandbox cannot be set up: {0:#}")]
    Engine(wasmtime::Error),
    /// The ticker's thread cannot be started.
    #[error("the sandbox cannot be set up: no thread can be started: {0}")]
    Thread(std::io::Error),
}

impl EngineError {
    /// Whether it may be over later though nobody mends anything.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Thread(_))
    }
}

impl Sandbox {
    /// Sets the engine up and starts its ticker, if it has one, which ends with the engine.
    ///
    /// # Errors
    ///
    /// When the machine cannot provide what the settings ask for, such as address space.
    pub fn new(settings: &EngineSettings) -> Result<Self, EngineError> {
        let (engine, reservation) = engine(settings).map_err(EngineError::Engine)?;
        let mut linker = Linker::new(&engine);
        hostcalls::add_to_linker(&mut linker, Wasi::WithoutFilesAndSockets).map_err(EngineError::Engine)?;
        let interruption = settings.purpose.interruption();
        let ticker = (interruption == Interruption::Ticks).then(|| start_ticker(&engine));
        let standstills = ticker.transpose().map_err(EngineError::Thread)?;
        Ok(Self {
            engine,
            interruption,
            standstills,
            linker,
            turns: Turns::new(),
            compiler: settings.compiling.compiler,
            has_runs: AtomicBool::new(false),
            cache: settings.compiling.cache.clone(),
            concurrency: settings.concurrency,
            memory: memory(settings),
            reservation,
        })
    }

    /// Links a component that imports these interfaces.
    ///
    /// # Errors
    ///
    /// When it imports what there is not, or the engine refuses it.
    pub(super) fn link(
        &self,
        component: &Component,
        imports: &[String],
    ) -> wasmtime::Result<InstancePre<RunState>> {
        match Wasi::for_imports(imports.iter().map(String::as_str)) {
            Wasi::WithoutFilesAndSockets => self.linker.instantiate_pre(component),
            Wasi::Whole => {
                let mut linker = Linker::new(&self.engine);
                hostcalls::add_to_linker(&mut linker, Wasi::Whole)?;
                linker.instantiate_pre(component)
            }
        }
    }

    /// From now on there are runs: what is compiled beside them leaves them room ([`Compiler::BesideRuns`]). Before,
    /// everybody waits for it.
    pub fn expect_runs(&self) {
        self.has_runs.store(true, Ordering::Relaxed);
    }

    /// Where is kept what the next start does not have to find out again; nowhere when absent.
    pub fn cache(&self) -> Option<&PrivateFolder> {
        self.cache.as_ref().map(Cache::folder)
    }

    /// The kept code, if any is.
    pub(super) fn kept(&self) -> Option<&CodeFolder> {
        self.cache.as_ref().map(Cache::code)
    }

    /// Whether there are runs.
    pub(super) fn has_runs(&self) -> bool {
        self.has_runs.load(Ordering::Relaxed)
    }

    /// Where plugins are compiled now.
    pub(super) fn compiler(&self) -> Compiler {
        match self.compiler {
            Compiler::BesideRuns if !self.has_runs() => Compiler::Aside,
            compiler => compiler,
        }
    }

    /// Whether the process stood still after that moment, as far as there is a ticker to notice it.
    pub fn stood_still_since(&self, moment: Instant) -> bool {
        let standstills = self.standstills.as_ref();
        standstills.is_some_and(|standstills| standstills.any_since(moment))
    }

    /// Whether it has room for so many runs at once, each with so much memory.
    pub fn has_room_for(&self, concurrency: u32, memory: u64) -> bool {
        concurrency <= self.concurrency && memory <= self.memory
    }
}

fn start_ticker(engine: &Engine) -> std::io::Result<Arc<Standstills>> {
    let engine = engine.weak();
    let standstills = Arc::new(Standstills::new());
    let ticked = Arc::clone(&standstills);
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            ticked.tick();
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new()
        .name("bedcheck-ticker".into())
        .spawn(tick)?;
    Ok(standstills)
}
