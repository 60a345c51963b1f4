//! Tells systemd how the daemon is (`Type=notify`, sd_notify(3)): that it is ready, reloads, stops, and that
//! it lives, for `WatchdogSec=`. Without systemd nothing is said to anybody.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::text::printable;

/// The longest status, in bytes; `systemctl status` shows one line.
const MAX_STATUS: usize = 256;
/// How much waits for a manager that does not read; the oldest goes first.
const MAX_WAITING: usize = 16;
/// How what is shown begins where nothing else is told.
const STATUS: &str = "STATUS=";

/// Whom to tell. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Notifier(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
    kicked: Mutex<Option<Instant>>,
    /// What the manager's queue had no room for, in order.
    waiting: Mutex<VecDeque<String>>,
}

impl Notifier {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`. Without a socket a notifier
    /// that tells nobody.
    ///
    /// # Errors
    ///
    /// When there is a socket and it cannot be used.
    pub fn new(environment: &dyn Fn(&str) -> Option<String>) -> std::io::Result<Self> {
        let Some(name) = environment("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let name = std::ffi::OsStr::new(&name);
        // A name that begins with `@` is in the abstract namespace (unix(7)).
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not hold anybody up.
        socket.set_nonblocking(true)?;
        let own = std::process::id().to_string();
        let is_meant = environment("WATCHDOG_PID").is_none_or(|pid| pid == own);
        let microseconds = environment("WATCHDOG_USEC").and_then(|number| number.parse().ok());
        Ok(Self(Some(Arc::new(Inner {
            socket,
            address,
            watchdog: microseconds
                .filter(|number| is_meant && *number > 0)
                .map(Duration::from_micros),
            kicked: Mutex::default(),
            waiting: Mutex::default(),
        }))))
    }

    /// The daemon is ready.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// The daemon reads its configuration anew; [`Notifier::ready`] ends that.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now
            .tv_sec
            .saturating_mul(1_000_000)
            .saturating_add(now.tv_nsec / 1000);
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reloading"
        ));
    }

    /// The daemon begins to shut down.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping");
    }

    /// What `systemctl status` shows.
    pub fn status(&self, status: &str) {
        self.send(&format!("{STATUS}{}", line(status)));
    }

    /// After which silence systemd takes the daemon for dead; none without `WatchdogSec=`.
    pub fn watchdog(&self) -> Option<Duration> {
        self.0.as_ref()?.watchdog
    }

    /// How often [`Notifier::alive`] has to be asked at least.
    pub fn look_every(&self, otherwise: Duration) -> Duration {
        self.watchdog()
            .map_or(otherwise, |watchdog| otherwise.min(watchdog / 4))
            .max(Duration::from_millis(10))
    }

    /// All is well: said every quarter of the watchdog's time, twice as often as systemd asks for, however often this is called.
    pub fn alive(&self) {
        let Some(inner) = &self.0 else { return };
        let Some(watchdog) = inner.watchdog else { return };
        let mut kicked = inner.kicked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = kicked.is_none_or(|last| last.elapsed() >= watchdog / 4);
        if is_due {
            *kicked = Some(Instant::now());
            drop(kicked);
            // It is said again soon, and late it says nothing.
            let _ = inner.try_to_send("WATCHDOG=1");
        }
    }

    /// What waits is tried again: to be called every so often, however the daemon is.
    pub fn look(&self) {
        if let Some(inner) = &self.0 {
            inner.send_what_waits();
        }
    }

    fn send(&self, message: &str) {
        let Some(inner) = &self.0 else { return };
        let mut waiting = inner.waiting();
        // Of what is shown only the newest counts, and none of it is to push out that the daemon is ready.
        if message.starts_with(STATUS) {
            waiting.retain(|other| !other.starts_with(STATUS));
        }
        if waiting.len() >= MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(message.to_owned());
        drop(waiting);
        inner.send_what_waits();
    }
}

impl Inner {
    /// Sends what waits, in order, as far as there is room for it.
    fn send_what_waits(&self) {
        let mut waiting = self.waiting();
        while let Some(message) = waiting.front() {
            if self.try_to_send(message) == Sent::NoRoom {
                return;
            }
            waiting.pop_front();
        }
    }

    fn try_to_send(&self, message: &str) -> Sent {
        match self.socket.send_to_addr(message.as_bytes(), &self.address) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Sent::NoRoom,
            Err(error) => {
                tracing::warn!(%error, "systemd cannot be told how the daemon is");
                Sent::Done
            }
            Ok(_) => Sent::Done,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// It is sent, or cannot be, which was said.
    Done,
    /// There was no room for it.
    NoRoom,
}

fn line(status: &str) -> String {
    let status = printable(status);
    status[..status.floor_char_boundary(MAX_STATUS)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'e>(entries: &'e [(&'e str, &'e str)]) -> impl Fn(&str) -> Option<String> + 'e {
        move |name| {
            let entry = entries.iter().find(|(key, _)| *key == name);
            entry.map(|(_, value)| (*value).to_owned())
        }
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn systemd_is_told_through_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let entries = [
            ("NOTIFY_SOCKET", path.to_str().unwrap()),
            ("WATCHDOG_USEC", "40000"),
        ];
        let notifier = Notifier::new(&environment(&entries)).unwrap();
        notifier.ready("3 checks\nMAINPID=1");
        // A status is one line: it cannot say anything else to systemd.
        assert_eq!(receive(&systemd), "READY=1\nSTATUS=3 checks\\nMAINPID=1");
        notifier.reloading();
        let reloading = receive(&systemd);
        let microseconds = reloading
            .lines()
            .nth(1)
            .unwrap()
            .strip_prefix("MONOTONIC_USEC=")
            .unwrap();
        assert!(microseconds.parse::<u64>().unwrap() > 0, "{reloading}");
        notifier.stopping();
        assert_eq!(receive(&systemd), "STOPPING=1\nSTATUS=stopping");
        let begun = Instant::now();
        notifier.alive();
        notifier.alive();
        assert_eq!(receive(&systemd), "WATCHDOG=1");
        // The second was not sent but if a quarter of the watchdog's time had passed.
        systemd.set_nonblocking(true).unwrap();
        let second = systemd.recv(&mut [0; 64]);
        assert!(second.is_err() || begun.elapsed() >= Duration::from_millis(10));
    }

    #[test]
    fn abstract_sockets_are_found_and_another_process_is_not_meant() {
        let name = format!("bedcheck-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        let socket = format!("@{name}");
        let entries = [
            ("NOTIFY_SOCKET", &*socket),
            ("WATCHDOG_USEC", "1000000"),
            ("WATCHDOG_PID", "1"),
        ];
        let notifier = Notifier::new(&environment(&entries)).unwrap();
        assert_eq!(notifier.watchdog(), None);
        notifier.status("fine");
        assert_eq!(receive(&systemd), "STATUS=fine");
    }

    #[test]
    fn what_a_full_queue_had_no_room_for_is_told_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let others = UnixDatagram::unbound().unwrap();
        others.set_nonblocking(true).unwrap();
        while others.send_to(b"X=1", &path).is_ok() {}
        let entries = [("NOTIFY_SOCKET", path.to_str().unwrap())];
        let notifier = Notifier::new(&environment(&entries)).unwrap();
        notifier.ready("1 check");
        for number in 0..=MAX_WAITING {
            notifier.status(&format!("{number} failing"));
            notifier.look();
        }
        notifier.reloading();
        systemd.set_nonblocking(true).unwrap();
        while systemd.recv(&mut [0; 64]).is_ok() {}
        systemd.set_nonblocking(false).unwrap();
        notifier.look();
        assert_eq!(receive(&systemd), "READY=1\nSTATUS=1 check");
        assert_eq!(receive(&systemd), format!("STATUS={MAX_WAITING} failing"));
        assert!(receive(&systemd).starts_with("RELOADING=1"));
    }

    #[test]
    fn without_systemd_nobody_is_told() {
        let notifier = Notifier::new(&environment(&[])).unwrap();
        notifier.ready("unheard");
        notifier.alive();
        assert_eq!(
            notifier.look_every(Duration::from_secs(1)),
            Duration::from_secs(1)
        );
    }
}
