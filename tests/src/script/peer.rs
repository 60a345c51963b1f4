//! The listening side of a scripted peer: accepts connections, gives each its script, and stops them all. What
//! happens on a connection is in `connection`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::connection::Connection;
use super::{Script, Transcript};

/// A listening peer. It stops when it is finished or dropped, whatever its connections are waiting for.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    control: Arc<Control>,
    listener: Option<JoinHandle<Vec<Transcript>>>,
}

impl Peer {
    /// Serves the first script to the first connection, the second to the second, and the last to all further
    /// ones, on a free port of this address.
    ///
    /// # Panics
    ///
    /// When there is no port to listen on, or no script.
    #[must_use]
    pub fn serve(address: IpAddr, scripts: Vec<Script>) -> Self {
        assert!(!scripts.is_empty(), "a peer needs a script");
        let listener = TcpListener::bind((address, 0))
            .unwrap_or_else(|error| panic!("cannot listen on `{address}`: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("a listener without an address: {error}"));
        let control = Arc::new(Control::default());
        let listener = thread::spawn({
            let control = Arc::clone(&control);
            move || accept(&listener, &scripts, &control)
        });
        Self {
            address,
            control,
            listener: Some(listener),
        }
    }

    /// The address to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops listening, ends the connections that are still open, and returns what came over each connection,
    /// in the order in which they were made. What the client sent before this call is in there.
    ///
    /// # Panics
    ///
    /// When a thread of the peer's has panicked.
    #[must_use]
    pub fn finish(mut self) -> Vec<Transcript> {
        self.stop()
            .unwrap_or_else(|| panic!("a thread of the scripted peer panicked"))
    }

    fn stop(&mut self) -> Option<Vec<Transcript>> {
        let listener = self.listener.take()?;
        // A listener that cannot be woken cannot be waited for either.
        self.control.stop(self.address).ok()?;
        listener.join().ok()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port on 127.0.0.1 which refuses connections, and is nobody else's for as long as this lives.
#[derive(Debug)]
pub struct ClosedPort {
    _bound: Socket,
    port: u16,
}

impl ClosedPort {
    /// Takes a port without listening on it.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn new() -> Self {
        let bind = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
            let address = socket.local_addr()?.as_socket();
            io::Result::Ok((socket, address.map_or(0, |address| address.port())))
        };
        let (bound, port) = bind().unwrap_or_else(|error| panic!("no free port: {error}"));
        Self { _bound: bound, port }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for ClosedPort {
    fn default() -> Self {
        Self::new()
    }
}

/// What the threads of a peer share.
#[derive(Debug, Default)]
pub(super) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Set when the peer stops: the client address of the connection that wakes the listener.
    wake: Option<SocketAddr>,
    /// The connections to end then, by the address of the client.
    open: Vec<(SocketAddr, TcpStream)>,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done in here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the listener, which serves the connections made before this one and then ends, and ends what the
    /// open connections are waiting for.
    fn stop(&self, address: SocketAddr) -> io::Result<()> {
        // The lock keeps the listener from looking at this connection before it is known for what it is.
        let mut state = self.state();
        let wake = TcpStream::connect(address)?;
        state.wake = Some(wake.local_addr()?);
        state.open.iter().for_each(|(_, stream)| end_reading(stream));
        self.changed.notify_all();
        Ok(())
    }

    /// Takes note of an accepted connection; returns false when it is the one that wakes the listener.
    fn opened(&self, client: SocketAddr, stream: &TcpStream) -> bool {
        let mut state = self.state();
        if state.wake == Some(client) {
            return false;
        }
        // Without a second handle the connection only ends by its client.
        if let Ok(stream) = stream.try_clone() {
            if state.wake.is_some() {
                end_reading(&stream);
            }
            state.open.push((client, stream));
        }
        true
    }

    /// Forgets a connection, which is closed only when nobody holds a handle of it.
    fn closed(&self, client: SocketAddr) {
        self.state().open.retain(|(open, _)| *open != client);
    }

    /// Waits this long; returns false when the peer stops meanwhile.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let waiting = self
            .changed
            .wait_timeout_while(self.state(), time, |state| state.wake.is_none());
        waiting.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Makes a connection end for its reader, after what has already arrived.
fn end_reading(stream: &TcpStream) {
    // Fails when the client has left, which ends it as well.
    let _ = stream.shutdown(Shutdown::Read);
}

/// Serves connections until the peer stops, and then collects what came over them.
fn accept(listener: &TcpListener, scripts: &[Script], control: &Arc<Control>) -> Vec<Transcript> {
    let mut connections = Vec::new();
    loop {
        // A connection which is gone before it is accepted is none.
        let Ok((stream, client)) = listener.accept() else {
            continue;
        };
        if !control.opened(client, &stream) {
            break;
        }
        let script = scripts
            .get(connections.len())
            .or(scripts.last())
            .cloned()
            .unwrap_or_default();
        let control = Arc::clone(control);
        connections.push(thread::spawn(move || {
            let transcript = Connection::new(stream).follow(&script, &control);
            control.closed(client);
            transcript
        }));
    }
    let transcript =
        |connection: JoinHandle<Transcript>| connection.join().unwrap_or_else(|panic| resume_unwind(panic));
    connections.into_iter().map(transcript).collect()
}
