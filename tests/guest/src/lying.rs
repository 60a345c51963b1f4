//! Saying what is not so, and in ways that it should not be said.

use std::io::Read;
use std::thread;
use std::time::Duration;

use bedcheck_sdk::bindings::bedcheck::plugin::phases;
use bedcheck_sdk::bindings::bedcheck::plugin::secrets::Secret;
use bedcheck_sdk::{CallError, Connection, Fact, Failure, Piece, Planned, Reason, phase, phase_of};

use crate::{Settings, computing};

/// Plans a phase and never begins it.
pub(crate) fn skip_planned() -> Result<(), Failure> {
    bedcheck_sdk::plan([Planned::new("first"), Planned::of("second", "skipped")])?;
    phase("first", || Ok(()))
}

/// Begins a phase and never ends it.
pub(crate) fn leave_open() -> Result<(), Failure> {
    Ok(phases::begin("first", None)?)
}

/// Fails in a phase and says that the check passed.
pub(crate) fn lie_about_failure() -> Result<(), Failure> {
    let _kept_quiet = phase("first", || Err::<(), _>(Failure::assertion_failed("it broke")));
    Ok(())
}

/// Says that a peer refused the connection, without having dialled any.
pub(crate) fn lie_about_network() -> Result<(), Failure> {
    Err(CallError::ConnectionRefused.into())
}

/// Asks for a secret that the settings do not mention.
pub(crate) fn no_secret() -> Result<(), Failure> {
    Ok(Secret::open("not-mentioned").map(drop)?)
}

/// Connects in a phase, and calls whatever fails there an unexpected response.
pub(crate) fn dial_and_mumble(settings: &Settings) -> Result<(), Failure> {
    phase("first", || {
        let opened = Connection::open(&settings.host, settings.port);
        opened
            .map(drop)
            .map_err(|_| Failure::unexpected_response("no greeting"))
    })
}

/// Computes through the deadline in a phase, and says that the peer rejected the credentials.
pub(crate) fn overrun_and_mumble(settings: &Settings) -> Result<(), Failure> {
    let _connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        computing::overrun_unasked()?;
        Err(Failure::auth_rejected("nobody asked"))
    })
}

/// Sleeps through the deadline in a phase, reads, and calls what fails an unexpected response.
pub(crate) fn sleep_and_mumble(settings: &Settings) -> Result<(), Failure> {
    let mut connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        thread::sleep(Duration::from_secs(60));
        let read = connection.read_line_limited(1024);
        read.map(drop)
            .map_err(|_| Failure::unexpected_response("no greeting"))
    })
}

/// Fails with an error type of that name.
pub(crate) fn own_type(name: &str, message: &str) -> Result<(), Failure> {
    Err(Failure::new(Reason::Own(name.into()), message))
}

/// Puts escape sequences, characters that hide or turn the text around, and 10 KiB into what it says.
pub(crate) fn noisy_message() -> Result<(), Failure> {
    let noise = "\x1b[31mred\r\n\u{9b}31m\u{202e}turned\u{2066}\u{200b}hidden\u{feff}\u{2028}";
    println!("{noise}");
    bedcheck_sdk::warning(noise);
    bedcheck_sdk::measure("guest.noise", 1.0, noise, &[("noise", noise)])?;
    phase_of("first", noise, || {
        Err(Failure::assertion_failed(format!(
            "\x1b]0;title\x07{noise}{}",
            "x".repeat(10_000)
        )))
    })
}

/// Measures the smallest and the largest numbers there are.
pub(crate) fn odd_numbers() -> Result<(), Failure> {
    for (name, value) in [
        ("guest.largest", f64::MAX),
        ("guest.least", f64::MIN),
        ("guest.smallest", f64::from_bits(1)),
        ("guest.zero", -0.0),
    ] {
        bedcheck_sdk::measure(name, value, "1", &[])?;
    }
    phase("first", || Ok(()))
}

/// Says that a phase talked to a peer which was not dialled.
pub(crate) fn invent_peer() -> Result<(), Failure> {
    phase("first", || {
        bedcheck_sdk::describe(&[
            ("network.peer.address", Fact::Text("203.0.113.7")),
            ("network.peer.port", Fact::Integer(443)),
        ])
    })
}

/// Sends a secret and reports what the peer says to it.
pub(crate) fn confess(settings: &Settings) -> Result<(), Failure> {
    let answer = echo(settings)?;
    bedcheck_sdk::warning(&answer);
    phase("first", || Err(Failure::unexpected_response(answer)))
}

/// Sends a secret, and puts what the peer says to it wherever something can be said.
pub(crate) fn confess_everywhere(settings: &Settings) -> Result<(), Failure> {
    let answer = echo(settings)?;
    let secret = answer.split(' ').next().unwrap_or_default();
    println!("{secret}");
    eprintln!("{secret}");
    // All of these are refused or struck out; what each answers is of no interest here.
    let _ = bedcheck_sdk::measure(secret, 1.0, "1", &[]);
    let _ = bedcheck_sdk::measure("guest.key", 1.0, secret, &[(secret, secret)]);
    let _ = phases::begin(secret, None);
    let _ = phase_of("first", secret, || Ok(()));
    own_type(&format!("guest.{secret}"), secret)
}

/// Prints what a peer says until it hangs up, then as many lines as the settings say, and panics with what the peer said.
pub(crate) fn print_answer_and_panic(settings: &Settings) -> Result<(), Failure> {
    let mut connection = Connection::open(&settings.host, settings.port)?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    for piece in answer.split_inclusive(char::is_whitespace) {
        print!("{piece}");
        eprint!("{piece}");
    }
    for number in 0..settings.count {
        println!("line {number} of what goes to standard output");
        eprintln!("line {number} of what goes to standard error");
    }
    panic!("found {answer}")
}

/// The first line that the peer says to a secret and its base64 form.
fn echo(settings: &Settings) -> Result<String, Failure> {
    let secret = match &settings.secret {
        Some(name) => name.open()?,
        None => return Err(Failure::settings_invalid("`secret` is needed")),
    };
    let mut connection = Connection::open(&settings.host, settings.port)?;
    connection.send(&[Piece::Secret(&secret), Piece::Bytes(b" ")])?;
    connection.send(&[
        Piece::Base64(&[Piece::Bytes(b"user:"), Piece::Secret(&secret)]),
        Piece::Bytes(b"\n"),
    ])?;
    let answer = connection.read_line_limited(1024)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
