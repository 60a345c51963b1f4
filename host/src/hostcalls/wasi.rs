//! What guests get of WASI 0.2: clocks, random numbers, and waiting that ends at the deadline. No
//! files, environment or arguments; sockets are linked and denied.
//!
//! Clocks are the run's own clock, and random numbers come from the run's seed: whoever has a recording of
//! both can repeat the run.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::bindings::wasi::io::poll;
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use super::stdio::Printed;
use super::{Circumstances, RunState};
use crate::clock::Clock;
use crate::deadline::Exceeded;
use crate::fault::HostCall;
use crate::outcome::DeadlineWhile;
use crate::tape::Answer;

/// The most random bytes a guest gets in one call.
const MAX_RANDOM: u64 = 64 * 1024;
/// What the monotonic clock shows at the start of a run: guests take differences to moments before it.
const MONOTONIC_START: Duration = Duration::from_secs(24 * 3600);
/// What the clocks claim to tell apart.
const RESOLUTION: Duration = Duration::from_micros(1);

/// What a run's guest has of WASI besides clocks, made when it first asks for something of it: one that wants no random
/// number and prints nothing never does, and making it takes a tenth of an empty run.
pub(super) struct Context {
    seed: [u8; 32],
    made: Option<Box<Made>>,
}

/// Standard input is empty; the beginning and the end of what a guest prints are kept.
struct Made {
    wasi: WasiCtx,
    stdout: Printed,
    stderr: Printed,
}

impl Context {
    /// That of an attempt which comes upon these circumstances.
    pub(super) fn new(circumstances: &Circumstances) -> Self {
        Self {
            seed: circumstances.seed,
            made: None,
        }
    }

    /// What the guest has written to standard output.
    pub(super) fn stdout(&self) -> Option<&Printed> {
        self.made.as_ref().map(|made| &made.stdout)
    }

    /// The same of standard error.
    pub(super) fn stderr(&self) -> Option<&Printed> {
        self.made.as_ref().map(|made| &made.stderr)
    }

    fn made(&mut self) -> &mut WasiCtx {
        let Self { seed, made } = self;
        &mut made.get_or_insert_with(|| Box::new(Made::new(*seed))).wasi
    }
}

impl Made {
    fn new(seed: [u8; 32]) -> Self {
        let (stdout, stderr) = (Printed::default(), Printed::default());
        let mut random = StdRng::from_seed(seed);
        let insecure = StdRng::from_rng(&mut random);
        let insecure_seed = random.random();
        let wasi = WasiCtx::builder()
            .max_random_size(MAX_RANDOM)
            .secure_random(random)
            .insecure_random(insecure)
            .insecure_random_seed(insecure_seed)
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .build();
        Self { wasi, stdout, stderr }
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.made(),
            table: &mut self.table,
        }
    }
}

/// Names the borrowed state of [`Waits`] for the linker.
pub(super) struct Waiting;

impl HasData for Waiting {
    type Data<'a> = Waits<'a>;
}

/// Clocks, and sleeping and polling under the deadline: once it has passed, everything is ready. A guest whose wait
/// was cut short has hit the deadline, by its own choice of waiting.
pub(super) struct Waits<'a>(pub(super) &'a mut RunState);

impl monotonic_clock::Host for Waits<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        let now = MONOTONIC_START + self.0.deadline.elapsed();
        Ok(u64::try_from(now.as_nanos())?)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(RESOLUTION.as_nanos())?)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let moment = Duration::from_nanos(when).saturating_sub(MONOTONIC_START);
        self.0.alarm(moment)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let moment = self
            .0
            .deadline
            .elapsed()
            .saturating_add(Duration::from_nanos(duration));
        self.0.alarm(moment)
    }
}

impl wall_clock::Host for Waits<'_> {
    /// The time of day at the start of the run, and the run's clock.
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = self.0.started + self.0.deadline.elapsed();
        Ok(datetime(
            now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        ))
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(RESOLUTION))
    }
}

fn datetime(since_1970: Duration) -> wall_clock::Datetime {
    wall_clock::Datetime {
        seconds: since_1970.as_secs(),
        nanoseconds: since_1970.subsec_nanos(),
    }
}

impl poll::Host for Waits<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let all = 0..u32::try_from(pollables.len())?;
        let waited = self
            .wait(
                async |table| poll::Host::poll(table, pollables).await,
                |ready| json!(ready),
            )
            .await?;
        Ok(waited.unwrap_or_else(|| all.collect()))
    }
}

impl poll::HostPollable for Waits<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        let now = self.0.deadline.elapsed();
        if self.0.deadline.has_passed_by(now) {
            self.0.notice_deadline(now);
            return Ok(true);
        }
        let tape = self.0.deadline.tape().clone();
        let asked = poll::HostPollable::ready(&mut self.0.table, pollable);
        let write =
            |ready: &wasmtime::Result<bool>| Answer::Ok(json!(ready.as_ref().is_ok_and(|ready| *ready)));
        let read = |answer| match answer {
            Answer::Ok(ready) => Some(Ok(ready.as_bool()?)),
            _ => None,
        };
        tape.ask(asked, write, read).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.wait(
            async |table| poll::HostPollable::block(table, pollable).await,
            |()| Value::Null,
        )
        .await?;
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.0.table, pollable)
    }
}

impl Waits<'_> {
    /// Waits until the deadline at most; none if it passed.
    async fn wait<T: serde::de::DeserializeOwned>(
        &mut self,
        wait: impl AsyncFnOnce(&mut wasmtime::component::ResourceTable) -> wasmtime::Result<T>,
        to_value: impl Fn(&T) -> Value,
    ) -> wasmtime::Result<Option<T>> {
        let deadline = self.0.deadline.clone();
        deadline.tape().call(HostCall::Poll.as_str(), || Value::Null);
        let begun = deadline.elapsed();
        if self.0.disturb(HostCall::Poll, None, None).await.is_err() {
            return Ok(None);
        }
        let waited = {
            let waiting = pin!(wait(&mut self.0.table));
            let guarded = pin!(deadline.guard(waiting));
            let write = |waited: &Result<wasmtime::Result<T>, Exceeded>| match waited {
                Ok(Ok(value)) => Answer::Ok(to_value(value)),
                Ok(Err(error)) => Answer::Err(json!(error.to_string())),
                Err(Exceeded) => Answer::DeadlineExceeded,
            };
            let read = |answer| match answer {
                Answer::Ok(value) => Some(Ok(Ok(serde_json::from_value(value).ok()?))),
                Answer::Err(error) => Some(Ok(Err(wasmtime::Error::msg(error.as_str()?.to_owned())))),
                Answer::DeadlineExceeded => Some(Err(Exceeded)),
                Answer::Received(_) => None,
            };
            deadline.tape().ask(guarded, write, read).await
        };
        self.0.slept += deadline.elapsed().saturating_sub(begun);
        match waited {
            Ok(ready) => ready.map(Some),
            Err(Exceeded) => {
                self.0.record_hit(HostCall::Poll, DeadlineWhile::Computing);
                Ok(None)
            }
        }
    }
}

impl RunState {
    fn alarm(&mut self, moment: Duration) -> wasmtime::Result<Resource<DynPollable>> {
        let clock = self.deadline.clock().clone();
        let alarm = self.table.push(Alarm { clock, moment })?;
        subscribe(&mut self.table, alarm)
    }
}

/// A moment of the run's clock that a guest waits for.
struct Alarm {
    clock: Clock,
    moment: Duration,
}

#[async_trait::async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        self.clock.sleep_until(self.moment).await;
    }
}
