//! The IMAP check of bedcheck: greeting, capabilities, STARTTLS or implicit TLS, login, each mailbox
//! opened and counted, logout.
//!
//! It keeps to RFC 9051 (IMAP4rev2) and RFC 3501 (IMAP4rev1), with RFC 2595 (STARTTLS), RFC 4616 (the
//! mechanism PLAIN), RFC 4959 (SASL-IR), RFC 7888 (LITERAL+ and LITERAL-) and RFC 5530 (response
//! codes). Mailbox names go out in the modified UTF-7 of IMAP4rev1, which a server of both revisions
//! takes until it is asked for the other.
//!
//! The protocol lives in the modules and sees the host through two traits; this file holds the
//! description and those traits put on top of the SDK.

mod check;
mod commands;
mod dialogue;
mod foreign;
#[cfg(test)]
mod fuzz;
mod host;
mod mailbox;
mod receive;
mod remarks;
mod response;
#[cfg(test)]
mod script;
mod settings;
mod text;

use bedcheck_sdk::{
    Check, Connection, Description, Failure, Piece, Planned, Secret, Target, TlsOptions, debug, measure,
    phase, phase_of, plan, warning,
};

use host::{Part, Phase, Recorder, Transport};
use settings::{CLEAR_PORT, IMPLICIT_TLS_PORT, SCHEMA, Settings, Tls};

struct Imap;

impl Check for Imap {
    type Settings = Settings;

    fn describe() -> Description {
        bedcheck_bare::tell_panics();
        Description::new(
            "imap",
            env!("CARGO_PKG_VERSION"),
            "logs in to an IMAP server, opens mailboxes and counts their messages",
        )
        .phases(check::PHASES)
        .capabilities(["net.connect", "net.tls", "secrets"])
        .target(Target::host_and_port(
            "host",
            "port",
            [IMPLICIT_TLS_PORT, CLEAR_PORT],
        ))
        .settings_schema(SCHEMA)
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        bedcheck_bare::tell_panics();
        check::run(&settings, &HostRecorder, || HostTransport::open(&settings))
    }
}

bedcheck_sdk::register!(Imap);

/// The connection that the host keeps, and the handle of the password.
struct HostTransport {
    connection: Connection,
    password: Option<Secret>,
}

impl HostTransport {
    fn open(settings: &Settings) -> Result<Self, Failure> {
        // First, so that a missing secret is found without troubling the server.
        let password = settings
            .login
            .as_ref()
            .map(|login| login.password.open())
            .transpose()?;
        let connection = Connection::open(&settings.host, settings.port)?;
        let mut transport = Self { connection, password };
        if settings.tls == Tls::Implicit {
            transport.start_tls()?;
        }
        Ok(transport)
    }
}

impl Transport for HostTransport {
    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        self.connection.receive()
    }

    fn send(&mut self, parts: &[Part]) -> Result<(), Failure> {
        let Self { connection, password } = self;
        if let [Part::Bytes(bytes)] = parts {
            return connection.send(&[Piece::Bytes(bytes)]);
        }
        let password = password.as_ref();
        let joined = parts
            .iter()
            .map(|part| match part {
                Part::Base64WithPassword(before) => Ok(Some([Piece::Bytes(before), secret(password)?])),
                Part::Bytes(_) | Part::Password => Ok(None),
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        let pieces = parts
            .iter()
            .zip(&joined)
            .map(|(part, joined)| match (part, joined) {
                (_, Some(joined)) => Ok(Piece::Base64(joined)),
                (Part::Bytes(bytes) | Part::Base64WithPassword(bytes), None) => Ok(Piece::Bytes(bytes)),
                (Part::Password, None) => secret(password),
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        connection.send(&pieces)
    }

    fn start_tls(&mut self) -> Result<(), Failure> {
        let options = TlsOptions {
            server_name: None,
            alpn: Vec::new(),
        };
        self.connection.start_tls(&options)?;
        Ok(())
    }

    fn password_length(&self) -> usize {
        self.password
            .as_ref()
            .map_or(0, |password| password.length() as usize)
    }
}

fn secret(password: Option<&Secret>) -> Result<Piece<'_>, Failure> {
    password
        .map(Piece::Secret)
        .ok_or_else(|| Failure::settings_invalid("the settings have no `password`"))
}

/// The timeline, the measurements and the log of the host.
struct HostRecorder;

impl Recorder for HostRecorder {
    fn plan(&self, phases: &[Phase<'_>]) -> Result<(), Failure> {
        plan(phases.iter().map(|phase| match phase.detail {
            Some(detail) => Planned::of(phase.name, detail),
            None => Planned::new(phase.name),
        }))
    }

    fn phase<T>(&self, which: Phase<'_>, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        match which.detail {
            Some(detail) => phase_of(which.name, detail, body),
            None => phase(which.name, body),
        }
    }

    fn measure(&self, name: &str, messages: u32, mailbox: &str) -> Result<(), Failure> {
        measure(name, f64::from(messages), "{message}", &[("mailbox", mailbox)])
    }

    fn debug(&self, message: &str) {
        debug(message);
    }

    fn warning(&self, message: &str) {
        warning(message);
    }
}
