//! Scripted peers: what a plugin meets when it is tested without a network. Names that lead somewhere, and
//! for each connection the steps of the other side. Pure data and a state machine: no sockets, no clock, no
//! protocol; and no TOML, which `config::parse_script` reads.

mod dialogue;
#[cfg(test)]
mod dialogue_tests;
mod exchange;
mod pattern;
mod step;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use dialogue::{Dialogue, Next};
pub use exchange::{Arrival, Exchange};
pub use pattern::{Captures, Pattern, Template};
pub use step::{Step, TlsAnswer};

use super::Error;

/// What names lead to, by their [`canonical`] form: addresses, or the error of the look-up.
pub type Names = BTreeMap<String, Result<Vec<IpAddr>, Error>>;

/// How long each look-up, dialling, handshake and answer takes by default: about a round trip in a network
/// of one's own, and more than nothing, so that phases have a length and an order.
pub const DEFAULT_LATENCY: Duration = Duration::from_millis(1);

/// All the peers that a plugin can meet in one run. Immutable: every run begins at the beginning.
#[derive(Debug, Clone)]
pub struct Script {
    names: Names,
    peers: Vec<Peer>,
    repeats_last: bool,
    latency: Duration,
}

/// Over what a peer is talked to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// A connection.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

/// Who answers one connection, or the datagrams of one socket.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Over what.
    pub transport: Transport,
    /// The only port it answers on; any without it.
    pub port: Option<u16>,
    /// What it does, or why there is no connection.
    pub steps: Result<Arc<[Step]>, Error>,
}

impl Script {
    /// Peers for the first connection of a run, the second, and so on; later ones are refused.
    pub fn new(names: Names, peers: Vec<Peer>) -> Self {
        Self {
            names,
            peers,
            repeats_last: false,
            latency: DEFAULT_LATENCY,
        }
    }

    /// From recorded exchanges: what the names led to, and for each connection that was tried its steps or
    /// its error. What was written is best told as [`Step::Heard`], of which the length is known even where
    /// the bytes hold secrets.
    pub fn from_dialogues(
        names: impl IntoIterator<Item = (String, Result<Vec<IpAddr>, Error>)>,
        connections: impl IntoIterator<Item = Result<Vec<Step>, Error>>,
    ) -> Self {
        let of_tcp = |steps| (Transport::Tcp, steps);
        Self::from_exchanges(names, connections.into_iter().map(of_tcp))
    }

    /// The same from connections and sockets for datagrams, in the order in which they were opened.
    pub fn from_exchanges(
        names: impl IntoIterator<Item = (String, Result<Vec<IpAddr>, Error>)>,
        peers: impl IntoIterator<Item = (Transport, Result<Vec<Step>, Error>)>,
    ) -> Self {
        let names = names.into_iter().map(|(name, found)| (canonical(&name), found));
        let peer = |(transport, steps): (Transport, Result<Vec<Step>, Error>)| Peer {
            transport,
            port: None,
            steps: steps.map(Arc::from),
        };
        Self::new(names.collect(), peers.into_iter().map(peer).collect())
    }

    /// The same with the last peer for all later connections too.
    pub fn repeating_last(mut self) -> Self {
        self.repeats_last = true;
        self
    }

    /// The same with another latency.
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// How long each look-up, dialling, handshake and answer takes; [`DEFAULT_LATENCY`] unless the script
    /// says otherwise.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// Looks a name up, whatever its case. An address stands for itself.
    ///
    /// # Errors
    ///
    /// The one that the script has for the name; a name of which it says nothing does not exist.
    pub fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        match self.names.get(&canonical(host)) {
            Some(found) => found.clone(),
            None => Err(Error::NameNotFound(host.to_owned())),
        }
    }

    /// The `nth` connection of a run, from 0. Every call counts, also one that came to nothing.
    ///
    /// # Errors
    ///
    /// The one that the script has for the connection; refused, when it has none of that number or the peer
    /// answers on another port.
    pub fn dial(&self, nth: usize, address: SocketAddr) -> Result<Dialogue, Error> {
        let steps = self.peer(nth, address, Transport::Tcp)?.steps.as_ref();
        Ok(Dialogue::new(Arc::clone(steps.map_err(Error::clone)?), nth + 1))
    }

    /// The `nth` connection of a run, if it is a socket for datagrams.
    ///
    /// # Errors
    ///
    /// As with [`Self::dial`]; a peer that refuses does so once it is sent something.
    pub fn open_datagrams(&self, nth: usize, address: SocketAddr) -> Result<Exchange, Error> {
        match &self.peer(nth, address, Transport::Udp)?.steps {
            Ok(steps) => Ok(Exchange::new(Arc::clone(steps), nth + 1)),
            Err(Error::Refused(_)) => Ok(Exchange::refused(nth + 1)),
            Err(error) => Err(error.clone()),
        }
    }

    fn peer(&self, nth: usize, address: SocketAddr, transport: Transport) -> Result<&Peer, Error> {
        let peer = match self.peers.get(nth) {
            Some(peer) => Some(peer),
            None if self.repeats_last => self.peers.last(),
            None => None,
        };
        let Some(peer) = peer else {
            return Err(Error::Refused(format!(
                "{address}: the script has {} and this is number {}",
                counted(self.peers.len(), "connection"),
                nth + 1
            )));
        };
        if let Some(port) = peer.port.filter(|port| *port != address.port()) {
            return Err(Error::Refused(format!(
                "{address}: connection {} of the script is on port {port}",
                nth + 1
            )));
        }
        if peer.transport != transport {
            let words = match peer.transport {
                Transport::Tcp => "over TCP",
                Transport::Udp => "over UDP",
            };
            return Err(Error::Refused(format!(
                "{address}: connection {} of the script is {words}",
                nth + 1
            )));
        }
        Ok(peer)
    }
}

/// A name as [`Names`] has it: names differ neither by case nor by the dot at their end (RFC 4343).
pub fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// `1 byte`, `2 bytes`.
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn names_lead_where_the_script_says() {
        let found = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let gone = Error::NameServerFailure("no answer".into());
        let script = Script::from_dialogues(
            [
                ("Mail.example.org".to_owned(), Ok(found.clone())),
                ("sick.example.org".to_owned(), Err(gone.clone())),
            ],
            [],
        );
        assert_eq!(script.resolve("mail.EXAMPLE.org."), Ok(found));
        assert_eq!(script.resolve("sick.example.org"), Err(gone));
        assert_eq!(
            script.resolve("other.example.org"),
            Err(Error::NameNotFound("other.example.org".into()))
        );
        assert_eq!(script.resolve("::1"), Ok(vec!["::1".parse().unwrap()]));
    }

    #[test]
    fn connections_are_served_in_order_and_then_refused() {
        let script = Script::from_dialogues([], [Ok(vec![Step::HangUp]), Err(Error::Reset), Ok(Vec::new())]);
        let peer = address("192.0.2.1:993");
        assert_eq!(script.dial(0, peer).unwrap().next(1), Next::End);
        assert_eq!(script.dial(1, peer).unwrap_err(), Error::Reset);
        assert_eq!(script.dial(2, peer).unwrap().next(1), Next::Never);
        assert_eq!(
            script.dial(3, peer).unwrap_err().to_string(),
            "connection refused by 192.0.2.1:993: the script has 3 connections and this is number 4"
        );
        let script = script.repeating_last();
        assert_eq!(script.dial(3, peer).unwrap().next(1), Next::Never);
    }

    #[test]
    fn a_peer_answers_on_its_own_port_only() {
        let peer = Peer {
            transport: Transport::Tcp,
            port: Some(993),
            steps: Ok(Arc::from([])),
        };
        let script = Script::new(Names::new(), vec![peer]);
        assert!(script.dial(0, address("[2001:db8::1]:993")).is_ok());
        assert_eq!(
            script
                .dial(0, address("[2001:db8::1]:143"))
                .unwrap_err()
                .to_string(),
            "connection refused by [2001:db8::1]:143: connection 1 of the script is on port 993"
        );
    }
}
