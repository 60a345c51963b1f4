//! What the plugin says about a service that is well, and about services that are not: rehearsed by
//! `bedcheck plugin test`, in virtual time and without a network.

use std::time::Duration;

use bedcheck_sdk::test::{Error, Plugin, Rehearsal, Server, Settings};

/// A service that is well; the settings are for a service of that name.
fn rehearsal() -> Result<Rehearsal, Error> {
    let settings = Settings::from_file("rehearsal/settings.toml");
    let server = Server::from_file("rehearsal/server.toml");
    Ok(Plugin::build()?.rehearse(settings).server(server))
}

#[test]
fn a_service_that_is_well_passes() -> Result<(), Error> {
    let run = rehearsal()?.run()?;
    run.assert_pass();
    run.phase("greeting").assert_ok();
    run.phase("goodbye").assert_ok();
    Ok(())
}

#[test]
fn a_service_that_is_too_busy_fails_in_its_greeting() -> Result<(), Error> {
    let busy =
        Server::new("service.example").on_connect(|peer| peer.send("421 too busy\r\n").hang_up());
    let run = rehearsal()?.server(busy).run()?;
    run.assert_fail("protocol.unexpected_response");
    run.phase("greeting").assert_failed();
    run.phase("goodbye").assert_not_reached();
    Ok(())
}

#[test]
fn a_service_that_falls_silent_is_caught_by_the_deadline() -> Result<(), Error> {
    let silent = Server::new("service.example")
        .on_connect(|peer| peer.send("220 ready\r\n").expect("QUIT\r\n").silence());
    let run = rehearsal()?
        .server(silent)
        .deadline(Duration::from_secs(5))
        .run()?;
    run.assert_fail("deadline_exceeded");
    run.phase("greeting").assert_ok();
    run.phase("goodbye").assert_deadline_exceeded();
    Ok(())
}

#[test]
fn a_reset_is_called_a_reset() -> Result<(), Error> {
    let run = rehearsal()?.fault("net.read#1=connection-reset").run()?;
    run.assert_fail("connection_reset");
    run.phase("greeting").assert_failed();
    Ok(())
}

#[test]
fn every_failure_at_every_host_call_is_told_truthfully() -> Result<(), Error> {
    rehearsal()?.sweep()?.assert_clean();
    Ok(())
}
