//! A plugin for the tests: it behaves as its settings say, badly as a rule. What it does is sorted by kind into
//! the modules. It is compiled without a C library, too, where some of it is not to be had: files, sleep, output.

mod computing;
mod flooding;
mod lying;
mod reaching;

use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use bedcheck_sdk::{CallError, Check, Connection, Description, Failure, SecretName, Target, phase};

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
    /// Measure the time of day, a short sleep, and something random.
    ClocksAndChance,
    /// Measure the time of day.
    TimeOfDay,
    /// Take and give back memory in all sizes, `count` times, and see whether what was written is there still.
    Churn,
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
    /// Compute for ever, with a call now and then.
    SpinBetweenCalls,
    /// Ask for the time for ever.
    HammerClocks,
    /// Print for ever.
    PrintForEver,
    /// Sleep through most of the time, and wait for the peer for the rest.
    SleepThenRead,
    /// The same with computing.
    ComputeThenRead,
    /// Sleep for a moment, and wait for the peer.
    NapThenRead,
    /// Take `count` MiB and sleep on them.
    HoardAndSleep,
    /// End the process, as a success.
    Exit,
    /// Hand over huge texts.
    HugeTexts,
    /// Log texts of 3 MiB without end.
    HugeTextsForEver,
    /// Plan 1,000 phases.
    HugePlan,
    /// Write 64 MiB in one call.
    HugeWrite,
    /// Send a secret 900 times in one call.
    SendSecretOften,
    /// Send a secret 10,000 times, encoded differently each time.
    EncodeSecretOften,
    /// Open a secret 5,000 times.
    HoldHandles,
    /// Open 1,000 connections.
    HoldConnections,
    /// Say that a peer refused the connection, without having dialled.
    LieAboutNetwork,
    /// Measure the largest and smallest numbers.
    OddNumbers,
    /// Say that a phase talked to a peer which was not dialled.
    InventPeer,
    /// Put a secret that a peer sent back wherever something can be said.
    ConfessEverywhere,
    /// Connect and never read.
    NeverRead,
    /// Read without end.
    ReadForEver,
    /// Connect and close.
    Close,
    /// Take leave of a peer without having greeted it, and close the connection.
    LeaveAndClose,
    /// The same, but forget the connection.
    LeaveAndForget,
    /// Dial `count` names.
    DialMany,
    /// Look for files, variables, sockets.
    Probe,
    /// Compute in a phase until the deadline has passed, ask for that, and pass.
    Overrun,
    /// The same without asking.
    OverrunUnasked,
    /// As `Overrun`, and say that the deadline was hit.
    OverrunAndTell,
    /// The same without asking.
    OverrunUnaskedAndTell,
    /// Connect, compute in a phase until the deadline has passed, and say that the peer rejected the credentials.
    OverrunAndMumble,
    /// Connect in a phase, and call whatever fails there an unexpected response.
    DialAndMumble,
    /// Sleep through the deadline in a phase, read, and call what fails an unexpected response.
    SleepAndMumble,
    /// Sleep without end.
    SleepForEver,
    /// Pass on the error of a socket that the plugin has not got.
    StraySocket,
    /// Pass on the error of a file that the plugin has not got.
    StrayFile,
    /// Say, without having asked a peer, that it broke its protocol.
    UnexpectedUnasked,
    /// The same of what it sent being too large.
    TooLargeUnasked,
    /// The same of its rejecting the credentials.
    RejectedUnasked,
    /// The same of its not offering TLS.
    NoTlsUnasked,
    /// Say, without having dialled, that it was not granted.
    NotGrantedUnasked,
    /// The same of a capability that is disabled.
    DisabledUnasked,
    /// The same of a secret that the settings do not mention.
    NoSecretUnasked,
    /// Ask for a secret that the settings do not mention, and say so.
    NoSecret,
    /// Print `count` lines to both streams, and panic because two things are not equal.
    PrintAndPanic,
    /// Ask for more memory than there is, do without it, and panic.
    RefusedMemoryAndPanic,
    /// Print what a peer says, then `count` lines, and panic with what the peer said.
    PrintAnswerAndPanic,
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
    /// How often, or how many MiB, where that matters.
    #[serde(default)]
    count: u32,
}

struct Guest;

impl Check for Guest {
    type Settings = Settings;

    fn describe() -> Description {
        bedcheck_bare::tell_panics();
        Description::new("guest", "0.1.0", "behaves as its settings say")
            .phases(["resolve", "connect", "first", "second", "third"])
            .capabilities(["net.connect", "secrets"])
            .target(Target::host_and_port("host", "port", []))
            .settings_schema(
                r#"{"type": "object", "required": ["behaviour"], "additionalProperties": false,
                    "properties": {
                        "behaviour": {"type": "string"}, "host": {"type": "string"},
                        "port": {"type": "integer"}, "count": {"type": "integer"},
                        "secret": {"type": "object", "properties": {"secret": {"type": "string"}}}}}"#,
            )
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        bedcheck_bare::tell_panics();
        match settings.behaviour {
            Behaviour::Pass => phase("first", || Ok(())),
            Behaviour::Spin => computing::spin(),
            Behaviour::SpinBetweenCalls => computing::spin_between_calls(),
            Behaviour::HammerClocks => computing::hammer_clocks(),
            Behaviour::PrintForEver => computing::print_for_ever(),
            Behaviour::Sleep => computing::sleep(&settings),
            Behaviour::SleepThenRead => computing::sleep_then_read(&settings),
            Behaviour::NapThenRead => computing::nap_then_read(&settings),
            Behaviour::ComputeThenRead => computing::compute_then_read(&settings),
            Behaviour::Oversleep => {
                thread::sleep(Duration::from_secs(60));
                Ok(())
            }
            Behaviour::ClocksAndChance => computing::clocks_and_chance(),
            Behaviour::TimeOfDay => computing::time_of_day(),
            Behaviour::Churn => computing::churn(settings.count),
            Behaviour::Hoard => computing::hoard(),
            Behaviour::HoardAndSleep => computing::hoard_and_sleep(settings.count),
            Behaviour::Panic => panic!("as asked"),
            Behaviour::Exit => std::process::exit(0),
            Behaviour::Recurse => computing::recurse(&mut [0; 64], u64::MAX),
            Behaviour::Flood => loop {
                bedcheck_sdk::remaining();
            },
            Behaviour::Chatter => flooding::chatter(settings.count),
            Behaviour::HugeTexts => flooding::huge_texts(),
            Behaviour::HugeTextsForEver => flooding::huge_texts_for_ever(),
            Behaviour::HugePlan => flooding::huge_plan(),
            Behaviour::HugeWrite => flooding::huge_write(&settings),
            Behaviour::SendSecretOften => flooding::send_secret_often(&settings),
            Behaviour::EncodeSecretOften => flooding::encode_secret_often(&settings),
            Behaviour::HoldHandles => flooding::hold_handles(&settings),
            Behaviour::HoldConnections => flooding::hold_connections(&settings),
            Behaviour::LeaveOpen => lying::leave_open(),
            Behaviour::SkipPlanned => lying::skip_planned(),
            Behaviour::LieAboutFailure => lying::lie_about_failure(),
            Behaviour::LieAboutDeadline => Err(CallError::DeadlineExceeded.into()),
            Behaviour::LieAboutNetwork => lying::lie_about_network(),
            Behaviour::ForeignErrorType => lying::own_type("imap.over_quota", "not mine"),
            Behaviour::OwnErrorType => lying::own_type("guest.tired", "tired"),
            Behaviour::UndeclaredPhase => phase("fourth", || Ok(())),
            Behaviour::NoisyMessage => lying::noisy_message(),
            Behaviour::OddNumbers => lying::odd_numbers(),
            Behaviour::InventPeer => lying::invent_peer(),
            Behaviour::Confess => lying::confess(&settings),
            Behaviour::ConfessEverywhere => lying::confess_everywhere(&settings),
            Behaviour::ReadThrice => reaching::read_thrice(&settings).into_result(),
            Behaviour::NeverListen => reaching::never_listen(&settings),
            Behaviour::NeverRead => reaching::never_read(&settings),
            Behaviour::ReadForEver => reaching::read_for_ever(&settings),
            Behaviour::Dial => Connection::open(&settings.host, settings.port).map(drop),
            Behaviour::Close => reaching::close(&settings),
            Behaviour::LeaveAndClose => reaching::leave(&settings, Connection::close),
            Behaviour::LeaveAndForget => reaching::leave(&settings, |connection| {
                std::mem::forget(connection);
                Ok(())
            }),
            Behaviour::DialMany => reaching::dial_many(&settings, settings.count),
            Behaviour::Probe => reaching::probe(),
            Behaviour::Ask => reaching::ask(),
            Behaviour::Overrun => phase("first", computing::overrun),
            Behaviour::OverrunUnasked => phase("first", computing::overrun_unasked),
            Behaviour::OverrunAndTell => phase("first", || {
                computing::overrun()?;
                Err(CallError::DeadlineExceeded.into())
            }),
            Behaviour::OverrunUnaskedAndTell => phase("first", || {
                computing::overrun_unasked()?;
                Err(CallError::DeadlineExceeded.into())
            }),
            Behaviour::OverrunAndMumble => lying::overrun_and_mumble(&settings),
            Behaviour::DialAndMumble => lying::dial_and_mumble(&settings),
            Behaviour::SleepAndMumble => lying::sleep_and_mumble(&settings),
            Behaviour::SleepForEver => loop {
                thread::sleep(Duration::from_secs(60));
            },
            Behaviour::StraySocket => phase("first", || Ok(TcpStream::connect("127.0.0.1:22").map(drop)?)),
            Behaviour::StrayFile => phase("first", || Ok(fs::read("/etc/passwd").map(drop)?)),
            Behaviour::UnexpectedUnasked => Err(Failure::unexpected_response("nobody asked")),
            Behaviour::TooLargeUnasked => Err(Failure::too_large("nobody asked")),
            Behaviour::RejectedUnasked => Err(Failure::auth_rejected("nobody asked")),
            Behaviour::NoTlsUnasked => Err(Failure::tls_not_offered("nobody asked")),
            Behaviour::NotGrantedUnasked => Err(CallError::GrantDenied("nobody asked".into()).into()),
            Behaviour::DisabledUnasked => Err(CallError::CapabilityDisabled("net.tls".into()).into()),
            Behaviour::NoSecretUnasked => Err(CallError::SecretMissing("nobody asked".into()).into()),
            Behaviour::NoSecret => lying::no_secret(),
            Behaviour::PrintAndPanic => flooding::print_and_panic(settings.count),
            Behaviour::RefusedMemoryAndPanic => computing::refused_memory_and_panic(),
            Behaviour::PrintAnswerAndPanic => lying::print_answer_and_panic(&settings),
        }
    }
}

bedcheck_sdk::register!(Guest);
