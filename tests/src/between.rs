//! What stands between the program and its collector: it hands on the bytes both ways, or does what collectors and
//! networks do on a bad day, as a test says at any moment. It knows connections; what it has to know of requests to take
//! only a part of them lives in `halving`, and the pair of connections that bytes are handed on between in `pair`.

mod halving;
mod pair;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use halving::Rejected;
use halving::Request;
use pair::Pair;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// Everything is handed on.
    Open = 0,
    /// Every new connection is closed at once, and every other when nothing is under way on it.
    Refusing = 1,
    /// Connections are accepted, nothing is read, nothing is said.
    Silent = 2,
    /// Requests are handed on, and the connection is closed when the answer comes: what was sent has arrived, and its
    /// sender does not know.
    CutsAnswers = 3,
    /// The connection is closed in the middle of a request.
    CutsRequests = 4,
    /// Every request over HTTP/1.1 is answered `503` with `Retry-After: 1`.
    Unavailable = 5,
    /// Every second run is taken out of requests of OTLP over HTTP, and the answer says how much was rejected.
    TakesHalf = 6,
}

/// How long a read waits before it looks again how the way is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// It listens on loopback, and ends when it is dropped.
#[derive(Debug)]
pub struct Between {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    way: AtomicU8,
    /// How often an answer was cut.
    cut: AtomicU64,
    /// How often the collector ended a connection with a request on it.
    unanswered: AtomicU64,
    rejected: Mutex<Rejected>,
    ended: AtomicBool,
    /// Connections on which nothing is said.
    silent: Mutex<Vec<TcpStream>>,
}

impl Between {
    /// An open way to this address.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|error| panic!("cannot listen on loopback: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let shared = Arc::new(Shared {
            to,
            way: AtomicU8::new(Way::Open as u8),
            cut: AtomicU64::new(0),
            unanswered: AtomicU64::new(0),
            rejected: Mutex::default(),
            ended: AtomicBool::new(false),
            silent: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it is like this, for connections that are there already too; what is under way on one is handed on
    /// and answered first, but where the way cuts or keeps silent.
    pub fn turn(&self, way: Way) {
        self.shared.way.store(way as u8, Ordering::SeqCst);
        let mut silent = self.shared.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if way != Way::Silent {
            silent.clear();
        }
    }

    /// How many answers it has kept from the sender of a request that had arrived.
    #[must_use]
    pub fn answers_cut(&self) -> u64 {
        self.shared.cut.load(Ordering::SeqCst)
    }

    /// How many requests a collector left without an answer because it ended.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.shared.unanswered.load(Ordering::SeqCst)
    }

    /// What it has rejected of requests that it took, by answers that it has written.
    #[must_use]
    pub fn rejected(&self) -> Rejected {
        self.shared.rejected().clone()
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which looks whether it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn is(&self, way: Way) -> bool {
        self.way.load(Ordering::SeqCst) == way as u8
    }

    /// Whether connections are answered without the collector.
    fn answers_itself(&self) -> bool {
        [Way::Refusing, Way::Unavailable, Way::TakesHalf]
            .iter()
            .any(|way| self.is(*way))
    }

    fn rejected(&self) -> MutexGuard<'_, Rejected> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(stream, &shared));
    }
}

/// A connection, by the way that there is when it comes.
fn serve(mut stream: TcpStream, shared: &Arc<Shared>) {
    if shared.is(Way::Refusing) {
        return;
    }
    if shared.is(Way::Silent) {
        let mut silent = shared.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.push(stream);
        return;
    }
    if shared.is(Way::Unavailable) {
        // Whoever is not answered will try again.
        let _ = say_unavailable(stream);
        return;
    }
    if shared.is(Way::TakesHalf) {
        // The same.
        let Ok(request) = Request::read(&mut stream) else {
            return;
        };
        match halving::serve(&request, stream, shared.to) {
            Ok(rejected) => shared.rejected().add(rejected),
            Err(_) => {
                shared.unanswered.fetch_add(1, Ordering::SeqCst);
            }
        }
        return;
    }
    let Ok(onward) = TcpStream::connect(shared.to) else {
        return;
    };
    let pair = Arc::new(Pair::new(stream, onward));
    let (forth, shared_forth) = (Arc::clone(&pair), Arc::clone(shared));
    thread::spawn(move || forth.hand_on_requests(&shared_forth));
    pair.hand_on_answers(shared);
}

/// Reads a request, and answers it.
fn say_unavailable(mut stream: TcpStream) -> std::io::Result<()> {
    Request::read(&mut stream)?;
    stream.write_all(
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
}
