//! Stopping one thread of another process while its others go on, as a tracer does it (ptrace(2)). A process may trace
//! those that it started.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// Stops a thread of a process that this one started. It stays stopped until its process ends.
///
/// # Panics
///
/// When it cannot be stopped.
pub fn stop_thread(thread: u32) {
    let id = libc::pid_t::try_from(thread).unwrap_or_else(|_| panic!("{thread} is no thread"));
    let (told, stopped) = channel();
    // Whoever stops a thread has to see its end: till then its process is not over.
    thread::spawn(move || hold(id, &told));
    let stopped = stopped
        .recv()
        .unwrap_or_else(|error| Err(io::Error::other(error)));
    stopped.unwrap_or_else(|error| panic!("thread {thread} cannot be stopped: {error}"));
}

/// Stops a thread and waits for its end.
fn hold(thread: libc::pid_t, told: &Sender<io::Result<()>>) {
    let stopped = request(libc::PTRACE_SEIZE, thread)
        .and_then(|()| request(libc::PTRACE_INTERRUPT, thread))
        .and_then(|()| next_change(thread).map(drop));
    let is_stopped = stopped.is_ok();
    // Whoever asked has panicked if it does not hear this.
    let _ = told.send(stopped);
    while is_stopped && matches!(next_change(thread), Ok(false)) {}
}

#[expect(unsafe_code, reason = "ptrace(2) is to be had no other way")]
fn request(request: libc::c_uint, thread: libc::pid_t) -> io::Result<()> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: neither of the two requests reads or writes any memory of this process.
    let answer = unsafe { libc::ptrace(request, thread, nothing, nothing) };
    match answer {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Waits until something happens to a thread; whether it has ended.
#[expect(unsafe_code, reason = "only by this call single threads are waited for")]
fn next_change(thread: libc::pid_t) -> io::Result<bool> {
    let mut status = 0;
    // SAFETY: the status is written to a variable that outlives the call.
    match unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(libc::WIFEXITED(status) || libc::WIFSIGNALED(status)),
    }
}
