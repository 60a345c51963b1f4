//! A plugin for the benchmark: it does nothing. Given a peer it would do what plugins do, connect, speak TLS, converse
//! and measure, so that it imports what they import: each import costs something whenever an instance is made.

use std::io::{BufRead, Write};

use bedcheck_sdk::{
    Check, Connection, Description, Failure, Piece, Planned, SecretName, TlsOptions, info, measure, phase,
    plan,
};

#[derive(serde::Deserialize)]
struct Settings {
    peer: Option<Peer>,
}

#[derive(serde::Deserialize)]
struct Peer {
    host: String,
    port: u16,
    password: SecretName,
}

struct Idle;

impl Check for Idle {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new("idle", "0.1.0", "does nothing unless it is given a peer")
            .phases(["resolve", "connect", "tls", "login", "answer"])
            .capabilities(["net.connect", "net.tls", "secrets"])
            .settings_schema(r#"{"type": "object"}"#)
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        settings.peer.map_or(Ok(()), |peer| converse(&peer))
    }
}

bedcheck_sdk::register!(Idle);

fn converse(peer: &Peer) -> Result<(), Failure> {
    plan(["resolve", "connect", "tls", "login", "answer"].map(Planned::new))?;
    let password = peer.password.open()?;
    let mut connection = Connection::open(&peer.host, peer.port)?;
    connection.start_tls(&TlsOptions {
        server_name: None,
        alpn: Vec::new(),
    })?;
    phase("login", || {
        connection.send(&[Piece::Secret(&password), Piece::Bytes(b"\r\n")])
    })?;
    let length = phase("answer", || {
        connection.write_all(b"?\r\n")?;
        let length = connection.fill_buf()?.len();
        connection.consume(length);
        Ok(length)
    })?;
    info("answered");
    measure("idle.answer.size", length as f64, "By", &[])
}
