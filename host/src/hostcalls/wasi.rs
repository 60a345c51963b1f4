//! What guests get of WASI 0.2: clocks, random numbers, and waiting that ends at the deadline. No
//! files, environment or arguments; sockets are linked and denied.

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::bindings::wasi::io::poll;
use wasmtime_wasi_io::poll::DynPollable;

use super::RunState;
use super::stdio::Printed;
use crate::bindings;
use crate::outcome::DeadlineWhile;

/// The most random bytes a guest gets in one call.
const MAX_RANDOM: u64 = 64 * 1024;

/// Links the contract and what there is of WASI.
///
/// # Errors
///
/// When two of the interfaces collide, which would be a mistake in this program.
pub fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<RunState, Waiting>(linker, |state| Waits(state))?;
    linker.allow_shadowing(false);
    bindings::Plugin::add_to_linker::<_, wasmtime::component::HasSelf<RunState>>(linker, |state| state)
}

/// Standard input is empty; the beginning of what a guest prints is kept.
pub(super) fn context(stdout: &Printed, stderr: &Printed) -> WasiCtx {
    WasiCtx::builder()
        .max_random_size(MAX_RANDOM)
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .build()
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// Names the borrowed state of [`Waits`] for the linker.
struct Waiting;

impl HasData for Waiting {
    type Data<'a> = Waits<'a>;
}

/// Sleeping and polling under the deadline: once it has passed, everything is ready. A guest whose wait
/// was cut short has hit the deadline, by its own choice of waiting.
struct Waits<'a>(&'a mut RunState);

/// How the report calls such a wait.
const POLL: &str = "poll";

impl poll::Host for Waits<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let all = 0..u32::try_from(pollables.len())?;
        let deadline = self.0.deadline.clone();
        let begun = deadline.elapsed();
        let polled = deadline
            .guard(poll::Host::poll(&mut self.0.table, pollables))
            .await;
        self.0.slept += deadline.elapsed().saturating_sub(begun);
        match polled {
            Ok(ready) => ready,
            Err(_) => {
                self.0.record_hit(POLL, DeadlineWhile::Computing);
                Ok(all.collect())
            }
        }
    }
}

impl poll::HostPollable for Waits<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        if self.0.deadline.has_passed() {
            return Ok(true);
        }
        poll::HostPollable::ready(&mut self.0.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let deadline = self.0.deadline.clone();
        let begun = deadline.elapsed();
        let blocked = deadline
            .guard(poll::HostPollable::block(&mut self.0.table, pollable))
            .await;
        self.0.slept += deadline.elapsed().saturating_sub(begun);
        match blocked {
            Ok(done) => done,
            Err(_) => {
                self.0.record_hit(POLL, DeadlineWhile::Computing);
                Ok(())
            }
        }
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.0.table, pollable)
    }
}
