//! The promise: with the SDK's test kit an author says in a few lines how a plugin behaves towards a server that
//! does what a test wants, and towards faults and the deadline; in virtual time, and without a network.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bedcheck_sdk::test::{Error, Outcome, Peer, Plugin, Rehearsal, Server, Settings, Tls, json};
use bedcheck_tests::Program;
use bedcheck_tests::program::{built_in_plugin, executable, faulty_plugin};

const HOST: &str = "www.example.org";

/// A check of a page over HTTP, by the built-in plugin in its file.
fn page(server: Server) -> Rehearsal {
    check("http://www.example.org/", server)
}

fn check(url: &str, server: Server) -> Rehearsal {
    Plugin::from_file(built_in_plugin("http"))
        .rehearse(json!({"url": url}))
        .server(server)
        .program(executable())
}

fn answering(answer: impl FnOnce(Peer) -> Peer) -> Server {
    Server::new(HOST).on_connect(|peer| answer(peer.expect_until("\r\n\r\n")))
}

fn well() -> Server {
    answering(|peer| peer.send("HTTP/1.1 204 No Content\r\n\r\n").hang_up())
}

#[test]
fn a_server_that_is_well_passes() -> Result<(), Error> {
    let run = page(well()).run()?;
    run.assert_pass()
        .assert_measured("http.response.status_code", 204.0);
    for phase in ["resolve", "connect", "processing", "transfer"] {
        run.phase(phase).assert_ok();
    }
    Ok(())
}

#[test]
fn a_server_that_leaves_early_fails_in_its_phase() -> Result<(), Error> {
    let run = page(answering(Peer::hang_up)).run()?;
    run.assert_fail("connection_closed");
    run.phase("processing")
        .assert_failed()
        .assert_error_type("connection_closed");
    run.phase("transfer").assert_not_reached();
    Ok(())
}

#[test]
fn a_peer_speaks_tls_when_the_test_says_so() -> Result<(), Error> {
    let modern = Server::new(HOST).on_connect(|peer| {
        let asked = peer.start_tls(Tls::new()).expect_until("\r\n\r\n");
        asked.send("HTTP/1.1 204 No Content\r\n\r\n").hang_up()
    });
    check("https://www.example.org/", modern).run()?.assert_pass();

    let expired =
        Server::new(HOST).on_connect(|peer| peer.start_tls(Tls::new().fails_with("certificate-expired")));
    let run = check("https://www.example.org/", expired).run()?;
    run.assert_fail("tls.certificate_expired");
    run.phase("tls").assert_failed();
    Ok(())
}

/// A page of twenty bytes, each of which takes three seconds.
fn dawdling() -> Server {
    answering(|peer| {
        let begun = peer.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
        (0..20).fold(begun, |peer, _| peer.stall(Duration::from_secs(3)).send("x"))
    })
}

#[test]
fn a_stalling_server_costs_no_time() -> Result<(), Error> {
    let started = Instant::now();
    let run = page(dawdling()).deadline(Duration::from_secs(120)).run()?;
    let took = started.elapsed();
    run.assert_pass();
    assert!(run.duration_s() >= 60.0, "{run}");
    // Were any of it waited for, it would be all of it. A tenth of a second is usual; the rest is for a busy machine.
    assert!(
        took < Duration::from_secs(20),
        "a run of 60 virtual seconds took {took:?}"
    );
    Ok(())
}

#[test]
fn the_deadline_passes_where_the_server_stalls() -> Result<(), Error> {
    let run = page(dawdling()).deadline(Duration::from_secs(10)).run()?;
    run.assert_fail("deadline_exceeded");
    run.phase("processing").assert_ok();
    run.phase("transfer").assert_deadline_exceeded();
    assert!(run.deadline_exceeded());
    // The grace is a tenth of a second.
    assert!((10.0..=10.2).contains(&run.duration_s()), "{run}");
    Ok(())
}

#[test]
fn a_fault_is_injected_and_told_as_such() -> Result<(), Error> {
    let run = page(well()).fault("net.read#1=connection-reset").run()?;
    run.assert_fail("connection_reset");
    run.phase("processing").assert_failed();
    assert!(run.error().is_some_and(|error| error.injected), "{run}");

    let run = page(well()).fault("net.connect=name-not-found").run()?;
    run.assert_fail("dns.not_found");
    assert_eq!(run.blame(), Some("network"));
    Ok(())
}

#[test]
fn the_same_rehearsal_has_the_same_run() -> Result<(), Error> {
    let rehearsal = page(dawdling()).deadline(Duration::from_secs(10));
    let timeline = || {
        rehearsal
            .run()
            .map(|run| (run.duration_s().to_bits(), run.phases().to_vec()))
    };
    assert_eq!(timeline()?, timeline()?);
    Ok(())
}

#[test]
fn a_plugin_that_leaves_the_script_does_not_pass() -> Result<(), Error> {
    let server = Server::new(HOST).on_connect(|peer| peer.expect("EHLO {name}\r\n").send("250 hello\r\n"));
    let run = page(server).run()?;
    assert_ne!(run.outcome(), Outcome::Pass, "{run}");
    assert!(!run.off_script().is_empty(), "{run}");
    Ok(())
}

#[test]
fn a_sweep_finds_nothing_wrong_with_the_built_in_plugin() -> Result<(), Error> {
    let sweep = page(well()).sweep()?;
    sweep.assert_clean();
    let calls: Vec<&str> = sweep.cases().iter().map(|case| case.call.as_str()).collect();
    for call in ["net.connect", "net.write", "net.read"] {
        assert!(
            calls.contains(&call),
            "wanted faults at `{call}`, found {calls:?}"
        );
    }
    Ok(())
}

#[test]
fn what_bedcheck_refuses_is_an_error_in_its_words() {
    let error = page(well())
        .fault("net.read=nonsense")
        .run()
        .expect_err("there is no such fault");
    assert!(error.to_string().contains("nonsense"), "{error}");

    let settings = Settings::from_file("no-such-file.toml");
    let rehearsal = Plugin::from_file(built_in_plugin("http"))
        .rehearse(settings)
        .program(executable());
    let error = rehearsal.run().expect_err("there are no such settings");
    assert!(error.to_string().contains("no-such-file.toml"), "{error}");
}

#[test]
fn what_a_sweep_of_some_failures_prints_repeats_each_of_them() -> Result<(), Error> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("faulty/peers");
    let settings = fs::read_to_string(peers.join("items.settings.toml")).expect("it is in the tree");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.toml");
    fs::write(&file, format!("{settings}bug = \"closed-for-reset\"\n")).expect("a new file");
    let sweep = Plugin::from_file(faulty_plugin())
        .rehearse(Settings::from_file(&file))
        .server(Server::from_file(peers.join("items.toml")))
        .program(executable())
        .fault("net.read")
        .sweep()?;
    let told = sweep.to_string();
    let commands: Vec<&str> = told
        .lines()
        .filter_map(|line| line.trim().strip_prefix("repeat it: bedcheck "))
        .collect();
    assert!(!commands.is_empty(), "{told}");
    for command in commands {
        let repeated = Program::line(&format!("{command} --format json")).finish();
        let report = repeated.report();
        assert_eq!(
            report["error"]["type"], "connection_closed",
            "{command}: {report:#}"
        );
        assert_eq!(report["faults"].as_array().map(Vec::len), Some(1), "{command}");
    }
    Ok(())
}
