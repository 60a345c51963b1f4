//! One connection of a scripted peer: follows the steps of its script and keeps what the client sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

use super::peer::Control;
use super::{Mismatch, Script, Step, Transcript};

/// How much of what a client sends instead of what was expected is shown, in bytes: a request and its headers.
const REST_BYTES: usize = 1024;

/// How long to listen for the rest of what a client sends instead of what was expected, to show it all.
const REST_WITHIN: Duration = Duration::from_millis(50);

/// One connection, and what has come over it.
pub(super) struct Connection {
    stream: Stream,
    received: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

/// How a step ended, when the client did not leave the script.
enum Done {
    Step,
    Script,
}

/// What a step expected, and what came.
type Left = (String, String);

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream: Stream::Plain(stream),
            received: Vec::new(),
        }
    }

    pub(super) fn follow(mut self, script: &Script, control: &Control) -> Transcript {
        for (index, step) in script.steps.iter().enumerate() {
            match self.take(step, control) {
                Ok(Done::Step) => {}
                Ok(Done::Script) => {
                    return Transcript {
                        received: self.received,
                        mismatch: None,
                    };
                }
                Err((expected, came)) => {
                    self.hang_up();
                    let mismatch = Some(Mismatch {
                        step: index + 1,
                        expected,
                        came,
                    });
                    return Transcript {
                        received: self.received,
                        mismatch,
                    };
                }
            }
        }
        self.hang_up();
        Transcript {
            received: self.received,
            mismatch: None,
        }
    }

    fn take(&mut self, step: &Step, control: &Control) -> Result<Done, Left> {
        match step {
            Step::Send(bytes) => self.send(bytes).map_err(|error| {
                (
                    format!("the client to take {}", quoted(bytes)),
                    format!("sending failed: {error}"),
                )
            })?,
            Step::Drip(bytes, every) => {
                for byte in bytes {
                    // A client that has enough of it does what it should.
                    if !control.pause(*every) || self.send(&[*byte]).is_err() {
                        return Ok(Done::Script);
                    }
                }
            }
            Step::Expect(bytes) => self.expect(bytes)?,
            Step::ExpectThrough(end) => self.expect_through(end)?,
            Step::StartTls(config) => self
                .start_tls(config)
                .map_err(|error| ("a TLS handshake".to_owned(), format!("it failed: {error}")))?,
            Step::Stall => {
                while self.read_byte().is_some() {}
                return Ok(Done::Script);
            }
            Step::HangUp => {
                self.hang_up();
                return Ok(Done::Script);
            }
            Step::Cut => {
                self.end();
                return Ok(Done::Script);
            }
            Step::Reset => {
                // Fails when the client has left, and then there is nothing to reset.
                let _ = SockRef::from(self.tcp()).set_linger(Some(Duration::ZERO));
                return Ok(Done::Script);
            }
        }
        Ok(Done::Step)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<(), Left> {
        let mut came = Vec::new();
        while came.len() < wanted.len() {
            let Some(byte) = self.read_byte() else {
                return Err((quoted(wanted), left_after(&came)));
            };
            came.push(byte);
            if !wanted.starts_with(&came) {
                came.extend(self.read_rest());
                return Err((quoted(wanted), format!("{} came", quoted(&came))));
            }
        }
        Ok(())
    }

    fn expect_through(&mut self, end: &[u8]) -> Result<(), Left> {
        let mut came = Vec::new();
        while !came.ends_with(end) {
            let Some(byte) = self.read_byte() else {
                return Err((
                    format!("something that ends with {}", quoted(end)),
                    left_after(&came),
                ));
            };
            came.push(byte);
        }
        Ok(())
    }

    fn start_tls(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        let mut tcp = self.tcp().try_clone()?;
        let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(tls, tcp)));
        Ok(())
    }

    /// Closes in good order.
    fn hang_up(&mut self) {
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.send_close_notify();
        }
        self.end();
    }

    /// Ends what is sent. Reads until the client leaves, because a connection that is closed with something unread in it
    /// is reset.
    fn end(&mut self) {
        // Both fail when the client has left already.
        let _ = self.stream.flush();
        let _ = self.tcp().shutdown(Shutdown::Write);
        while self.read_byte().is_some() {}
    }

    /// The next byte, or nothing when the client has left. One at a time, so that nothing is taken out of the
    /// connection which a TLS handshake needs.
    fn read_byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        let read = loop {
            match self.stream.read(&mut byte) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        if !matches!(read, Ok(1)) {
            return None;
        }
        self.received.extend(byte);
        Some(byte[0])
    }

    /// What else the client has sent, as far as it comes soon.
    fn read_rest(&mut self) -> Vec<u8> {
        // Fails only for a time of zero.
        let _ = self.tcp().set_read_timeout(Some(REST_WITHIN));
        let rest = std::iter::from_fn(|| self.read_byte()).take(REST_BYTES).collect();
        let _ = self.tcp().set_read_timeout(None);
        rest
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    format!("`{}`", bytes.escape_ascii())
}

fn left_after(came: &[u8]) -> String {
    if came.is_empty() {
        "the client left".to_owned()
    } else {
        format!("the client left after {}", quoted(came))
    }
}
