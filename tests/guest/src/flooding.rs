//! Handing the host far more than it asks for: numbers of things, and their sizes.

use bedcheck_sdk::bindings::bedcheck::plugin::phases::{self, Planned};
use bedcheck_sdk::bindings::bedcheck::plugin::secrets::{Part, Secret, Sendable};
use bedcheck_sdk::bindings::bedcheck::plugin::{log, measurements, net};
use bedcheck_sdk::{Connection, Failure, FirstFailure, phase_of};

use crate::Settings;

/// Less than the host copies in one call, and much more than any text may have.
const HUGE: usize = 3 << 20;

/// Logs, measures and begins phases, `count` times each.
pub(crate) fn chatter(count: u32) -> Result<(), Failure> {
    let mut failures = FirstFailure::default();
    for number in 0..count {
        bedcheck_sdk::info(&format!("line {number}"));
        failures.keep(bedcheck_sdk::measure("guest.number", number.into(), "1", &[]));
        failures.keep(phase_of("first", &number.to_string(), || Ok(())));
    }
    failures.into_result()
}

/// Prints lines to both streams, and finds that two things are not equal.
pub(crate) fn print_and_panic(count: u32) -> Result<(), Failure> {
    for number in 0..count {
        println!("line {number} of what goes to standard output");
        eprintln!("line {number} of what goes to standard error");
    }
    assert_eq!(count, u32::MAX, "the number of lines");
    Ok(())
}

/// Hands over texts of 3 MiB wherever a text is taken, and then fails with one.
pub(crate) fn huge_texts() -> Result<(), Failure> {
    let huge = "x".repeat(HUGE);
    log::write(log::Level::Error, &huge);
    // All of these are refused or shortened; what each answers is of no interest here.
    let _ = measurements::put(&huge, 1.0, "1", &[]);
    let _ = measurements::put("guest.unit", 1.0, &huge, &[]);
    let _ = measurements::put("guest.value", 1.0, "1", &[("key".into(), huge.clone())]);
    let _ = phases::begin(&huge, None);
    let _ = phases::begin("first", Some(&huge));
    let _ = phases::succeed();
    let _ = net::Connection::connect(&huge, 80);
    let _ = Secret::open(&huge);
    bedcheck_sdk::capability_enabled(&huge);
    Err(Failure::unexpected_response(huge))
}

/// Logs texts of 3 MiB for ever: a few instructions for the guest, and a millisecond for the host, each time.
pub(crate) fn huge_texts_for_ever() -> ! {
    let huge = "x".repeat(HUGE);
    loop {
        log::write(log::Level::Error, &huge);
    }
}

/// Plans 1,000 phases: with many more the host does not even copy the list.
pub(crate) fn huge_plan() -> Result<(), Failure> {
    let planned = |_| Planned {
        name: "first".into(),
        detail: None,
    };
    Ok(phases::plan(&(0..1000).map(planned).collect::<Vec<_>>())?)
}

/// Hands a list of 64 MiB to the host in one call.
pub(crate) fn huge_write(settings: &Settings) -> Result<(), Failure> {
    let connection = net::Connection::connect(&settings.host, settings.port)?;
    // Memory that was never written is free for the guest, and not for who reads it.
    Ok(connection.write(&vec![0; 64 << 20])?)
}

/// Asks for a secret to be sent 900 times in one call: a few bytes each for the guest, and almost as many
/// handles as a guest may lend.
pub(crate) fn send_secret_often(settings: &Settings) -> Result<(), Failure> {
    let secret = secret(settings)?;
    let connection = net::Connection::connect(&settings.host, settings.port)?;
    let pieces: Vec<_> = (0..900).map(|_| Sendable::Plain(Part::Secret(&secret))).collect();
    Ok(connection.send(&pieces)?)
}

/// Has a secret encoded in ever new surroundings, each of which the host must strike out from then on.
pub(crate) fn encode_secret_often(settings: &Settings) -> Result<(), Failure> {
    let secret = secret(settings)?;
    let connection = net::Connection::connect(&settings.host, settings.port)?;
    for number in 0..10_000_u32 {
        let number = Part::Bytes(number.to_le_bytes().to_vec());
        connection.send(&[Sendable::Base64(vec![number, Part::Secret(&secret)])])?;
    }
    Ok(())
}

/// Holds on to 5,000 handles.
pub(crate) fn hold_handles(settings: &Settings) -> Result<(), Failure> {
    let held: Vec<Secret> = (0..5000).map(|_| secret(settings)).collect::<Result<_, _>>()?;
    drop(held);
    Ok(())
}

/// Holds on to 1,000 connections.
pub(crate) fn hold_connections(settings: &Settings) -> Result<(), Failure> {
    let open = |_| Connection::open(&settings.host, settings.port);
    let held: Vec<Connection> = (0..1000).map(open).collect::<Result<_, _>>()?;
    drop(held);
    Ok(())
}

fn secret(settings: &Settings) -> Result<Secret, Failure> {
    match &settings.secret {
        Some(name) => Ok(Secret::open(name.as_str())?),
        None => Err(Failure::settings_invalid("`secret` is needed")),
    }
}
