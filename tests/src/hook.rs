//! An HTTP server that keeps what it is sent, as a service that waits for heartbeats does. It answers `200` to each
//! request and closes the connection.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query; empty if there is none.
    pub query: String,
    /// The body.
    pub body: String,
}

/// A server on loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Hook {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    sent: Mutex<Vec<Sent>>,
    ended: AtomicBool,
}

impl Hook {
    /// A server that has been sent nothing yet.
    ///
    /// # Panics
    ///
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|error| panic!("cannot listen on loopback: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("no address: {error}"));
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || serve(&listener, &serving));
        Self { address, shared }
    }

    /// The URL of a path, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came so far, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.shared
            .sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener, which looks whether it has ended.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection after the other, so that what came is in the order in which it was sent.
fn serve(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Some((mut stream, sent)) = stream.ok().and_then(receive) else {
            continue;
        };
        shared
            .sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sent);
        // Whoever asked may have gone away.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

/// Reads a request; none of a client that goes away or is silent.
fn receive(mut stream: TcpStream) -> Option<(TcpStream, Sent)> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(sent) = request(&bytes) {
            return Some((stream, sent));
        }
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&buffer[..length]);
    }
}

/// The request, once it is there whole.
fn request(bytes: &[u8]) -> Option<Sent> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    if body.len() < length.unwrap_or(0) {
        return None;
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Sent {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_when_it_is_whole() {
        let whole = b"POST /a/fail?rid=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwrong";
        assert_eq!(request(&whole[..whole.len() - 1]), None);
        let sent = request(whole).expect("a request");
        assert_eq!(
            (sent.method.as_str(), sent.path.as_str(), sent.query.as_str()),
            ("POST", "/a/fail", "rid=1")
        );
        assert_eq!(sent.body, "wrong");
    }
}
