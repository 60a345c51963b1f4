//! What a run was told, in order: every moment it read from its clock and every answer from outside.
//! Recorded in one run and played back in another, the same plugin takes the same way. Knows nothing of what
//! the answers mean, nor of files.

mod entry;

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

/// How many entries a tape holds when it is recorded: ten times what a run makes of the host calls that it has
/// by default. Neither reading the clock nor a call that waited for bytes counts as one, so without a bound a guest, or a
/// peer, could fill the machine's memory.
const MOST_ENTRIES: usize = 500_000;
/// How much memory they take, about, in bytes: several times what a run reads and writes by default. What a guest tries
/// to send and what it is answered count here, whether they count as its bytes or not.
const MOST_MEMORY: usize = 256 * 1024 * 1024;

pub use entry::{Answer, Data, Entry};

/// Where what happens is written to or read from. Clones are the same tape.
#[derive(Debug, Clone, Default)]
pub struct Tape(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    mode: Mode,
    entries: Mutex<VecDeque<Entry>>,
    /// How much memory what was recorded takes, about, in bytes.
    weight: AtomicUsize,
    departed: Mutex<Option<String>>,
    halted: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Recording,
    Playing,
}

impl Tape {
    /// No tape: nothing is kept.
    pub fn none() -> Self {
        Self(None)
    }

    /// An empty tape to record on.
    pub fn recording() -> Self {
        Self::new(Mode::Recording, VecDeque::new())
    }

    /// A tape to play back.
    pub fn playing(entries: Vec<Entry>) -> Self {
        Self::new(Mode::Playing, entries.into())
    }

    fn new(mode: Mode, entries: VecDeque<Entry>) -> Self {
        Self(Some(Arc::new(Inner {
            mode,
            entries: Mutex::new(entries),
            weight: AtomicUsize::new(0),
            departed: Mutex::new(None),
            halted: Notify::new(),
        })))
    }

    /// Whether answers come from the tape.
    pub fn is_playing(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.mode == Mode::Playing)
    }

    /// Reads the clock.
    pub fn moment(&self, live: impl FnOnce() -> Duration) -> Duration {
        let Some(inner) = &self.0 else { return live() };
        if inner.mode == Mode::Recording {
            let now = live();
            inner.push(Entry::At(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)));
            return now;
        }
        match inner.take("a reading of the clock", |entry| matches!(entry, Entry::At(_))) {
            Some(Entry::At(nanoseconds)) => Duration::from_nanos(nanoseconds),
            _ => Duration::ZERO,
        }
    }

    /// Notes a host call.
    pub fn call(&self, name: &str, arguments: impl FnOnce() -> Value) {
        let Some(inner) = &self.0 else { return };
        match inner.mode {
            Mode::Recording => apart(|| {
                inner.push(Entry::Call {
                    name: name.to_owned(),
                    arguments: arguments(),
                });
            }),
            Mode::Playing => drop(inner.take(
                &format!("the call `{name}`"),
                |entry| matches!(entry, Entry::Call { name: recorded, .. } if recorded == name),
            )),
        }
    }

    /// Notes what the guest sent.
    pub fn sent(&self, connection: u32, bytes: &[u8]) {
        let Some(inner) = &self.0 else { return };
        match inner.mode {
            Mode::Recording => inner.push(Entry::Sent(Data {
                connection,
                bytes: bytes.to_vec(),
            })),
            // A secret's place is taken by another text of the same length, so only the length is compared.
            Mode::Playing => drop(inner.take(
                "that many bytes sent",
                |entry| matches!(entry, Entry::Sent(data) if data.bytes.len() == bytes.len()),
            )),
        }
    }

    /// Whether what was just answered had to be waited for: as it was, or as it is on the tape.
    pub fn was_awaited(&self, live: bool) -> bool {
        let Some(inner) = &self.0 else { return live };
        match inner.mode {
            Mode::Recording if live => inner.push(Entry::Awaited),
            Mode::Recording => {}
            Mode::Playing => {
                let awaited = |entry: &mut Entry| matches!(entry, Entry::Awaited);
                return inner.entries().pop_front_if(awaited).is_some();
            }
        }
        live
    }

    /// Notes a fault that was injected.
    pub fn note_fault(&self, fault: impl FnOnce() -> String) {
        if let Some(inner) = self.0.as_ref().filter(|inner| inner.mode == Mode::Recording) {
            inner.push(Entry::Fault(fault()));
        }
    }

    /// The fault that was injected at this place in the run that is played.
    pub fn next_fault(&self) -> Option<String> {
        let inner = self.0.as_ref().filter(|inner| inner.mode == Mode::Playing)?;
        match inner
            .entries()
            .pop_front_if(|entry| matches!(entry, Entry::Fault(_)))?
        {
            Entry::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    /// Notes that another attempt was left out, and why.
    pub fn note_denied_retry(&self, reason: &str) {
        if let Some(inner) = self.0.as_ref().filter(|inner| inner.mode == Mode::Recording) {
            inner.push(Entry::RetryDenied(reason.to_owned()));
        }
    }

    /// Why another attempt was left out at this place in the run that is played, if one was.
    pub fn next_denied_retry(&self) -> Option<String> {
        let inner = self.0.as_ref().filter(|inner| inner.mode == Mode::Playing)?;
        match inner
            .entries()
            .pop_front_if(|entry| matches!(entry, Entry::RetryDenied(_)))?
        {
            Entry::RetryDenied(reason) => Some(reason),
            _ => None,
        }
    }

    /// Asks the world, or the tape: then `live` is not even started. `write` says what goes on the tape and
    /// `read` what was on it.
    pub async fn ask<T>(
        &self,
        live: impl Future<Output = T>,
        write: impl FnOnce(&T) -> Answer,
        read: impl FnOnce(Answer) -> Option<T>,
    ) -> T {
        let Some(inner) = &self.0 else { return live.await };
        if inner.mode == Mode::Recording {
            let output = live.await;
            apart(|| inner.push(Entry::Answer(write(&output))));
            return output;
        }
        let answer = apart(
            || match inner.take("an answer", |entry| matches!(entry, Entry::Answer(_))) {
                Some(Entry::Answer(answer)) => read(answer),
                _ => None,
            },
        );
        match answer {
            Some(output) => output,
            None => {
                inner.halted.notify_one();
                pending().await
            }
        }
    }

    /// The end of an attempt: notes it.
    pub fn end(&self, stopped: bool, fuel: u64) {
        let Some(inner) = &self.0 else { return };
        match inner.mode {
            Mode::Recording => inner.push(Entry::End { stopped, fuel }),
            Mode::Playing => drop(inner.take("the end", |entry| matches!(entry, Entry::End { .. }))),
        }
    }

    /// How the attempt that is played ended, if the guest was stopped: with how much fuel used.
    pub fn stop_to_come(&self) -> Option<u64> {
        let inner = self.0.as_ref().filter(|inner| inner.mode == Mode::Playing)?;
        let entries = inner.entries();
        match entries.iter().find(|entry| matches!(entry, Entry::End { .. }))? {
            Entry::End { stopped: true, fuel } => Some(*fuel),
            _ => None,
        }
    }

    /// Goes to where the attempt that is played was stopped: what comes after the last thing that the guest did
    /// is the clock's last reading and the end.
    pub fn skip_to_end(&self) {
        let Some(inner) = self.0.as_ref().filter(|inner| inner.mode == Mode::Playing) else {
            return;
        };
        let mut entries = inner.entries();
        if let Some(end) = entries
            .iter()
            .position(|entry| matches!(entry, Entry::End { .. }))
        {
            entries.drain(..end.saturating_sub(1));
        }
    }

    /// Waits until the tape has no answer to what was asked: where the recorded run was stopped, or where this
    /// one takes another way; or until it is full.
    pub async fn halted(&self) {
        match &self.0 {
            Some(inner) => inner.halted.notified().await,
            None => pending().await,
        }
    }

    /// Why the run cannot go on, if it cannot: it takes another way than the recorded one, or is too long to be
    /// recorded.
    pub fn departure(&self) -> Option<String> {
        let inner = self.0.as_ref()?;
        inner
            .departed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What was recorded, or is left to play.
    pub fn take_entries(&self) -> Vec<Entry> {
        match &self.0 {
            Some(inner) => std::mem::take(&mut *inner.entries()).into(),
            None => Vec::new(),
        }
    }
}

/// Does what only runs do that are recorded or played: away from the frames of all others, in which guests wait by the
/// thousand.
#[cold]
#[inline(never)]
fn apart<T>(rare: impl FnOnce() -> T) -> T {
    rare()
}

impl Inner {
    fn entries(&self) -> std::sync::MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry. A tape that is full is emptied, and the run is over.
    fn push(&self, entry: Entry) {
        let mut entries = self.entries();
        let own = entry.weight();
        let weight = own + self.weight.fetch_add(own, Ordering::Relaxed);
        if entries.len() < MOST_ENTRIES && weight <= MOST_MEMORY {
            entries.push_back(entry);
            return;
        }
        *entries = VecDeque::new();
        drop(entries);
        self.depart(|| match weight <= MOST_MEMORY {
            true => format!("found more than {MOST_ENTRIES} things to record of a run, which is too many"),
            false => format!(
                "found more than {} MiB to record of a run, which is too much",
                MOST_MEMORY >> 20
            ),
        });
    }

    /// Ends the run; the first reason is kept.
    fn depart(&self, reason: impl FnOnce() -> String) {
        self.departed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(reason);
        self.halted.notify_one();
    }

    /// The next entry, if it is of that kind; else the run has taken another way, which is noted once. The
    /// end of a stopped attempt may come anywhere.
    fn take(&self, wanted: &str, fits: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        let mut entries = self.entries();
        match entries.front() {
            Some(entry) if fits(entry) => return entries.pop_front(),
            Some(Entry::End { stopped: true, .. }) => return None,
            found => {
                let found = found.map_or_else(|| "its end".to_owned(), Entry::describe);
                self.depart(|| {
                    format!(
                        "this run is not the recorded one: the recording goes on with {found}, and the plugin \
                         wanted {wanted}"
                    )
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(tape: &Tape, live: u32) -> u32 {
        tape.ask(
            async { live },
            |number| Answer::Ok(Value::from(*number)),
            |answer| match answer {
                Answer::Ok(number) => u32::try_from(number.as_u64()?).ok(),
                _ => None,
            },
        )
        .await
    }

    #[tokio::test]
    async fn what_was_recorded_is_played() {
        let tape = Tape::recording();
        tape.call("net.read", || Value::Null);
        tape.moment(|| Duration::from_nanos(7));
        ask(&tape, 42).await;
        assert!(tape.was_awaited(true) && !tape.was_awaited(false));
        tape.end(false, 9);
        let played = Tape::playing(tape.take_entries());
        played.call("net.read", || Value::Null);
        assert_eq!(played.moment(|| Duration::ZERO), Duration::from_nanos(7));
        assert_eq!(ask(&played, 0).await, 42);
        assert!(played.was_awaited(false) && !played.was_awaited(true));
        played.end(false, 9);
        assert_eq!((played.departure(), played.take_entries().len()), (None, 0));
    }

    #[tokio::test]
    async fn a_run_that_takes_another_way_is_halted_and_told() {
        let tape = Tape::recording();
        tape.call("net.read", || Value::Null);
        let played = Tape::playing(tape.take_entries());
        tokio::select! {
            _ = ask(&played, 0) => panic!("there is no answer"),
            () = played.halted() => {}
        }
        let departure = played.departure().expect("it departed");
        assert_eq!(
            departure,
            "this run is not the recorded one: the recording goes on with the call `net.read`, and the plugin \
             wanted an answer"
        );
    }

    #[tokio::test]
    async fn a_tape_that_is_full_ends_the_run() {
        let tape = Tape::recording();
        for _ in 0..MOST_ENTRIES {
            tape.moment(|| Duration::ZERO);
        }
        assert_eq!(tape.departure(), None);
        tape.moment(|| Duration::ZERO);
        tape.halted().await;
        assert!(tape.departure().is_some_and(|reason| reason.contains("500000")));
        assert_eq!(tape.take_entries().len(), 0);
    }

    #[tokio::test]
    async fn a_tape_that_takes_too_much_memory_ends_the_run_and_takes_no_more() {
        let tape = Tape::recording();
        let chunk = vec![0; 32 << 20];
        for _ in 0..MOST_MEMORY / chunk.len() - 1 {
            tape.sent(0, &chunk);
        }
        assert_eq!(tape.departure(), None);
        tape.sent(0, &chunk);
        tape.halted().await;
        assert!(tape.departure().is_some_and(|reason| reason.contains("256 MiB")));
        tape.moment(|| Duration::ZERO);
        assert_eq!(tape.take_entries().len(), 0);
    }
}
