//! Tests of runs that are cancelled, dropped, refused a retry or too slow: checks of the built-in plugin `http`
//! against peers on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;
use crate::config::{Config, Source};
use crate::outcome::Blame;
use crate::phase::PhaseStatus;
use crate::policy::RetryBudgetSettings;

/// What is waited for at most: nothing here takes long, and a run that cannot be ended never ends.
const BOUND: Duration = Duration::from_secs(30);

async fn prepare(port: u16, more: &str) -> Preparation {
    let text = format!(
        "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"self\"]\nbudget.deadline = \"60s\"\n\
         settings.url = \"http://127.0.0.1:{port}/\"\n{more}\n"
    );
    let config = Config::parse(&Source::new(Path::new("checks.toml"), &text)).unwrap();
    Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, None)
        .await
        .unwrap()
}

/// Reads a request, to the empty line after its head.
fn request(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    stream
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn answer(mut stream: TcpStream) {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_ends_at_once_and_tells_what_it_did() {
    let (listener, port) = listen();
    let preparation = prepare(port, "").await;
    let runner = Runner::new(preparation.sandbox, 1);
    let cancellation = CancellationToken::new();
    let server = {
        let cancellation = cancellation.clone();
        thread::spawn(move || {
            let mut stream = request(&listener);
            cancellation.cancel();
            // Nothing comes but the end: the connection is closed with the run.
            stream.read(&mut [0]).unwrap_or(0)
        })
    };
    let run = runner.run_due(&preparation.checks[0], Instant::now(), &cancellation);
    let report = timeout(BOUND, run)
        .await
        .expect("it ends long before its deadline");
    assert_eq!(server.join().unwrap(), 0);
    let error = report.error.as_ref().unwrap();
    assert_eq!(
        (report.outcome, report.blame),
        (Outcome::Skipped, Some(Blame::Runner))
    );
    assert_eq!(error.error_type, ErrorType::Cancelled);
    assert!(!report.deadline_exceeded);
    let [attempt] = &report.attempts[..] else {
        panic!("one attempt: {:?}", report.attempts)
    };
    assert_eq!(attempt.outcome, Outcome::Skipped);
    let phases: Vec<_> = attempt
        .phases
        .iter()
        .map(|phase| (&*phase.name, phase.status))
        .collect();
    assert_eq!(
        phases,
        [
            ("resolve", PhaseStatus::Ok),
            ("connect", PhaseStatus::Ok),
            ("processing", PhaseStatus::Interrupted),
            ("transfer", PhaseStatus::NotReached),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_between_two_attempts_keeps_the_first() {
    let (listener, port) = listen();
    drop(listener);
    let preparation = prepare(
        port,
        "retry = { attempts = 2, backoff = \"20s\", max_backoff = \"20s\" }",
    )
    .await;
    let runner = Arc::new(Runner::new(preparation.sandbox, 1));
    let cancellation = CancellationToken::new();
    let prepared = Arc::new(preparation.checks.into_iter().next().unwrap());
    let budget = Arc::clone(prepared.retry_budget.as_ref().unwrap());
    let task = {
        let (cancellation, prepared) = (cancellation.clone(), Arc::clone(&prepared));
        tokio::spawn(async move { runner.run_due(&prepared, Instant::now(), &cancellation).await })
    };
    // A retry is taken out of the budget when the first attempt is over.
    let pausing = async {
        while budget.retries() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(BOUND, pausing).await.expect("the first attempt fails");
    cancellation.cancel();
    let report = timeout(Duration::from_secs(9), task)
        .await
        .expect("it ends before the pause of 10 s at least does")
        .unwrap();
    assert_eq!(report.outcome, Outcome::Skipped);
    let outcomes: Vec<_> = report.attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Fail]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_a_slot_can_be_cancelled_and_counts_its_lag_from_when_it_was_due() {
    let (_listener, port) = listen();
    let preparation = prepare(port, "").await;
    let runner = Runner::new(preparation.sandbox, 0);
    let cancellation = CancellationToken::new();
    cancellation.cancel();
    let due = Instant::now() - Duration::from_secs(5);
    let run = runner.run_due(&preparation.checks[0], due, &cancellation);
    let report = timeout(BOUND, run).await.expect("there is no slot to wait for");
    assert_eq!(report.error.unwrap().error_type, ErrorType::Cancelled);
    assert!(report.attempts.is_empty());
    assert!(report.lag >= Duration::from_secs(5), "{:?}", report.lag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_gives_its_slot_back() {
    let (listener, port) = listen();
    let preparation = prepare(port, "").await;
    let runner = Runner::new(preparation.sandbox, 1);
    let (reached, is_reached) = tokio::sync::oneshot::channel();
    let server = thread::spawn(move || {
        let hanging = request(&listener);
        reached.send(()).unwrap();
        answer(request(&listener));
        drop(hanging);
    });
    let check = &preparation.checks[0];
    tokio::select! {
        _ = runner.run(check) => panic!("the peer does not answer"),
        reached = is_reached => reached.unwrap(),
    }
    let report = timeout(BOUND, runner.run(check)).await.expect("the slot is free");
    assert_eq!(report.outcome, Outcome::Pass);
    server.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cancelled_before_it_begins_asks_nobody() {
    let (listener, port) = listen();
    drop(listener);
    let preparation = prepare(port, "").await;
    let runner = Runner::new(preparation.sandbox, 1);
    let course = Course::live(Duration::ZERO, Tape::none());
    course.cancellation.cancel();
    let (report, _) = runner.take(&preparation.checks[0], &course).await;
    assert_eq!((report.outcome, report.attempts.len()), (Outcome::Skipped, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_is_skipped_has_a_report() {
    let (_listener, port) = listen();
    let preparation = prepare(port, "").await;
    let lag = Duration::from_millis(7);
    let report = Runner::skipped(
        &preparation.checks[0],
        ErrorType::CircuitOpen,
        "next try in 25 s",
        lag,
    );
    assert_eq!(
        (report.outcome, report.blame),
        (Outcome::Skipped, Some(Blame::Runner))
    );
    assert_eq!(report.error.as_ref().unwrap().message, "next try in 25 s");
    assert!(report.attempts.is_empty() && report.phases().is_empty());
    assert_eq!((report.duration, report.lag), (Duration::ZERO, lag));
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_of_a_target_share_its_retries() {
    let (listener, port) = listen();
    drop(listener);
    let more = "retry = { attempts = 3, backoff = \"1ms\" }\n[retry_budget]\nshare = 0\nminimum = 3\n";
    let preparation = prepare(port, more).await;
    assert_eq!(preparation.checks[0].target.as_str(), format!("127.0.0.1:{port}"));
    let runner = Runner::new(Arc::clone(&preparation.sandbox), 1);
    let attempts = async |check: &Prepared| {
        let report = runner.run(check).await;
        assert_eq!(report.outcome, Outcome::Fail);
        (report.attempts.len(), report.retry_denied)
    };
    assert_eq!(attempts(&preparation.checks[0]).await, (3, None));
    let denied =
        format!("the retry budget of `127.0.0.1:{port}` is used up: retries: 3 of 3, runs: 2, in 1m");
    assert_eq!(attempts(&preparation.checks[0]).await, (2, Some(denied)));

    // What the process has counted stays when the configuration is read again.
    preparation.retry_budgets.configure(RetryBudgetSettings {
        minimum: 0,
        share: 0.0,
        ..RetryBudgetSettings::default()
    });
    assert_eq!(attempts(&preparation.checks[0]).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_passes_too_slowly_warns_or_fails() {
    for (thresholds, outcome) in [
        ("{ warn = \"1ms\" }", Outcome::Pass),
        ("{ warn = \"1ms\", fail = \"2ms\" }", Outcome::Fail),
    ] {
        let (listener, port) = listen();
        let preparation = prepare(port, &format!("thresholds = {thresholds}")).await;
        let runner = Runner::new(preparation.sandbox, 1);
        let server = thread::spawn(move || {
            let stream = request(&listener);
            // Longer than the thresholds: what is slow is the peer.
            thread::sleep(Duration::from_millis(5));
            answer(stream);
        });
        let report = runner.run(&preparation.checks[0]).await;
        server.join().unwrap();
        assert_eq!(report.outcome, outcome, "{thresholds}");
        assert_eq!(report.attempts[0].outcome, Outcome::Pass);
        match &report.error {
            None => {
                assert!(report.warnings[0].ends_with("over the threshold of 0.001 s (`thresholds.warn`)"))
            }
            Some(error) => {
                assert_eq!(error.error_type, ErrorType::AssertionFailed);
                assert!(
                    error
                        .message
                        .ends_with("over the threshold of 0.002 s (`thresholds.fail`)")
                );
                assert!(report.warnings.is_empty());
            }
        }
    }
}
