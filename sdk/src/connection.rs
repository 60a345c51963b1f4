//! A connection as `std::io::Read` and `Write`. It has no timeouts to set, on purpose: the run has
//! one deadline and the host keeps it.

use std::io::{self, BufRead, Read, Write};

use crate::bindings::bedcheck::plugin::net::{self, TlsInfo, TlsOptions};
use crate::bindings::bedcheck::plugin::secrets::Sendable;
use crate::{CallError, Failure, Piece};

/// How much is asked of the host in one read, in bytes: the TLS record limit (RFC 8446 section 5.1).
const READ_SIZE: u32 = 16 * 1024;

/// How much is given to the host in one write, in bytes: the host copies 4 MiB in one call at most.
const WRITE_SIZE: usize = 1024 * 1024;

/// A buffered connection to what the check grants. Dropping it closes it.
///
/// Errors of its `Read`, `BufRead` and `Write` carry the host's [`CallError`] inside; `?` turns them
/// into a [`Failure`] without losing it.
#[derive(Debug)]
pub struct Connection {
    inner: net::Connection,
    buffer: Vec<u8>,
    consumed: usize,
}

impl Connection {
    /// Resolves `host` and connects to `port`. The host records the phases `resolve` and `connect`.
    ///
    /// # Errors
    ///
    /// Whatever keeps the host from connecting, a missing grant included.
    pub fn open(host: &str, port: u16) -> Result<Self, Failure> {
        let inner = net::Connection::connect(host, port)?;
        Ok(Self {
            inner,
            buffer: Vec::new(),
            consumed: 0,
        })
    }

    /// Negotiates TLS. The host records the phase `tls`.
    ///
    /// # Errors
    ///
    /// TLS errors; and [`Reason::UnexpectedResponse`](crate::Reason::UnexpectedResponse) when the
    /// peer sent plaintext ahead of the handshake, which an attacker in between could have put there.
    pub fn start_tls(&mut self, options: &TlsOptions) -> Result<TlsInfo, Failure> {
        if !self.buffered().is_empty() {
            return Err(Failure::unexpected_response(
                "the peer sent plaintext ahead of the TLS handshake",
            ));
        }
        Ok(self.inner.start_tls(options)?)
    }

    /// Waits for bytes and hands them over, those first that have been received and not yet read. None at all mean that
    /// the peer has ended the stream.
    ///
    /// # Errors
    ///
    /// Errors of the network.
    pub fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        if self.buffered().is_empty() {
            return Ok(self.inner.read(READ_SIZE)?);
        }
        let mut received = std::mem::take(&mut self.buffer);
        received.drain(..std::mem::take(&mut self.consumed));
        Ok(received)
    }

    /// Sends pieces, secrets among them, in one go.
    ///
    /// # Errors
    ///
    /// Errors of the network and of the secrets.
    pub fn send(&mut self, pieces: &[Piece<'_>]) -> Result<(), Failure> {
        // Bytes alone need not be copied to be handed over.
        if let &[Piece::Bytes(bytes)] = pieces {
            return Ok(self.inner.write(bytes)?);
        }
        let pieces: Vec<Sendable<'_>> = pieces.iter().map(Piece::to_sendable).collect();
        Ok(self.inner.send(&pieces)?)
    }

    /// Reads a line up to and without its `\n` or `\r\n`.
    ///
    /// # Errors
    ///
    /// Besides errors of the network: [`Reason::TooLarge`](crate::Reason::TooLarge) when there is no
    /// end of line within `maximum` bytes, and a closed connection when the stream ends before it.
    pub fn read_line_limited(&mut self, maximum: usize) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        loop {
            let available = self.fill_buf()?;
            if available.is_empty() {
                return Err(CallError::ConnectionClosed.into());
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(available.len(), |at| at + 1);
            line.extend_from_slice(&available[..taken]);
            self.consume(taken);
            if line.len() > maximum {
                return Err(Failure::too_large(format!("a line of more than {maximum} bytes")));
            }
            if end.is_some() {
                line.pop();
                line.pop_if(|&mut last| last == b'\r');
                return Ok(line);
            }
        }
    }

    /// What has been received and not yet read.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.consumed..]
    }

    /// The peer's address and port.
    pub fn peer_address(&self) -> String {
        self.inner.peer_address()
    }

    /// Closes the connection; with TLS, tells the peer.
    ///
    /// # Errors
    ///
    /// Errors of the network while telling the peer.
    pub fn close(self) -> Result<(), Failure> {
        Ok(self.inner.close()?)
    }
}

impl BufRead for Connection {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.buffer.len() {
            self.buffer = self.inner.read(READ_SIZE).map_err(io::Error::other)?;
            self.consumed = 0;
        }
        Ok(self.buffered())
    }

    fn consume(&mut self, amount: usize) {
        self.consumed += amount;
    }
}

impl Read for Connection {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(out.len());
        out[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(WRITE_SIZE)];
        self.inner.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
