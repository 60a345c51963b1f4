//! The TCP check of bedcheck: connect, TLS where it is wanted, and a dialogue in steps, each of which is a phase
//! of its own: send this, expect a line that matches that, begin TLS.
//!
//! It does what the `tcp` prober of blackbox_exporter does with its `query_response`, and lets a check say which
//! answers are a failure, so that a refusal is reported at once and in the server's words.
//!
//! The dialogue lives in the modules and sees the host through two traits; this file holds the description and
//! those traits put on top of the SDK.
//!
//! # Measurements
//!
//! | name | unit | what |
//! | --- | --- | --- |
//! | `tcp.capture` | `1` | 1, with the named groups and the labels of an `expect` that matched as attributes |
//! | `tls.server.certificate.time_left` | `s` | how long the certificate is still valid, negative once it has expired; with TLS only |

mod check;
mod dialogue;
mod host;
mod outgoing;
mod receive;
#[cfg(test)]
mod script;
mod settings;
mod template;
mod text;

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::time::UNIX_EPOCH;

use bedcheck_sdk::{
    Check, Connection, Description, Failure, Piece, Planned, Secret, Target, TlsInfo, TlsOptions, debug,
    measure, phase, phase_of, plan,
};

use host::{Fragment, Phase, Recorder, Transport};
use settings::{SCHEMA, Settings};

struct Tcp;

impl Check for Tcp {
    type Settings = Settings;

    fn describe() -> Description {
        bedcheck_bare::tell_panics();
        Description::new(
            "tcp",
            env!("CARGO_PKG_VERSION"),
            "connects, and holds a dialogue against what is expected, step by step",
        )
        .phases(check::PHASES)
        .capabilities(["net.connect", "net.tls", "secrets"])
        .target(Target::host_and_port("host", "port", Vec::new()))
        .settings_schema(SCHEMA)
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        bedcheck_bare::tell_panics();
        // Regular expressions are laborious to take apart, and all memory of a run goes with it.
        let settings = ManuallyDrop::new(settings);
        check::run(&settings, &HostRecorder, seconds_since_1970, || {
            HostTransport::open(&settings)
        })
    }
}

bedcheck_sdk::register!(Tcp);

/// Zero should the clock stand before 1970, so that certificates seem valid rather than expired.
fn seconds_since_1970() -> i64 {
    bedcheck_bare::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The connection that the host keeps, and the handles of the secrets by their names.
struct HostTransport {
    connection: Connection,
    secrets: Secrets,
}

/// Each with its length in bytes.
type Secrets = BTreeMap<String, (Secret, usize)>;

impl HostTransport {
    fn open(settings: &Settings) -> Result<Self, Failure> {
        // First, so that a secret that is missing or too long is found without troubling the server.
        let mut secrets = Secrets::new();
        for name in settings.secrets() {
            if !secrets.contains_key(name.as_str()) {
                let secret = name.open()?;
                let length = secret.length() as usize;
                secrets.insert(name.as_str().to_owned(), (secret, length));
            }
        }
        outgoing::check_steps(&settings.steps, |name| length_of(&secrets, name))?;
        let connection = Connection::open(&settings.host, settings.port)?;
        Ok(Self { connection, secrets })
    }
}

impl Transport for HostTransport {
    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        self.connection.receive()
    }

    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure> {
        // What is to be in base64 is made first, because pieces only borrow it.
        let encoded: Vec<Vec<Piece<'_>>> = message
            .iter()
            .map(|fragment| match fragment {
                Fragment::Base64(inner) => inner
                    .iter()
                    .map(|fragment| plain(&self.secrets, fragment))
                    .collect(),
                Fragment::Bytes(_) | Fragment::Secret(_) => Ok(Vec::new()),
            })
            .collect::<Result<_, Failure>>()?;
        let pieces = message
            .iter()
            .zip(&encoded)
            .map(|(fragment, inner)| match fragment {
                Fragment::Base64(_) => Ok(Piece::Base64(inner)),
                Fragment::Bytes(_) | Fragment::Secret(_) => plain(&self.secrets, fragment),
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        self.connection.send(&pieces)
    }

    fn secret_length(&self, name: &str) -> usize {
        length_of(&self.secrets, name)
    }

    fn start_tls(&mut self) -> Result<TlsInfo, Failure> {
        self.connection.start_tls(&TlsOptions {
            server_name: None,
            alpn: Vec::new(),
        })
    }
}

fn length_of(secrets: &Secrets, name: &str) -> usize {
    secrets.get(name).map_or(0, |(_, length)| *length)
}

fn plain<'a>(secrets: &'a Secrets, fragment: &'a Fragment) -> Result<Piece<'a>, Failure> {
    match fragment {
        Fragment::Bytes(bytes) => Ok(Piece::Bytes(bytes)),
        Fragment::Secret(name) => secrets
            .get(name)
            .map(|(secret, _)| Piece::Secret(secret))
            .ok_or_else(|| Failure::settings_invalid(format!("the secret `{name}` was not opened"))),
        Fragment::Base64(_) => Err(Failure::settings_invalid("`base64` within `base64`")),
    }
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

    fn measure(
        &self,
        name: &str,
        value: f64,
        unit: &str,
        attributes: &[(&str, &str)],
    ) -> Result<(), Failure> {
        measure(name, value, unit, attributes)
    }

    fn debug(&self, message: &str) {
        debug(message);
    }
}
