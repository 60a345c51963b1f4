//! The DNS check of bedcheck: one question to one name server, over UDP, TCP or TLS, and what is expected of the
//! answer.
//!
//! It keeps to RFC 1034 and RFC 1035, RFC 7766 (DNS over TCP) and RFC 7858 (DNS over TLS). An answer that was cut
//! off to fit a datagram is asked for again over TCP. What does not answer the question, by its number and by the
//! question it repeats, is passed over: it may be late, or forged (RFC 5452 section 9.1).
//!
//! The protocol lives in the modules and sees the host through two traits; this file holds the description and
//! those traits put on top of the SDK.

mod answer;
mod check;
mod expect;
#[cfg(test)]
mod fuzz;
mod mnemonics;
mod name;
mod presentation;
mod query;
mod rcode;
mod settings;
mod strays;
#[cfg(test)]
mod tests;

use std::io::Write;

use bedcheck_sdk::{
    Check, Connection, DatagramSocket, Description, Failure, Planned, Target, TlsOptions, debug, measure,
    phase, phase_of, plan,
};

use hickory_proto::op::Message;

use check::{Peer, Recorder};
use settings::{PORT, SCHEMA, Settings, TLS_PORT, Transport};

struct Dns;

impl Check for Dns {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new(
            "dns",
            env!("CARGO_PKG_VERSION"),
            "asks a name server a question and looks at its answer",
        )
        .phases(check::PHASES)
        .capabilities(["net.connect", "net.datagram", "net.tls"])
        .target(Target::host_and_port("host", "port", [PORT, TLS_PORT]))
        .settings_schema(SCHEMA)
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        check::run(&settings, &HostRecorder, |transport| {
            HostPeer::open(&settings.host, settings.port, transport)
        })
    }
}

bedcheck_sdk::register!(Dns);

/// The name server, as the host reaches it.
enum HostPeer {
    Datagrams(DatagramSocket),
    Stream(Connection),
}

impl HostPeer {
    fn open(host: &str, port: u16, transport: Transport) -> Result<Self, Failure> {
        if transport == Transport::Udp {
            return DatagramSocket::open(host, port).map(Self::Datagrams);
        }
        let mut connection = Connection::open(host, port)?;
        if transport == Transport::Tls {
            // The protocol's registered name (RFC 7858 section 8.1 of the registry of ALPN).
            let options = TlsOptions {
                server_name: None,
                alpn: vec!["dot".into()],
            };
            connection.start_tls(&options)?;
        }
        Ok(Self::Stream(connection))
    }
}

impl Peer for HostPeer {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Datagrams(socket) => socket.send(bytes),
            Self::Stream(connection) => Ok(connection.write_all(bytes)?),
        }
    }

    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Datagrams(socket) => socket.receive(),
            Self::Stream(connection) => connection.receive(),
        }
    }
}

/// The timeline, the measurements and the log of the host.
struct HostRecorder;

impl Recorder for HostRecorder {
    fn plan(&self, phases: &[&str]) -> Result<(), Failure> {
        plan(phases.iter().map(|name| Planned::new(*name)))
    }

    fn phase<T>(
        &self,
        name: &str,
        detail: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match detail {
            Some(detail) => phase_of(name, detail, body),
            None => phase(name, body),
        }
    }

    fn number(&self) -> u16 {
        // The codec begins every query with a random one.
        Message::query().metadata.id
    }

    fn measure(&self, name: &str, value: f64, unit: &str) -> Result<(), Failure> {
        measure(name, value, unit, &[])
    }

    fn debug(&self, message: &str) {
        debug(message);
    }
}
