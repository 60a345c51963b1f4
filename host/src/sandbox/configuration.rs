//! What the engine is built for, and how it is configured for that: what guests may have, how they are compiled, and the
//! pool in which they run. Nothing is known here of what they are linked against.

use rustix::process::{Resource, getrlimit};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::compiled::Cache;
use super::compiler::Compiler;
use super::description::DESCRIBE_LIMITS;

/// The stack a host call may use besides the guest's own: TLS runs on it.
const HOST_STACK: usize = 1024 * 1024;
/// The guest's stack.
const GUEST_STACK: usize = 512 * 1024;
/// Core instances and tables that one component may have. A guest in Rust has a few; interpreters compiled to
/// components have some fifty.
const PER_COMPONENT: u32 = 60;
/// Linear memories that one component may have: its own and that of an adapter.
const MAX_MEMORIES: u32 = 2;
/// What the engine itself may need for a core instance or a component, in bytes: interpreters have thousands of
/// functions.
const MAX_INSTANCE: usize = 4 * 1024 * 1024;

/// The address space of a linear memory, in bytes: all that 32 bits address. With the guard behind it, whatever a guest
/// accesses out of bounds is a fault of the processor's, and no access need be checked: code is an eighth shorter,
/// compiled in two thirds of the time, and the same whatever checks may have.
const ADDRESSABLE: u64 = 1 << 32;

/// How many core instances and tables there are in all, but for more runs of small guests than that: room
/// for 1,600 interpreters at once, in a third of the address space.
const MAX_INSTANCES: u32 = 100_000;

/// How many places for linear memories there are beyond those that runs can fill at once, and how many that nobody uses
/// stay as their last run left them: with its plugin's initial memory mapped, where the next run of the same plugin
/// finds it. Without any to spare, each of more plugins than places takes another one's, and mapping its own initial
/// memory anew costs as much again as the whole sandbox. It is not the number of the plugins, because plugins may be
/// dropped in at any time. The engine divides the places among the processors, 16 at most: with two, they are enough
/// for 128 plugins. They cost address space (1 TiB of 128); one that was used holds four of the system's 65,530
/// mappings and what its last run wrote, 20 KiB of a built-in plugin's and never more than [`REWRITTEN_MEMORY`].
const SPARE_PLACES: u32 = 256;
/// The most of them for each run that there can be at once: a process that runs one check once has nothing to keep, and
/// its start sets up little that it does not use.
const SPARE_PER_RUN: u32 = 16;

/// How much of what a run wrote to its linear memory is written over after it, in bytes, instead of being given back to
/// the system: to write over a page costs a tenth of what it costs to give it back and to be given another one, and
/// other processors need not be told. Twenty times what a run of a built-in plugin writes, and most of what an
/// interpreter does. What no run wrote to is never resident.
const REWRITTEN_MEMORY: usize = 2 * 1024 * 1024;
/// The same for a table: what an interpreter has.
const REWRITTEN_TABLE: usize = 64 * 1024;

/// What the engine is built for.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// How many runs there are at once.
    pub concurrency: u32,
    /// The most linear memory that any check may have, in bytes.
    pub memory: u64,
    /// How plugins are compiled.
    pub compiling: Compiling,
    /// What it is set up for.
    pub purpose: Purpose,
}

/// What an engine is set up for. What guests may do and have is the same, and so is compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Runs again and again, several at once: they share a pool, and a thread ticks for all of them.
    Runs,
    /// One run, on a runtime with one thread, after which the process ends. Nothing is set up that pays with the second
    /// run only; for a process that takes some milliseconds, that is a tenth of them.
    OneRun {
        /// Whose guests they are.
        guests: Guests,
    },
}

/// Whose guests an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// Only those that are part of this program.
    BuiltIn,
    /// Those of anybody.
    Anybody,
}

impl Purpose {
    /// Whether guests live in a pool. It is what bounds how many core instances and tables a component has and what the
    /// engine's own records of it take, which has to be so for components that nobody knows. Memory and fuel have bounds
    /// without it.
    fn is_pooled(self) -> bool {
        match self {
            Self::Runs
            | Self::OneRun {
                guests: Guests::Anybody,
            } => true,
            Self::OneRun {
                guests: Guests::BuiltIn,
            } => false,
        }
    }

    /// How it is found out whether a guest's time is over.
    pub(super) fn interruption(self) -> Interruption {
        match self {
            Self::Runs => Interruption::Ticks,
            Self::OneRun { .. } => Interruption::Calls,
        }
    }
}

/// How it is found out whether the time of a guest is over that computes, or calls the host without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruption {
    /// A thread counts ticks, and whoever is found computing at one is looked at.
    Ticks,
    /// Whoever comes back from a call of the host is looked at, and whoever has used up a portion of its fuel. It costs
    /// each call a look at the clock, and no other thread has to be started.
    Calls,
}

/// How plugins are compiled. By default here, and nothing is kept.
#[derive(Debug, Clone, Default)]
pub struct Compiling {
    /// Where compiled code is kept; nowhere when absent.
    pub cache: Option<Cache>,
    /// Where they are compiled.
    pub compiler: Compiler,
}

impl From<Option<Cache>> for Compiling {
    /// Here, and the code is kept in this folder.
    fn from(cache: Option<Cache>) -> Self {
        Self {
            cache,
            compiler: Compiler::Here,
        }
    }
}

/// The engine that only compiles, for one whose memories have so much address space: what it makes is the same, and it
/// has no pool.
pub(super) fn compiling(reservation: u64) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(GUEST_STACK + HOST_STACK)
        .memory_reservation(reservation)
        // A sixth of the code: where in the component a trap was is not told, and no system's unwinder comes by.
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false);
    config
}

/// How much of the address space the memories of a pool take.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// That of each memory, in bytes.
    reservation: u64,
    /// How many places there are beyond those that runs can fill at once.
    spare: u32,
}

/// How many places an engine for so many runs at once has to spare, where there is address space.
fn spare_places(runs: u32) -> u32 {
    runs.saturating_mul(SPARE_PER_RUN).min(SPARE_PLACES)
}

/// The engine, and the address space of each memory.
pub(super) fn engine(settings: &EngineSettings) -> wasmtime::Result<(Engine, u64)> {
    let wanted = Extent {
        reservation: ADDRESSABLE,
        spare: spare_places(settings.concurrency),
    };
    // With few bits of addresses, or a limit on them, a memory has no more than checks may have, and none is spare.
    let enough = Extent {
        reservation: memory(settings),
        spare: 0,
    };
    first_possible(settings, [wanted, enough])
}

/// An engine whose pool has the first of two extents, or the second where there is no address space for the first; and
/// the address space of each memory.
fn first_possible(
    settings: &EngineSettings,
    [wanted, enough]: [Extent; 2],
) -> wasmtime::Result<(Engine, u64)> {
    let with = |extent| {
        let engine = Engine::new(&config(settings, extent)?)?;
        Ok((engine, extent.reservation))
    };
    with(wanted).or_else(|_| with(enough))
}

fn config(settings: &EngineSettings, extent: Extent) -> wasmtime::Result<Config> {
    let mut config = compiling(extent.reservation);
    // Without a pool, nobody would notice before the run that the address space is too small.
    let is_limited = getrlimit(Resource::As).current.is_some();
    if !settings.purpose.is_pooled() && !is_limited {
        return Ok(config);
    }
    let pool = pool(settings, extent.spare)?;
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
}

/// A pool for exactly as many runs as there can be, with so many places for memories to spare. What a run wrote to is
/// made as it was before the next one gets it.
fn pool(settings: &EngineSettings, spare: u32) -> wasmtime::Result<PoolingAllocationConfig> {
    let runs = settings.concurrency;
    let instances = runs
        .saturating_mul(PER_COMPONENT)
        .min(MAX_INSTANCES.max(runs.saturating_mul(4)));
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        .total_core_instances(instances)
        .total_tables(instances)
        .total_memories(runs.saturating_mul(MAX_MEMORIES).saturating_add(spare))
        .max_unused_warm_slots(SPARE_PLACES)
        .total_stacks(runs)
        .max_core_instances_per_component(PER_COMPONENT)
        .max_tables_per_component(PER_COMPONENT)
        .max_memories_per_component(MAX_MEMORIES)
        .max_component_instance_size(MAX_INSTANCE)
        .max_core_instance_size(MAX_INSTANCE)
        .table_elements(50_000)
        .max_memory_size(usize::try_from(memory(settings))?)
        .table_keep_resident(REWRITTEN_TABLE);
    // Where the kernel cannot tell which pages were written to (before Linux 6.7), the beginning of each memory would
    // be written over, which is resident from then on, and seldom what the run wrote to.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(REWRITTEN_MEMORY);
    }
    Ok(pool)
}

/// The most linear memory that an instance may have: that of any check, and what a plugin may take to
/// describe itself, so that a check with little memory does not make its plugin one that cannot be loaded.
pub(super) fn memory(settings: &EngineSettings) -> u64 {
    settings.memory.max(DESCRIBE_LIMITS.memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_address_space_is_scarce_an_engine_has_less_of_it() {
        let settings = EngineSettings {
            concurrency: 2,
            memory: 1 << 20,
            compiling: Compiling::default(),
            purpose: Purpose::Runs,
        };
        let of = |reservation| Extent {
            reservation,
            spare: spare_places(settings.concurrency),
        };
        // No processor has so many bits of addresses.
        let too_much = of(1 << 60);
        let enough = of(memory(&settings));
        let (_, reservation) = first_possible(&settings, [too_much, enough]).expect("an engine");
        assert_eq!(reservation, enough.reservation);
        let (_, reservation) = first_possible(&settings, [of(ADDRESSABLE), enough]).expect("an engine");
        assert_eq!(reservation, ADDRESSABLE);
        assert!(first_possible(&settings, [too_much, too_much]).is_err());
    }
}
