//! An HTTP server whose health a test decides while it runs, and which counts how often it is asked. It answers
//! each connection once, and closes it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a connection may take that does not hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// It answers `200`.
    Up = 0,
    /// It closes every connection without an answer.
    Down = 1,
    /// It accepts, and says nothing.
    Silent = 2,
    /// It answers `200` after [`SLOWNESS`].
    Slow = 3,
    /// It is down and up by turns, one connection after the other; the next one finds it down.
    Flaky = 4,
}

/// How long a slow target takes: longer than a quick one does on a busy machine.
pub const SLOWNESS: Duration = Duration::from_millis(300);

/// A server on loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    health: AtomicU8,
    asked: AtomicU64,
    /// The connections while it was flaky.
    turns: AtomicU64,
    ended: AtomicBool,
    hanging: Mutex<Vec<TcpStream>>,
}

impl Target {
    /// A server of this health.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start(health: Health) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|error| panic!("cannot listen on loopback: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let shared = Arc::new(Shared {
            health: AtomicU8::new(health as u8),
            asked: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            hanging: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || serve(&listener, &serving));
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on it is like this.
    pub fn turn(&self, health: Health) {
        self.shared.health.store(health as u8, Ordering::SeqCst);
    }

    /// How many connections were made to it.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which looks whether it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.asked.fetch_add(1, Ordering::SeqCst);
        match shared.health.load(Ordering::SeqCst) {
            health if health == Health::Up as u8 => {
                thread::spawn(move || respond(stream));
            }
            health if health == Health::Slow as u8 => {
                thread::spawn(move || {
                    thread::sleep(SLOWNESS);
                    respond(stream);
                });
            }
            health if health == Health::Flaky as u8 => {
                let answers = shared.turns.fetch_add(1, Ordering::SeqCst) % 2 == 1;
                thread::spawn(move || if answers { respond(stream) } else { refuse(stream) });
            }
            health if health == Health::Silent as u8 => shared
                .hanging
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(stream),
            _ => {
                thread::spawn(move || refuse(stream));
            }
        }
    }
}

/// Answers a request. A client that has gone away is no matter.
fn respond(mut stream: TcpStream) {
    if !has_request(&mut stream) {
        return;
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nup");
}

/// Closes the connection after the request. Before it, the client would see a reset as often as an end: bytes that
/// nobody reads reset the connection.
fn refuse(mut stream: TcpStream) {
    has_request(&mut stream);
}

/// Reads to the end of the request's head; says whether it came.
fn has_request(stream: &mut TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(length) => head.extend_from_slice(&buffer[..length]),
        }
    }
    true
}
