//! The engine by itself: what a store, an instance and a call cost before anything of ours comes to it.
//!
//! It is set up as the sandbox sets it up, with fuel, epochs and a pool, and the pool is as the engine makes it by
//! default. There is no host state, no deadline and nothing to import.

use bedcheck::bindings::PluginPre;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

/// More than any run uses.
const FUEL: u64 = 1_000_000_000;
/// The most memory of a guest, in bytes, and the address space that is kept for it: as the sandbox has it for the
/// default budget.
const MEMORY: usize = 64 * 1024 * 1024;

/// A plugin that imports nothing, linked.
pub(super) struct BareEngine {
    engine: Engine,
    plugin: PluginPre<()>,
}

impl BareEngine {
    /// Compiles a plugin.
    pub(super) fn prepare(component: &[u8]) -> Result<Self, String> {
        Self::of(component).map_err(|error| format!("the engine by itself: {error:#}"))
    }

    fn of(component: &[u8]) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.max_memory_size(MEMORY);
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .epoch_interruption(true)
            .concurrency_support(false)
            .memory_reservation(MEMORY as u64)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, component)?;
        let plugin = PluginPre::new(Linker::new(&engine).instantiate_pre(&component)?)?;
        Ok(Self { engine, plugin })
    }

    /// A store, an instance, a run, and putting it all away.
    pub(super) async fn run(&self, settings: &str) -> Result<(), String> {
        let run = async {
            let mut store = Store::new(&self.engine, ());
            store.set_fuel(FUEL)?;
            // Nothing moves the epoch on.
            store.set_epoch_deadline(1);
            let plugin = self.plugin.instantiate_async(&mut store).await?;
            let check = plugin.bedcheck_plugin_check();
            check.call_run(&mut store, settings).await
        };
        match run.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(format!("an empty run did not pass: {}", failure.message)),
            Err(error) => Err(format!("an empty run ended with a trap: {error:#}")),
        }
    }
}
