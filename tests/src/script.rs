//! A peer that follows a script and knows no protocol: the truth of a test is the bytes written in the test.
//!
//! ```
//! use std::io::{Read, Write};
//! use bedcheck_tests::script::Script;
//!
//! let peer = Script::new().send("* OK hi\r\n").expect("a LOGOUT\r\n").hang_up().serve();
//!
//! let mut client = std::net::TcpStream::connect(peer.address())?;
//! client.write_all(b"a LOGOUT\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//!
//! assert_eq!(answer, "* OK hi\r\n");
//! let transcripts = peer.finish();
//! assert_eq!(transcripts[0].mismatch, None);
//! # Ok::<(), std::io::Error>(())
//! ```

mod connection;
mod peer;

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

pub use peer::{ClosedPort, Peer};

/// What the peer does with a connection, step by step. After the last step it hangs up.
#[derive(Clone, Debug, Default)]
pub struct Script {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Drip(Vec<u8>, Duration),
    Expect(Vec<u8>),
    ExpectThrough(Vec<u8>),
    StartTls(Arc<ServerConfig>),
    Stall,
    HangUp,
    Reset,
}

impl Script {
    /// A script without steps: the peer accepts and hangs up.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends these bytes.
    #[must_use]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Sends these bytes one by one, each after a pause.
    #[must_use]
    pub fn drip(self, bytes: impl AsRef<[u8]>, every: Duration) -> Self {
        self.then(Step::Drip(bytes.as_ref().to_vec(), every))
    }

    /// Waits for exactly these bytes. When something else comes, the peer records it and hangs up.
    #[must_use]
    pub fn expect(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Expect(bytes.as_ref().to_vec()))
    }

    /// Waits for anything that ends with these bytes, as a request of HTTP does with an empty line.
    #[must_use]
    pub fn expect_through(self, end: impl AsRef<[u8]>) -> Self {
        self.then(Step::ExpectThrough(end.as_ref().to_vec()))
    }

    /// Does the server's part of a TLS handshake; everything after it is encrypted. As the first step, this is
    /// TLS from the first byte.
    #[must_use]
    pub fn start_tls(self, config: Arc<ServerConfig>) -> Self {
        self.then(Step::StartTls(config))
    }

    /// Reads whatever comes and never answers, until the client leaves.
    #[must_use]
    pub fn stall(self) -> Self {
        self.then(Step::Stall)
    }

    /// Closes the connection in good order, with the closing alert of TLS, and reads until the client leaves.
    #[must_use]
    pub fn hang_up(self) -> Self {
        self.then(Step::HangUp)
    }

    /// Closes the connection with a reset (RFC 9293, section 3.5.2), which the client sees as an error.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Serves this script to every connection, on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When there is no port to listen on.
    #[must_use]
    pub fn serve(self) -> Peer {
        Peer::serve(Ipv4Addr::LOCALHOST.into(), vec![self])
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// What happened on one connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transcript {
    /// Everything the client sent, without the encryption.
    pub received: Vec<u8>,
    /// Where the client left the script, if it did.
    pub mismatch: Option<Mismatch>,
}

impl Transcript {
    /// Everything the client sent, as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

/// Where a client left the script.
#[derive(Clone, Eq, PartialEq)]
pub struct Mismatch {
    /// The number of the step, from 1.
    pub step: usize,
    /// What the script wanted.
    pub expected: String,
    /// What came instead.
    pub came: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {}: expected {}, but {}", self.step, self.expected, self.came)
    }
}

/// The sentence, because this is what a failed assertion prints.
impl fmt::Debug for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
