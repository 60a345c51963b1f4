//! What stands between the program and its collector: it hands on the bytes both ways, or does what collectors and
//! networks do on a bad day, as a test says at any moment. It knows connections; what it has to know of requests to take
//! only a part of them lives in `halving`.

mod halving;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use halving::Rejected;
use halving::Request;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// Everything is handed on.
    Open = 0,
    /// Every connection is closed at once.
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

impl Way {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Refusing,
        Self::Silent,
        Self::CutsAnswers,
        Self::CutsRequests,
        Self::Unavailable,
        Self::TakesHalf,
    ];
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

    /// From now on it is like this, for connections that are there already too.
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
fn serve(stream: TcpStream, shared: &Arc<Shared>) {
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
        if let Ok(rejected) = halving::serve(stream, shared.to) {
            shared.rejected().add(rejected);
        }
        return;
    }
    let Ok(onward) = TcpStream::connect(shared.to) else {
        return;
    };
    let (Ok(from_client), Ok(from_server)) = (stream.try_clone(), onward.try_clone()) else {
        return;
    };
    let forth = Arc::clone(shared);
    thread::spawn(move || hand_on(from_client, onward, &forth, Direction::Request));
    hand_on(from_server, stream, shared, Direction::Answer);
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

/// Hands bytes on until either side ends, or the way is no longer one for them; then both sides are closed.
fn hand_on(mut from: TcpStream, mut to: TcpStream, shared: &Shared, direction: Direction) {
    let mut buffer = vec![0; 64 * 1024];
    let _ = from.set_read_timeout(Some(LOOK_EVERY));
    loop {
        let answers_itself = [Way::Refusing, Way::Unavailable, Way::TakesHalf];
        if shared.ended.load(Ordering::SeqCst) || answers_itself.iter().any(|way| shared.is(*way)) {
            break;
        }
        // What comes meanwhile stays in the kernel.
        if shared.is(Way::Silent) {
            thread::sleep(LOOK_EVERY);
            continue;
        }
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if is_timeout(&error) => continue,
            Err(_) => break,
        };
        if direction == Direction::Answer && shared.is(Way::CutsAnswers) {
            shared.cut.fetch_add(1, Ordering::SeqCst);
            break;
        }
        let cut = direction == Direction::Request && shared.is(Way::CutsRequests);
        let length = if cut { length / 2 } else { length };
        if to.write_all(&buffer[..length]).is_err() || cut {
            break;
        }
    }
    // The other direction notices by it.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Reads a request, and answers it.
fn say_unavailable(mut stream: TcpStream) -> std::io::Result<()> {
    Request::read(&mut stream)?;
    stream.write_all(
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}
