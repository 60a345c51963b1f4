//! Tests of recordings of what does not come from the plugin: the target's retry budget, the check's thresholds, and
//! peers that answer as they did.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use super::*;
use crate::config::{Config, Source};
use crate::connection::script::{Dialogue, Next};
use crate::outcome::{ErrorType, Outcome};
use crate::runner::{CancellationToken, DefaultGrant, Preparation, Runner};
use crate::sandbox::Compiling;
use crate::tape::Tape;

async fn prepare(port: u16, more: &str) -> Preparation {
    let text = format!(
        "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"self\"]\n\
         settings.url = \"http://127.0.0.1:{port}/\"\n{more}\n"
    );
    let config = Config::parse(&Source::new(Path::new("checks.toml"), &text)).unwrap();
    Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, None)
        .await
        .unwrap()
}

/// Records a run, through a file, and runs it again.
async fn again(preparation: &Preparation) -> (Report, Replayed) {
    let runner = Runner::new(preparation.sandbox.clone(), 1);
    let check = &preparation.checks[0];
    let (report, course) = runner.run_on(check, Tape::recording()).await;
    let mut recording = Recording::default();
    assert_eq!(recording.add(check, &course, &report), None);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    recording.write(&path).unwrap();
    let read = Recording::read(&path).unwrap();
    let mut replayed = replay(&read, Compiling::default()).await.unwrap();
    (report, replayed.remove(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_was_left_out_is_left_out_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let more = "retry = { attempts = 5, backoff = \"1ms\", on = [\"connection_refused\"] }\n\
                [retry_budget]\nshare = 0\nminimum = 1\n";
    let (report, replayed) = again(&prepare(port, more).await).await;
    assert_eq!(report.attempts.len(), 2);
    assert!(report.retry_denied.is_some());
    assert!(replayed.exact && replayed.same, "{:#?}", replayed.report);
    assert_eq!(replayed.report.retry_denied, report.retry_denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_too_slow_is_too_slow_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        // Longer than the threshold: what is slow is the peer.
        thread::sleep(Duration::from_millis(5));
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
    });
    let preparation = prepare(port, "thresholds = { warn = \"1ms\", fail = \"2ms\" }").await;
    let (report, replayed) = again(&preparation).await;
    server.join().unwrap();
    assert_eq!(report.outcome, Outcome::Fail);
    assert_eq!(
        report.error.as_ref().unwrap().error_type,
        ErrorType::AssertionFailed
    );
    assert!(replayed.exact && replayed.same, "{:#?}", replayed.report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cancelled_is_not_recorded() {
    let preparation = prepare(9, "").await;
    let runner = Runner::new(preparation.sandbox.clone(), 1);
    let cancellation = CancellationToken::new();
    cancellation.cancel();
    let course = Course {
        cancellation,
        ..Course::live(Duration::ZERO, Tape::recording())
    };
    let (report, _) = runner.take(&preparation.checks[0], &course).await;
    let mut recording = Recording::default();
    assert_eq!(recording.add(&preparation.checks[0], &course, &report), None);
    assert!(recording.runs.is_empty() && recording.plugins.is_empty());
}

/// Records a run against a server that does this with its connection, and dials the recorded peer. All of the request
/// has been written to that.
async fn recorded_peer(more: &str, serve: impl FnOnce(TcpStream) + Send + 'static) -> (Report, Dialogue) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || serve(listener.accept().unwrap().0));
    let preparation = prepare(address.port(), more).await;
    let runner = Runner::new(preparation.sandbox.clone(), 1);
    let check = &preparation.checks[0];
    let (report, course) = runner.run_on(check, Tape::recording()).await;
    server.join().unwrap();
    let mut recording = Recording::default();
    assert_eq!(recording.add(check, &course, &report), None);
    let mut dialogue = recording.runs[0].to_script().dial(0, address).unwrap();
    dialogue.written(&[b'x'; 4096]).unwrap();
    (report, dialogue)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_was_dialled_with_a_delay_answers_as_it_did() {
    let delayed = "[[fault]]\ncall = \"net.connect\"\nkind = \"delay 1ms\"";
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (report, mut peer) = recorded_peer(delayed, |mut stream| {
        read_request(&mut stream);
        stream.write_all(answer).unwrap();
    })
    .await;
    assert_eq!((report.outcome, report.faults.len()), (Outcome::Pass, 1));
    assert_eq!(peer.next(4096), Next::Bytes(answer.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_reset_its_connection_resets_it_again() {
    // What is closed with something unread is reset.
    let (report, mut peer) = recorded_peer("", |mut stream| {
        stream.read_exact(&mut [0]).unwrap();
    })
    .await;
    assert_eq!(report.error.unwrap().error_type, ErrorType::ConnectionReset);
    assert_eq!(peer.next(4096), Next::Reset);
}

fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
}
