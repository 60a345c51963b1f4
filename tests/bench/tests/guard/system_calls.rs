//! Counts the system calls of one thread of a process that this one started, as a tracer does it (ptrace(2)).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

/// What the kernel adds to the signal of a stop that is a system call's, when it is asked to.
const SYSTEM_CALL: libc::c_int = libc::SIGTRAP | 0x80;

/// A thread whose system calls are counted until it ends.
#[derive(Debug)]
pub(crate) struct Traced {
    /// How often it stopped: each call has a beginning and an end.
    stops: Arc<AtomicU64>,
    /// Sees every stop and, at last, the end of the process, which nobody else may wait for.
    follower: Option<JoinHandle<()>>,
}

impl Traced {
    /// Counts from now on what the first thread of a process calls.
    ///
    /// # Errors
    ///
    /// A sentence when that is not allowed here.
    pub(crate) fn first_thread_of(process: u32) -> Result<Self, String> {
        let thread = libc::pid_t::try_from(process).map_err(|error| error.to_string())?;
        let stops = Arc::new(AtomicU64::new(0));
        let (counted, (told, begun)) = (Arc::clone(&stops), channel());
        // All requests have to come from the thread that made the first.
        let follower = thread::spawn(move || follow(thread, &counted, &told));
        let begun = begun.recv().unwrap_or_else(|error| Err(io::Error::other(error)));
        begun.map_err(|error| format!("the system calls of a process cannot be counted: {error}"))?;
        Ok(Self {
            stops,
            follower: Some(follower),
        })
    }

    /// How many system calls there have been.
    pub(crate) fn so_far(&self) -> u64 {
        self.stops.load(Ordering::Relaxed) / 2
    }
}

impl Drop for Traced {
    /// Waits for the end of the process.
    fn drop(&mut self) {
        if let Some(follower) = self.follower.take() {
            // It does not panic.
            let _ = follower.join();
        }
    }
}

/// Lets a thread go on from stop to stop until it ends.
fn follow(thread: libc::pid_t, stops: &AtomicU64, told: &Sender<io::Result<()>>) {
    let begun = request(libc::PTRACE_SEIZE, thread, libc::PTRACE_O_TRACESYSGOOD)
        .and_then(|()| request(libc::PTRACE_INTERRUPT, thread, 0))
        .and_then(|()| next_stop(thread).map(drop))
        .and_then(|()| request(libc::PTRACE_SYSCALL, thread, 0));
    let has_begun = begun.is_ok();
    // Whoever asked has given up if it does not hear this.
    let _ = told.send(begun);
    if !has_begun {
        return;
    }
    while let Ok(Some((signal, is_event))) = next_stop(thread) {
        let is_call = signal == SYSTEM_CALL;
        if is_call {
            stops.fetch_add(1, Ordering::Relaxed);
        }
        // A signal is handed on.
        let signal = if is_call || is_event { 0 } else { signal };
        if request(libc::PTRACE_SYSCALL, thread, signal).is_err() {
            break;
        }
    }
}

#[expect(unsafe_code, reason = "ptrace(2) is to be had no other way")]
fn request(request: libc::c_uint, thread: libc::pid_t, data: libc::c_int) -> io::Result<()> {
    let address = std::ptr::null_mut::<libc::c_void>();
    let data = std::ptr::without_provenance_mut::<libc::c_void>(data.unsigned_abs() as usize);
    // SAFETY: none of these requests reads or writes any memory of this process: what is data for them is a number.
    let answer = unsafe { libc::ptrace(request, thread, address, data) };
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Waits for the next stop of a thread: its signal, and whether it stands for an event; nothing once it has ended.
#[expect(unsafe_code, reason = "only by this call single threads are waited for")]
fn next_stop(thread: libc::pid_t) -> io::Result<Option<(libc::c_int, bool)>> {
    let mut status = 0;
    // SAFETY: the status is written to a variable that outlives the call.
    match unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) } {
        -1 => Err(io::Error::last_os_error()),
        _ if libc::WIFSTOPPED(status) => Ok(Some((libc::WSTOPSIG(status), status >> 16 != 0))),
        _ => Ok(None),
    }
}
