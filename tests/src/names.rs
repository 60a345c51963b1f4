//! A name server that answers as a test says, over UDP (RFC 1035). It knows as much of the protocol as that
//! takes: one question, address records, response codes, and silence.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the server looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The length of a message's header.
const HEADER: usize = 12;
/// How long a late answer takes: several times what RFC 8305 section 3 has a client wait for the other family.
const LATE: Duration = Duration::from_millis(200);

/// What the server answers to a question for addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This address.
    Address(IpAddr),
    /// The name exists and has no address of this family.
    NoData,
    /// The name does not exist (NXDOMAIN).
    NotFound,
    /// The server failed (SERVFAIL).
    Failure,
    /// This address, long after everything else was answered.
    Late(IpAddr),
    /// Nothing, ever.
    Silence,
}

/// A running name server; it stops when this is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    questions: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Starts a server that answers every question for IPv4 addresses with `v4`, and for IPv6 addresses with `v6`.
    ///
    /// # Panics
    ///
    /// When no port is free.
    #[must_use]
    pub fn start(v4: Answer, v6: Answer) -> Self {
        let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| {
            socket.set_read_timeout(Some(LOOK_EVERY))?;
            Ok((socket.local_addr()?, socket))
        });
        let (address, socket) = bound.unwrap_or_else(|error| panic!("no port for a name server: {error}"));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let questions = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&questions);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                serve(&socket, v4, v6, &heard);
            }
        });
        Self {
            address,
            stop,
            questions,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names that were asked for so far, as they were written, each once and in the order of the alphabet:
    /// a name is asked for once for each family of addresses.
    #[must_use]
    pub fn questions(&self) -> Vec<String> {
        let mut names = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        names.sort();
        names.dedup();
        names
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread shows in the test's output; the test itself misses its answers.
            let _ = thread.join();
        }
    }
}

/// Answers one question, if one comes in time.
fn serve(socket: &UdpSocket, v4: Answer, v6: Answer, questions: &Mutex<Vec<String>>) {
    let mut buffer = [0; 1500];
    let received: io::Result<(usize, SocketAddr)> = socket.recv_from(&mut buffer);
    let Ok((length, client)) = received else { return };
    if let Some(name) = asked(&buffer[..length]) {
        questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name);
    }
    let Some((answer, response)) = respond(&buffer[..length], v4, v6) else {
        return;
    };
    // A client that has gone does not want the answer.
    match (answer, socket.try_clone()) {
        (Answer::Late(_), Ok(socket)) => {
            std::thread::spawn(move || {
                std::thread::sleep(LATE);
                let _ = socket.send_to(&response, client);
            });
        }
        _ => drop(socket.send_to(&response, client)),
    }
}

/// The name that a query asks for, labels joined by dots.
fn asked(query: &[u8]) -> Option<String> {
    let mut labels = Vec::new();
    let mut rest = query.get(HEADER..)?;
    loop {
        let (&length, after) = rest.split_first()?;
        if length == 0 {
            return Some(labels.join("."));
        }
        let (label, after) = after.split_at_checked(usize::from(length))?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = after;
    }
}

/// The answer to a query and how it is written, unless it is silence or the query makes no sense.
fn respond(query: &[u8], v4: Answer, v6: Answer) -> Option<(Answer, Vec<u8>)> {
    const A: u16 = 1;
    const AAAA: u16 = 28;
    let name_end = HEADER + query.get(HEADER..)?.iter().position(|&byte| byte == 0)? + 1;
    let question = query.get(HEADER..name_end + 4)?;
    let record_type = u16::from_be_bytes([*query.get(name_end)?, *query.get(name_end + 1)?]);
    let answer = match record_type {
        A => v4,
        AAAA => v6,
        _ => Answer::NoData,
    };
    let (code, address) = match answer {
        Answer::Address(address) | Answer::Late(address) => (0, Some(address)),
        Answer::NoData => (0, None),
        Answer::Failure => (2, None),
        Answer::NotFound => (3, None),
        Answer::Silence => return None,
    };
    let mut response = query.get(..2)?.to_vec();
    // A response, recursion desired and available, with this code; one question.
    response.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::from(address.is_some()),
        0,
        0,
        0,
        0,
    ]);
    response.extend(question);
    if let Some(address) = address {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // The name of the question, its type, class IN, a minute to live.
        response.extend([0xc0, 12]);
        response.extend(record_type.to_be_bytes());
        response.extend([0, 1, 0, 0, 0, 60, 0]);
        response.push(u8::try_from(octets.len()).ok()?);
        response.extend(octets);
    }
    Some((answer, response))
}
