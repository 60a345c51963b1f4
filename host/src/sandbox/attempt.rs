//! One attempt: a fresh store, a call, and the ways to end it. Fuel bounds computing, the deadline is
//! the host calls' matter, and deadline plus grace ends the guest whatever it does.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::{CallHook, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::configuration::Interruption;
use super::turns::Turn;
use super::{Plugin, Sandbox};
use crate::bindings::PluginPre;
use crate::bindings::bedcheck::plugin::types::Failure;
use crate::bindings::exports::bedcheck::plugin::check;
use crate::budget::Limits;
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::hostcalls::{Access, Circumstances, HostCallsExhausted, MemoryRefusal, Remains, RunState};
use crate::tape::Tape;

/// What one host call may copy between guest and host, in bytes.
const MAX_COPY: usize = 4 * 1024 * 1024;
/// How many resources a guest's handle tables may hold.
const MAX_HANDLES: usize = 1000;
/// How much later than the grace a guest parked in a host call is stopped: two ticks, so that one
/// that computes is found by the ticker first.
const LAST_RESORT: Duration = Duration::from_millis(10);
/// After how much fuel it is found out whether a guest's time is over, where no ticker does it: what it computes in some 25 us
/// as a rule, and more than a check of a small answer takes.
const PORTION_OF_FUEL: u64 = 100_000;

/// How a guest's part of an attempt ended.
#[derive(Debug)]
pub enum End {
    /// It returned.
    Returned(Result<(), Failure>),
    /// It was still there after deadline and grace and was stopped.
    Stopped,
    /// It was stopped because the run was cancelled.
    Cancelled,
    /// It used up its fuel.
    OutOfFuel,
    /// It went on calling after it had used up its host calls.
    OutOfHostCalls,
    /// It did more in virtual time than a tape has room for.
    TooLong(String),
    /// It trapped because it was refused memory.
    OutOfMemory(MemoryRefusal),
    /// It trapped for another reason.
    Trapped(String),
    /// The sandbox could not be made.
    NotStarted(String),
}

/// A finished attempt.
pub struct Finished {
    /// How the guest ended.
    pub end: End,
    /// What the host recorded.
    pub remains: Remains,
}

/// Runs a plugin once. What the attempt comes upon is in its store before the first wait: thousands of attempts wait at
/// the same time, and an `async fn` would keep its arguments, twice, for as long.
pub fn run<'r>(
    sandbox: &'r Sandbox,
    plugin: &'r Plugin,
    access: Arc<Access>,
    deadline: Deadline,
    limits: Limits,
    circumstances: Circumstances,
    settings: &'r str,
) -> impl Future<Output = Finished> + Send + use<'r> {
    let spent = circumstances.spent.usage.fuel;
    let cancellation = circumstances.cancellation.clone();
    let turn = sandbox.turns.join();
    let mut state = RunState::new(access, deadline.clone(), limits, circumstances);
    let computing = turn.clone();
    state.measure_computing(Box::new(move || computing.computed()));
    // What stopped the run that is played back was its clock; here, the fuel it had used by then does.
    let stop_to_come = deadline.tape().stop_to_come();
    let fuel = stop_to_come.unwrap_or(limits.fuel).saturating_sub(spent);
    let ends = Ends {
        deadline: deadline.clone(),
        cancellation: cancellation.clone(),
    };
    let mut store = store(sandbox, state, fuel, ends, turn.clone());
    async move {
        let mut end = {
            let guest = pin!(async {
                // Boxed, because it is three times as large as what follows, in which guests wait.
                let instance = Box::pin(plugin.pre.instantiate_async(&mut store)).await?;
                instance
                    .bedcheck_plugin_check()
                    .call_run(&mut store, settings)
                    .await
            });
            tokio::select! {
                biased;
                returned = turn.run(guest) => match returned {
                    Ok(returned) => End::Returned(returned),
                    Err(error) => End::of_error(&error),
                },
                () = deadline.over(LAST_RESORT) => End::Stopped,
                () = deadline.tape().halted() => End::Stopped,
                // What the guest is waiting for in a host call is dropped with the call.
                () = cancellation.cancelled() => End::Cancelled,
            }
        };
        if matches!(end, End::Stopped) && cancellation.is_cancelled() {
            end = End::Cancelled;
        }
        let left = store.get_fuel().unwrap_or(0);
        let mut used = spent + fuel.saturating_sub(left);
        let tape = deadline.tape();
        if let Some(fuel) = stop_to_come {
            (end, used) = (End::Stopped, fuel);
            tape.skip_to_end();
        }
        let mut remains = store.into_data().into_remains(matches!(end, End::Returned(_)));
        remains.spent.usage.fuel = used;
        end = end.explained(&remains);
        tape.end(matches!(end, End::Stopped | End::Cancelled), used);
        if let Some(departure) = tape.departure() {
            // Who records a run that takes place sets it a limit that it has not; a rehearsal has no other end.
            end = match deadline.clock() {
                Clock::Virtual(_) if !tape.is_playing() => End::TooLong(departure),
                _ => End::NotStarted(departure),
            };
        }
        Finished { end, remains }
    }
}

/// Asks a plugin what it is, without giving it anything.
pub(super) async fn describe(
    sandbox: &Sandbox,
    pre: &PluginPre<RunState>,
    deadline: Deadline,
    limits: Limits,
) -> Result<check::Description, String> {
    let access = Arc::new(Access::nothing());
    let state = RunState::new(access, deadline.clone(), limits, Circumstances::nowhere());
    let turn = sandbox.turns.join();
    let ends = Ends {
        deadline: deadline.clone(),
        cancellation: CancellationToken::new(),
    };
    let mut store = store(sandbox, state, limits.fuel, ends, turn.clone());
    let end = {
        let guest = pin!(async {
            let instance = pre.instantiate_async(&mut store).await?;
            instance.bedcheck_plugin_check().call_describe(&mut store).await
        });
        tokio::select! {
            biased;
            described = turn.run(guest) => match described {
                Ok(description) => return Ok(description),
                Err(error) => End::of_error(&error),
            },
            () = deadline.over(LAST_RESORT) => End::Stopped,
        }
    };
    Err(match end.explained(&store.into_data().into_remains(false)) {
        End::OutOfMemory(refusal) => format!("`describe` asked for more {refusal}"),
        End::Trapped(reason) | End::NotStarted(reason) => format!("`describe` ended with a trap: {reason}"),
        End::OutOfFuel => "`describe` used up its fuel".into(),
        End::OutOfHostCalls => "`describe` made too many host calls".into(),
        End::Stopped | End::Cancelled | End::TooLong(_) | End::Returned(_) => {
            format!("`describe` did not end within {} s", limits.deadline.as_secs())
        }
    })
}

/// What ends a guest that computes.
struct Ends {
    deadline: Deadline,
    cancellation: CancellationToken,
}

impl Ends {
    fn have_come(&self) -> bool {
        self.deadline.is_over() || self.cancellation.is_cancelled()
    }
}

/// Instantiates a plugin under these limits, and does nothing with it.
///
/// # Errors
///
/// Why that is not possible.
pub async fn try_out(sandbox: &Sandbox, plugin: &Plugin, limits: Limits) -> Result<(), String> {
    let deadline = Deadline::new(Clock::live(), Tape::none(), limits.deadline, limits.grace);
    let access = Arc::new(Access::nothing());
    let state = RunState::new(access, deadline.clone(), limits, Circumstances::nowhere());
    let turn = sandbox.turns.join();
    let ends = Ends {
        deadline: deadline.clone(),
        cancellation: CancellationToken::new(),
    };
    let mut store = store(sandbox, state, limits.fuel, ends, turn.clone());
    let end = {
        let guest = pin!(async { plugin.pre.instantiate_async(&mut store).await.map(drop) });
        tokio::select! {
            biased;
            instantiated = turn.run(guest) => match instantiated {
                Ok(()) => return Ok(()),
                Err(error) => End::of_error(&error),
            },
            () = deadline.over(LAST_RESORT) => End::Stopped,
        }
    };
    Err(match end.explained(&store.into_data().into_remains(false)) {
        End::OutOfMemory(refusal) => format!("its start asked for more {refusal}"),
        End::Trapped(reason) | End::NotStarted(reason) => format!("its start ended with a trap: {reason}"),
        End::OutOfFuel => "its start used up the check's fuel".into(),
        End::OutOfHostCalls => "its start made too many host calls".into(),
        End::Stopped | End::Cancelled | End::TooLong(_) | End::Returned(_) => {
            "its start did not end within the check's deadline".into()
        }
    })
}

fn store(sandbox: &Sandbox, state: RunState, fuel: u64, ends: Ends, turn: Turn) -> Store<RunState> {
    let mut store = Store::new(&sandbox.engine, state);
    store.limiter(|state| state.memory());
    store.set_hostcall_fuel(MAX_COPY);
    store.set_max_component_handles(MAX_HANDLES);
    // The next tick; without a ticker it never comes.
    store.set_epoch_deadline(1);
    // Fuel is switched on for the engine, so this cannot fail; a store without fuel traps at once.
    let _ = store.set_fuel(fuel);
    match sandbox.interruption {
        Interruption::Ticks => store.epoch_deadline_callback(move |_| {
            Ok(if ends.have_come() {
                UpdateDeadline::Interrupt
            } else if turn.has_just_begun() {
                UpdateDeadline::Continue(1)
            } else {
                UpdateDeadline::YieldCustom(1, Box::pin(turn.clone().wait()))
            })
        }),
        Interruption::Calls => {
            // Running out of a portion is a call of the engine's, from which it returns like from any other.
            let _ = store.fuel_async_yield_interval(Some(PORTION_OF_FUEL));
            store.call_hook(move |_, transition| match transition {
                CallHook::ReturningFromHost if ends.have_come() => Err(Trap::Interrupt.into()),
                _ => Ok(()),
            });
        }
    }
    store
}

impl End {
    fn of_error(error: &wasmtime::Error) -> Self {
        if error.is::<HostCallsExhausted>() {
            return Self::OutOfHostCalls;
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::NotStarted("no sandbox was free".into());
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::OutOfFuel,
            Some(Trap::Interrupt) => Self::Stopped,
            Some(trap) => Self::Trapped(trap.to_string()),
            None => Self::Trapped(in_our_words(error.root_cause().to_string())),
        }
    }

    /// A trap with what the guest said of it, and with what it was refused. Only its words tell a guest that could not
    /// do without the memory from one that could and trapped later.
    fn explained(self, remains: &Remains) -> Self {
        let Self::Trapped(reason) = self else { return self };
        let said = remains.last_words.as_deref();
        match remains.memory_refused {
            Some(refusal) if said.is_none_or(is_about_memory) => Self::OutOfMemory(refusal),
            _ => Self::Trapped(match said {
                Some(said) => format!("{reason}; it last said `{said}`"),
                None => reason,
            }),
        }
    }
}

/// Whether a guest's last words are those of an allocation that failed, in whatever language.
fn is_about_memory(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    ["memory", "alloc"].iter().any(|word| words.contains(word))
}

/// The engine knows the limit on what is copied as a kind of fuel, which its message mixes up with a run's.
fn in_our_words(reason: String) -> String {
    if !reason.contains("fuel allocated for hostcalls") {
        return reason;
    }
    format!(
        "it handed more than {} MiB to the host in one call, which is the most; write larger data in pieces",
        MAX_COPY >> 20
    )
}
