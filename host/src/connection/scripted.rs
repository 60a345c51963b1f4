//! Connections and datagram sockets to scripted peers: what the script says, in the time of a run's clock.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use super::script::{Arrival, Dialogue, Exchange, Next};
use super::{Certificate, Error, TlsInfo, UNUSABLE};
use crate::clock::Clock;

/// One end of a dialogue with a scripted peer.
#[derive(Debug)]
pub(super) struct Scripted {
    dialogue: Dialogue,
    clock: Clock,
    latency: Duration,
}

impl Scripted {
    pub(super) fn new(dialogue: Dialogue, clock: Clock, latency: Duration) -> Self {
        Self {
            dialogue,
            clock,
            latency,
        }
    }

    pub(super) async fn start_tls(&mut self) -> Result<TlsInfo, Error> {
        while let Some(held) = self.dialogue.before_tls() {
            match held {
                Next::Wait(pause) => wait(&self.clock, pause).await,
                _ => pending().await,
            }
        }
        wait(&self.clock, self.latency).await;
        self.dialogue.start_tls()
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.dialogue.certificate()
    }

    /// Bytes; none at the end of the stream.
    pub(super) async fn read(&mut self, maximum: usize) -> Result<Vec<u8>, Error> {
        self.check()?;
        loop {
            match self.dialogue.next(maximum) {
                Next::Bytes(bytes) => {
                    wait(&self.clock, self.latency).await;
                    return Ok(bytes);
                }
                Next::Wait(pause) => wait(&self.clock, pause).await,
                Next::End => return Ok(Vec::new()),
                Next::Reset => return Err(Error::Reset),
                Next::Never => pending().await,
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.dialogue.written(bytes)
    }

    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.check()?;
        self.dialogue.close();
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        match self.dialogue.is_unusable() {
            true => Err(UNUSABLE),
            false => Ok(()),
        }
    }

    /// What did not go by the script.
    pub(super) fn complaint(&self) -> Option<&str> {
        self.dialogue.complaint()
    }
}

/// One end of an exchange of datagrams with a scripted peer.
#[derive(Debug)]
pub(super) struct ScriptedDatagrams {
    exchange: Exchange,
    peer: SocketAddr,
    clock: Clock,
    latency: Duration,
}

impl ScriptedDatagrams {
    pub(super) fn new(exchange: Exchange, peer: SocketAddr, clock: Clock, latency: Duration) -> Self {
        Self {
            exchange,
            peer,
            clock,
            latency,
        }
    }

    pub(super) fn send(&mut self, datagram: &[u8]) -> Result<(), Error> {
        match self.exchange.sent(datagram) {
            true => Ok(()),
            false => Err(Error::Refused(self.peer.to_string())),
        }
    }

    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            match self.exchange.arrival() {
                Arrival::Datagram(datagram) => {
                    wait(&self.clock, self.latency).await;
                    return Ok(datagram);
                }
                Arrival::Refusal => {
                    wait(&self.clock, self.latency).await;
                    return Err(Error::Refused(self.peer.to_string()));
                }
                Arrival::Wait(pause) => wait(&self.clock, pause).await,
                Arrival::Never => pending().await,
            }
        }
    }

    /// What did not go by the script.
    pub(super) fn complaint(&self) -> Option<&str> {
        self.exchange.complaint()
    }
}

pub(super) async fn wait(clock: &Clock, pause: Duration) {
    clock.sleep_until(clock.now() + pause).await;
}
