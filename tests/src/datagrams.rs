//! A peer that answers datagrams, and on the same port messages over TCP, as a test says. It knows nothing of what is
//! in them but that over TCP their length is in front (RFC 1035 section 4.2.2).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the peer looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often another port is tried when one is free for UDP and taken for TCP.
const TRIES: usize = 20;

/// What is answered to a message: any number of messages.
pub type Answers = fn(&[u8]) -> Vec<Vec<u8>>;

/// A running peer; it stops when this is dropped.
#[derive(Debug)]
pub struct DatagramPeer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    heard: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl DatagramPeer {
    /// Starts a peer that answers each datagram so, and so the first message of each connection.
    ///
    /// # Panics
    ///
    /// When no port is free.
    #[must_use]
    pub fn start(over_udp: Answers, over_tcp: Answers) -> Self {
        let bound = (0..TRIES).find_map(|_| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let address = listener.local_addr().ok()?;
            Some((UdpSocket::bind(address).ok()?, listener, address))
        });
        let (socket, listener, address) = bound.expect("a port is free for UDP and TCP");
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(AtomicUsize::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&heard));
        let datagrams = std::thread::spawn(move || {
            serve_datagrams(&socket, over_udp, &stopped, &counted);
        });
        let stopped = Arc::clone(&stop);
        let connections = std::thread::spawn(move || serve_connections(&listener, over_tcp, &stopped));
        Self {
            address,
            stop,
            heard,
            threads: vec![datagrams, connections],
        }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many datagrams have come.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for DatagramPeer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread shows in the test's output; the test itself misses its answers.
            let _ = thread.join();
        }
    }
}

fn serve_datagrams(socket: &UdpSocket, answers: Answers, stop: &AtomicBool, heard: &AtomicUsize) {
    socket
        .set_read_timeout(Some(LOOK_EVERY))
        .expect("the time is not zero");
    let mut buffer = [0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        heard.fetch_add(1, Ordering::Relaxed);
        for answer in answers(&buffer[..length]) {
            // A client that is gone is what some tests are about.
            let _ = socket.send_to(&answer, client);
        }
    }
}

fn serve_connections(listener: &TcpListener, answers: Answers, stop: &AtomicBool) {
    listener.set_nonblocking(true).expect("a listener need not block");
    while !stop.load(Ordering::Relaxed) {
        match listener.accept() {
            // As above.
            Ok((stream, _)) => drop(serve_connection(stream, answers)),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}

fn serve_connection(mut stream: TcpStream, answers: Answers) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    for answer in answers(&message) {
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat())?;
    }
    Ok(())
}
