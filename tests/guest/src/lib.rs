//! A plugin for the tests: it behaves as its settings say, badly as a rule.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use bedcheck_sdk::bindings::bedcheck::plugin::phases;
use bedcheck_sdk::{
    CallError, Check, Connection, Description, Failure, FirstFailure, Piece, Planned, Reason, SecretName,
    Target, phase, phase_of,
};

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    /// Pass at once.
    Pass,
    /// Compute for ever.
    Spin,
    /// Sleep for a minute, then ask for the network.
    Sleep,
    /// Sleep for a minute and say that the check passed.
    Oversleep,
    /// Take memory until there is none.
    Hoard,
    /// Panic.
    Panic,
    /// Recurse without end.
    Recurse,
    /// Ask the host for something without end.
    Flood,
    /// Read three answers from a peer, each in a phase of its own, whatever becomes of the others.
    ReadThrice,
    /// As `ReadThrice`, and then ask the network for more without end.
    NeverListen,
    /// Begin a phase and never end it.
    LeaveOpen,
    /// Plan a phase and never begin it.
    SkipPlanned,
    /// Fail in a phase and say that the check passed.
    LieAboutFailure,
    /// Say that the deadline was hit although it was not.
    LieAboutDeadline,
    /// Use words that are not the plugin's own.
    ForeignErrorType,
    /// Begin a phase that the description does not have.
    UndeclaredPhase,
    /// Put escape sequences and 10 KiB into a message.
    NoisyMessage,
    /// Connect to what the settings name.
    Dial,
    /// Measure whether `net.connect` and `net.tls` are enabled and how much time is left.
    Ask,
    /// Send a secret and report what the peer says to it.
    Confess,
    /// Log, measure and begin phases far beyond the limits.
    Chatter,
    /// Fail with an error type of the plugin's own.
    OwnErrorType,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    behaviour: Behaviour,
    #[serde(default)]
    host: String,
    #[serde(default)]
    port: u16,
    secret: Option<SecretName>,
}

struct Guest;

impl Check for Guest {
    type Settings = Settings;

    fn describe() -> Description {
        Description::new("guest", "0.1.0", "behaves as its settings say")
            .phases(["resolve", "connect", "first", "second", "third"])
            .capabilities(["net.connect", "secrets"])
            .target(Target::host_and_port("host", "port", []))
            .settings_schema(
                r#"{"type": "object", "required": ["behaviour"], "additionalProperties": false,
                    "properties": {
                        "behaviour": {"type": "string"}, "host": {"type": "string"},
                        "port": {"type": "integer"},
                        "secret": {"type": "object", "properties": {"secret": {"type": "string"}}}}}"#,
            )
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        match settings.behaviour {
            Behaviour::Pass => phase("first", || Ok(())),
            Behaviour::Spin => spin(),
            Behaviour::Sleep => sleep(&settings),
            Behaviour::Oversleep => {
                thread::sleep(Duration::from_secs(60));
                Ok(())
            }
            Behaviour::Hoard => hoard(),
            Behaviour::Panic => panic!("as asked"),
            Behaviour::Recurse => recurse(&mut [0; 64], u64::MAX),
            Behaviour::Flood => loop {
                bedcheck_sdk::remaining();
            },
            Behaviour::ReadThrice => read_thrice(&settings).into_result(),
            Behaviour::NeverListen => {
                let _failures = read_thrice(&settings);
                loop {
                    let _refused = Connection::open(&settings.host, settings.port);
                }
            }
            Behaviour::LeaveOpen => Ok(phases::begin("first", None)?),
            Behaviour::SkipPlanned => {
                bedcheck_sdk::plan([Planned::new("first"), Planned::of("second", "skipped")])?;
                phase("first", || Ok(()))
            }
            Behaviour::LieAboutFailure => {
                let _kept_quiet = phase("first", || Err::<(), _>(Failure::unexpected_response("it broke")));
                Ok(())
            }
            Behaviour::LieAboutDeadline => Err(CallError::DeadlineExceeded.into()),
            Behaviour::ForeignErrorType => {
                Err(Failure::new(Reason::Own("imap.over_quota".into()), "not mine"))
            }
            Behaviour::OwnErrorType => Err(Failure::new(Reason::Own("guest.tired".into()), "tired")),
            Behaviour::UndeclaredPhase => phase("fourth", || Ok(())),
            Behaviour::NoisyMessage => phase_of("first", "\x1b[31mred\r\n", || {
                Err(Failure::unexpected_response(format!(
                    "\x1b]0;title\x07{}",
                    "x".repeat(10_000)
                )))
            }),
            Behaviour::Dial => Connection::open(&settings.host, settings.port).map(drop),
            Behaviour::Ask => ask(),
            Behaviour::Confess => confess(&settings),
            Behaviour::Chatter => chatter(),
        }
    }
}

bedcheck_sdk::register!(Guest);

fn spin() -> Result<(), Failure> {
    let mut state = 1_u64;
    loop {
        state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn sleep(settings: &Settings) -> Result<(), Failure> {
    phase("first", || {
        thread::sleep(Duration::from_secs(60));
        Connection::open(&settings.host, settings.port).map(drop)
    })
}

fn hoard() -> Result<(), Failure> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "the point of it")]
fn recurse(frame: &mut [u8; 64], depth: u64) -> Result<(), Failure> {
    let mut next = *frame;
    next[0] = next[0].wrapping_add(1);
    recurse(std::hint::black_box(&mut next), depth.wrapping_sub(1))?;
    Ok(())
}

fn read_thrice(settings: &Settings) -> FirstFailure {
    let mut failures = FirstFailure::default();
    let Some(mut connection) = failures.keep(Connection::open(&settings.host, settings.port)) else {
        return failures;
    };
    for name in ["first", "second", "third"] {
        failures.keep(phase(name, || {
            let mut byte = [0];
            connection.write_all(b"?")?;
            connection.read_exact(&mut byte)?;
            Ok(())
        }));
    }
    failures
}

fn ask() -> Result<(), Failure> {
    for (name, capability) in [("guest.connect", "net.connect"), ("guest.tls", "net.tls")] {
        let enabled = f64::from(u8::from(bedcheck_sdk::capability_enabled(capability)));
        bedcheck_sdk::measure(name, enabled, "1", &[])?;
    }
    bedcheck_sdk::measure(
        "guest.remaining",
        bedcheck_sdk::remaining().as_secs_f64(),
        "s",
        &[],
    )
}

fn confess(settings: &Settings) -> Result<(), Failure> {
    let secret = match &settings.secret {
        Some(name) => name.open()?,
        None => return Err(Failure::settings_invalid("`secret` is needed")),
    };
    let mut connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        connection.send(&[Piece::Secret(&secret), Piece::Bytes(b" ")])?;
        connection.send(&[
            Piece::Base64(&[Piece::Bytes(b"user:"), Piece::Secret(&secret)]),
            Piece::Bytes(b"\n"),
        ])?;
        let answer = connection.read_line_limited(1024)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        bedcheck_sdk::warning(&answer);
        Err(Failure::unexpected_response(answer))
    })
}

fn chatter() -> Result<(), Failure> {
    let mut failures = FirstFailure::default();
    for number in 0..1000_u32 {
        bedcheck_sdk::info(&format!("line {number}"));
        failures.keep(bedcheck_sdk::measure("guest.number", number.into(), "1", &[]));
        failures.keep(phase_of("first", &number.to_string(), || Ok(())));
    }
    failures.into_result()
}
