//! Two connections, from the program and to its collector, and the bytes that are handed on between them: until either
//! side ends, or the way is no longer one for them. It knows when a request is under way, and not what is in it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{LOOK_EVERY, Shared, Way};

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing, or an answer.
    Idle,
    /// Something was handed on to the collector, which has said nothing since.
    Asked,
    /// Nothing is handed on any more.
    Closed,
}

/// Both connections.
#[derive(Debug)]
pub(super) struct Pair {
    client: TcpStream,
    collector: TcpStream,
    state: Mutex<State>,
}

impl Pair {
    pub(super) fn new(client: TcpStream, collector: TcpStream) -> Self {
        Self {
            client,
            collector,
            state: Mutex::new(State::Idle),
        }
    }

    /// Hands on what the program says until that ends.
    pub(super) fn hand_on_requests(&self, shared: &Shared) {
        self.each_read(&self.client, shared, |bytes| {
            let cut = shared.is(Way::CutsRequests);
            let bytes = if cut { &bytes[..bytes.len() / 2] } else { bytes };
            let mut state = self.state();
            if *state == State::Closed {
                return false;
            }
            *state = State::Asked;
            drop(state);
            (&self.collector).write_all(bytes).is_ok() && !cut
        });
        self.close();
    }

    /// The same for what the collector says.
    pub(super) fn hand_on_answers(&self, shared: &Shared) {
        self.each_read(&self.collector, shared, |bytes| {
            if shared.is(Way::CutsAnswers) {
                shared.cut.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            *self.state() = State::Idle;
            (&self.client).write_all(bytes).is_ok()
        });
        if self.close() == State::Asked {
            shared.unanswered.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Reads until the end, or until what was read is not taken, or until nothing is under way and the way is no longer
    /// one for this.
    fn each_read(&self, mut from: &TcpStream, shared: &Shared, mut take: impl FnMut(&[u8]) -> bool) {
        let mut buffer = vec![0; 64 * 1024];
        let _ = from.set_read_timeout(Some(LOOK_EVERY));
        while !shared.ended.load(Ordering::SeqCst) {
            // What comes meanwhile stays in the kernel.
            if shared.is(Way::Silent) {
                thread::sleep(LOOK_EVERY);
                continue;
            }
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) if take(&buffer[..length]) => {}
                Ok(_) => return,
                Err(error) if is_timeout(&error) && !self.has_ended(shared) => {}
                Err(_) => return,
            }
        }
    }

    /// Whether nothing more is to be handed on, when nothing has come for a while.
    fn has_ended(&self, shared: &Shared) -> bool {
        let mut state = self.state();
        if *state == State::Idle && shared.answers_itself() {
            *state = State::Closed;
        }
        *state == State::Closed
    }

    /// Ends both, by which the other direction notices; what was under way.
    fn close(&self) -> State {
        let before = std::mem::replace(&mut *self.state(), State::Closed);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.collector.shutdown(Shutdown::Both);
        before
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}
