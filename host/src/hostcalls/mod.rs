//! What a guest can ask of the host, and the state of its run: every call passes the same gate
//! (limits, deadline, capability), then the grants, then acts.

mod access;
mod ask;
mod blame;
mod complaints;
mod convert;
mod datagrams;
mod dialling;
mod disturb;
mod facts;
mod gate;
mod handshake;
mod host_phases;
mod linking;
mod memory;
mod names;
mod net;
mod phases;
mod reporting;
mod secrets;
mod stdio;
#[cfg(test)]
mod tests;
mod trace;
mod wasi;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use wasmtime::component::ResourceTable;

pub use access::Access;
pub use blame::Hit;
pub use convert::{Known, Refused};
pub use linking::{Wasi, add_to_linker};
pub use memory::MemoryRefusal;
pub use names::{LookedUp, MAX_NAMES};

use crate::budget::Limits;
use crate::deadline::Deadline;
use crate::fault::{FaultPlan, Injector};
use crate::outcome::{DeniedCall, InjectedFault, LogLevel, LogLine, Measurement, TraceId, Usage};
use crate::phase::Timeline;
use crate::redactor::Redactor;
use memory::MemoryMeter;

/// How many calls a guest may go on making after it was told that it has no more: enough to report,
/// and the end of one that never listens.
const CALLS_OVER_LIMIT: u64 = 1000;
/// How much of a guest's or a peer's text is looked at, in lengths of what is shown of it: several, so that what is struck
/// out of it leaves enough, and few, because no fuel is used meanwhile and nothing else runs.
const LOOKED_AT: usize = 4;
/// How many resources a guest may hold at once: connections, secrets, and what WASI adds.
const MAX_RESOURCES: usize = 1000;

/// The state of one attempt: what the guest may do, what it has used, what it has reported.
pub struct RunState {
    access: Arc<Access>,
    deadline: Deadline,
    limits: Limits,
    timeline: Timeline,
    usage: Usage,
    uncounted_calls: u64,
    names: LookedUp,
    hit: Option<Box<Hit>>,
    trace: TraceId,
    attempt: u32,
    begun: Duration,
    waited: Duration,
    slept: Duration,
    computing: Computing,
    encoded_secrets: usize,
    connections: usize,
    dialled: u32,
    measurements: Vec<Measurement>,
    log: Vec<LogLine>,
    redactor: Redactor,
    injector: Injector,
    faults: Vec<InjectedFault>,
    denials: Vec<DeniedCall>,
    refused: Refused,
    complaints: Vec<String>,
    memory: MemoryMeter,
    started: SystemTime,
    wasi: wasi::Context,
    table: ResourceTable,
}

/// Tells how long the guest of an attempt has computed so far.
pub type Computing = Box<dyn Fn() -> Duration + Send + Sync>;

/// What an attempt comes upon besides its access and its limits.
#[derive(Debug)]
pub struct Circumstances {
    /// The time of day at the start of the run.
    pub started: SystemTime,
    /// The trace that the run is exported as.
    pub trace: TraceId,
    /// Which attempt of the run it is, from 1.
    pub attempt: u32,
    /// Where the guest's random numbers come from. Whoever knows it knows them all.
    pub seed: [u8; 32],
    /// The faults that wait for it.
    pub injector: Injector,
    /// What the run's earlier attempts have used of its limits.
    pub spent: Spent,
    /// Ends the attempt, whatever it is doing.
    pub cancellation: CancellationToken,
}

impl Circumstances {
    /// Always the same, without faults: for what must not depend on anything.
    pub fn nowhere() -> Self {
        Self {
            started: SystemTime::UNIX_EPOCH,
            trace: TraceId([0; 16]),
            attempt: 1,
            seed: [0; 32],
            injector: FaultPlan::default().injector(0, 0, Duration::ZERO),
            spent: Spent::default(),
            cancellation: CancellationToken::new(),
        }
    }
}

/// What the attempts of a run have used of its limits.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    /// What the report shows.
    pub usage: Usage,
    /// How many of its host calls do not count against the limit.
    pub uncounted_calls: u64,
    /// The names that were looked up.
    pub names: LookedUp,
}

/// What remains of an attempt once its guest has ended, however it ended.
pub struct Remains {
    /// The phases.
    pub timeline: Timeline,
    /// Where the deadline was hit first, and doing what.
    pub hit: Option<Box<Hit>>,
    /// What was used, fuel excepted: the store knows that.
    pub spent: Spent,
    /// What the guest measured.
    pub measurements: Vec<Measurement>,
    /// What the guest logged.
    pub log: Vec<LogLine>,
    /// The faults that were injected.
    pub faults: Vec<InjectedFault>,
    /// The first call that was refused for each reason.
    pub denials: Vec<DeniedCall>,
    /// What the guest was told of refusals.
    pub refused: Refused,
    /// What did not go by the script, where peers are scripted.
    pub complaints: Vec<String>,
    /// What the guest was refused of memory, if it was.
    pub memory_refused: Option<MemoryRefusal>,
    /// The last the guest wrote to standard error: of a panic, its place and message.
    pub last_words: Option<String>,
    /// Strikes out the secrets of the run, in the forms in which they were sent.
    pub redactor: Redactor,
}

/// Ends a guest that goes on calling after it has used up its host calls.
#[derive(Debug, thiserror::Error)]
#[error("the plugin used up its host calls")]
pub struct HostCallsExhausted;

impl RunState {
    /// The state of an attempt that has used nothing but what `spent` says.
    pub fn new(
        access: Arc<Access>,
        deadline: Deadline,
        limits: Limits,
        circumstances: Circumstances,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            started: circumstances.started,
            wasi: wasi::Context::new(&circumstances),
            timeline: Timeline::new(&access.phases),
            redactor: access.redactor.clone(),
            memory: MemoryMeter::new(limits.memory),
            access,
            limits,
            usage: circumstances.spent.usage,
            uncounted_calls: circumstances.spent.uncounted_calls,
            names: circumstances.spent.names,
            hit: None,
            trace: circumstances.trace,
            attempt: circumstances.attempt,
            begun: deadline.elapsed(),
            waited: Duration::ZERO,
            slept: Duration::ZERO,
            computing: Box::new(|| Duration::ZERO),
            encoded_secrets: 0,
            connections: 0,
            dialled: 0,
            measurements: Vec::new(),
            log: Vec::new(),
            injector: circumstances.injector,
            faults: Vec::new(),
            denials: Vec::new(),
            refused: Refused::default(),
            complaints: Vec::new(),
            table,
            deadline,
        }
    }

    /// Where the store's memory limits come from.
    pub fn memory(&mut self) -> &mut MemoryMeter {
        &mut self.memory
    }

    /// How to tell for how long the guest has computed, where that decides who is to blame.
    pub fn measure_computing(&mut self, computing: Computing) {
        self.computing = computing;
    }

    /// The run's deadline.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Closes the timeline and hands over what was recorded. A guest that returns after the deadline has exceeded it,
    /// whatever it says.
    pub fn into_remains(mut self, has_returned: bool) -> Remains {
        let end = self.deadline.moment();
        if has_returned {
            self.notice_deadline(end);
        }
        self.timeline.finish(end);
        self.log_printed(end);
        self.note_complaints_of_open();
        self.usage.memory_bytes = self.usage.memory_bytes.max(self.memory.peak());
        Remains {
            timeline: self.timeline,
            hit: self.hit,
            spent: Spent {
                usage: self.usage,
                uncounted_calls: self.uncounted_calls,
                names: self.names,
            },
            measurements: self.measurements,
            log: self.log,
            faults: self.faults,
            denials: self.denials,
            refused: self.refused,
            complaints: self.complaints,
            memory_refused: self.memory.refusal(),
            last_words: self
                .wasi
                .stderr()
                .and_then(|printed| printed.last_words(&self.redactor)),
            redactor: self.redactor,
        }
    }

    /// Adds what the guest printed to its log, as far as there is room.
    fn log_printed(&mut self, at: Duration) {
        let printed = [
            (LogLevel::Info, self.wasi.stdout()),
            (LogLevel::Warning, self.wasi.stderr()),
        ];
        for (level, printed) in printed {
            let lines = printed.map(|printed| printed.lines(&self.redactor));
            let (lines, dropped) = lines.unwrap_or_default();
            self.usage.log_lines_dropped += dropped;
            for line in lines {
                if self.log.len() >= reporting::MAX_LOG_LINES {
                    self.usage.log_lines_dropped += 1;
                    continue;
                }
                let message = self.presentable(line, reporting::MAX_LOG_LINE);
                self.log.push(LogLine {
                    at,
                    phase: None,
                    detail: None,
                    level,
                    message,
                });
            }
        }
    }

    /// Text of a guest's, fit to be shown: no secrets, no control characters, bounded.
    fn presentable<'t>(&self, text: impl Into<Cow<'t, str>>, maximum: usize) -> String {
        presentable(&self.redactor, text, maximum)
    }
}

/// Text from a guest or a peer, fit to be shown: secrets struck out, control characters replaced,
/// shortened to `maximum` bytes. However long the text is, this takes no longer than the run can spare; most texts are
/// fit as they are.
pub fn presentable<'t>(redactor: &Redactor, text: impl Into<Cow<'t, str>>, maximum: usize) -> String {
    let text = text.into();
    let looked_at = &text[..text.floor_char_boundary(maximum * LOOKED_AT)];
    let redacted = redactor.redact(looked_at);
    let is_same = matches!(redacted, Cow::Borrowed(same) if same.len() == text.len());
    if is_same && text.len() <= maximum && !text.contains(char::is_control) {
        return text.into_owned();
    }
    let harmless = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let mut clean = match redacted.contains(char::is_control) {
        true => redacted.chars().map(harmless).collect(),
        false => redacted.into_owned(),
    };
    if clean.len() > maximum || looked_at.len() < text.len() {
        clean.truncate(clean.floor_char_boundary(maximum));
        clean.push('…');
    }
    clean
}
