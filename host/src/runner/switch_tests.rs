//! Tests of switches that are thrown while a run is under way: a check of the built-in plugin `http` against
//! a server that does something between the request and its answer.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use super::*;
use crate::capability::Capability;
use crate::config::{Config, Source};
use crate::phase::PhaseStatus;
use crate::switches::{Scope, Switches};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

async fn prepare(port: u16) -> Preparation {
    let text = format!(
        "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"self\"]\n\
         settings.url = \"http://127.0.0.1:{port}/\"\n"
    );
    let config = Config::parse(&Source::new(Path::new("checks.toml"), &text)).unwrap();
    Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, None)
        .await
        .unwrap()
}

/// Takes a request, and sends the head of the answer only after `between`.
fn answer(listener: &TcpListener, between: impl FnOnce()) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    between();
    stream.write_all(HEAD).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_takes_effect_in_a_run_that_is_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let preparation = prepare(listener.local_addr().unwrap().port()).await;
    let runner = Runner::new(preparation.sandbox, 1);
    let (check, switches) = (&preparation.checks[0], preparation.switches);
    for scope in [
        Scope::Everywhere,
        Scope::Plugin("http".into()),
        Scope::Check("page".into()),
    ] {
        let server = {
            let (listener, switches) = (listener.try_clone().unwrap(), Arc::clone(&switches));
            let scope = scope.clone();
            thread::spawn(move || {
                let switch_off = || switches.disable(&scope, Capability::NetConnect);
                // The body never comes: the client has to go because it may not read on.
                let _ = answer(&listener, switch_off).read(&mut [0]);
            })
        };
        let report = runner.run(check).await;
        server.join().unwrap();
        let error = report.error.as_ref().expect("it is denied");
        assert_eq!(error.error_type, ErrorType::CapabilityDisabled, "{error:?}");
        let statuses: Vec<_> = report.phases().iter().map(|phase| phase.status).collect();
        assert!(
            statuses.starts_with(&[PhaseStatus::Ok, PhaseStatus::Ok]),
            "resolve, connect: {statuses:?}"
        );
        assert!(statuses.contains(&PhaseStatus::Denied), "{statuses:?}");
        assert!(report.usage.denied_calls.total() >= 1);
        assert!(!report.deadline_exceeded);

        switches.enable(&scope, Capability::NetConnect);
        assert_eq!(pass(&runner, check, &listener).await, Outcome::Pass);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_of_others_do_not_concern_a_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let preparation = prepare(listener.local_addr().unwrap().port()).await;
    let runner = Runner::new(preparation.sandbox, 1);
    let switches: &Switches = &preparation.switches;
    switches.disable(&Scope::Plugin("imap".into()), Capability::NetConnect);
    switches.disable(&Scope::Check("mail".into()), Capability::NetConnect);
    switches.disable(&Scope::Everywhere, Capability::NetTls);
    assert_eq!(
        pass(&runner, &preparation.checks[0], &listener).await,
        Outcome::Pass
    );
}

/// Runs the check against a server that answers in full.
async fn pass(runner: &Runner, check: &Prepared, listener: &TcpListener) -> Outcome {
    let listener = listener.try_clone().unwrap();
    let server = thread::spawn(move || answer(&listener, || ()).write_all(b"ok").unwrap());
    let report = runner.run(check).await;
    server.join().unwrap();
    report.outcome
}
