//! The log as a whole: what is written, in which form, and when the level changes.

use std::io::{Result, Write};
use std::sync::PoisonError;

use serde_json::Value;

use super::*;

const BOUND: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What is written while `body` logs.
fn logged(level: LogLevel, environment: Option<&str>, body: impl FnOnce(&Logs)) -> Vec<Value> {
    let written = Written::default();
    let output = Box::new(written.clone());
    let environment = environment.map(str::to_owned);
    let (subscriber, logs) = build(Form::Json, level, environment, output).unwrap();
    tracing::subscriber::with_default(subscriber, || body(&logs));
    assert!(logs.finish(BOUND));
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect()
}

#[test]
fn a_run_is_one_line_with_all_that_one_looks_for() {
    let report = crate::render::samples::wrong_password();
    let lines = logged(LogLevel::Info, None, |_| {
        run(&report, "failing");
        run(&crate::render::samples::retry(), "passing");
    });
    assert_eq!(lines.len(), 2);
    let (failed, retried) = (&lines[0], &lines[1]);
    assert_eq!(failed["level"], "WARN");
    assert_eq!(failed["check"], report.check);
    assert_eq!(failed["outcome"], "fail");
    assert_eq!(failed["state"], "failing");
    assert_eq!(failed["error_type"], "auth.rejected");
    assert_eq!(failed["phase"], "login");
    assert_eq!(failed["attempts"], 1);
    assert_eq!(failed["trace_id"], hexadecimal(&report.trace_id.0));
    assert_eq!(failed["run_id"], hexadecimal(&report.run_id.0));
    assert!(failed["duration_s"].is_f64() && failed["lag_s"].is_f64());
    assert_eq!(retried["level"], "INFO");
    assert!(
        retried["message"]
            .as_str()
            .unwrap()
            .ends_with(": pass on attempt 2"),
        "{retried}"
    );
    assert!(retried.get("error_type").is_none());
}

#[test]
fn whatever_is_logged_in_a_run_carries_its_ids() {
    let lines = logged(LogLevel::Warn, None, |_| {
        let span = run_span("mail");
        span.record("run_id", "0102");
        span.record("trace_id", "0304");
        span.in_scope(|| tracing::warn!(check = "of the event", "within"));
    });
    assert_eq!(lines[0]["run_id"], "0102");
    assert_eq!(lines[0]["trace_id"], "0304");
    assert_eq!(lines[0]["check"], "of the event");
}

#[test]
fn the_level_is_the_configured_one_unless_the_environment_says_otherwise() {
    let log = |_: &Logs| {
        tracing::info!("ours");
        tracing::info!(target: "hyper", "theirs");
        tracing::debug!("detail");
    };
    assert_eq!(messages(&logged(LogLevel::Info, None, log)), ["ours"]);
    assert_eq!(messages(&logged(LogLevel::Debug, None, log)), ["ours", "detail"]);
    assert!(logged(LogLevel::Error, None, log).is_empty());
    assert_eq!(
        messages(&logged(LogLevel::Error, Some("hyper=info"), log)),
        ["theirs"]
    );
}

#[test]
fn the_level_changes_while_the_daemon_runs() {
    let lines = logged(LogLevel::Warn, None, |logs| {
        tracing::debug!("before");
        logs.to_debug();
        tracing::debug!("after");
        logs.set_level(LogLevel::Error);
        tracing::warn!("too little");
    });
    assert_eq!(messages(&lines), ["after"]);
    let lines = logged(LogLevel::Warn, Some("bedcheck=trace"), |logs| {
        logs.to_debug();
        tracing::trace!("still");
    });
    assert_eq!(messages(&lines), ["still"]);
}

#[test]
fn repeated_warnings_are_held_back_and_runs_are_not() {
    let report = crate::render::samples::wrong_password();
    let lines = logged(LogLevel::Info, None, |_| {
        for peer in ["a", "b"] {
            for _ in 0..20 {
                tracing::warn!(peer, "no answer");
            }
        }
        for _ in 0..20 {
            run(&report, "failing");
        }
    });
    let of = |message: &str| lines.iter().filter(|line| line["message"] == message).count() as u64;
    assert_eq!(of("no answer"), 2 * throttle::FIRST);
    assert_eq!(lines.iter().filter(|line| line["target"] == RUN).count(), 20);
}

#[test]
fn lines_that_say_different_things_are_written_up_to_a_bound_and_what_is_left_out_is_told_at_the_end() {
    let lines = logged(LogLevel::Info, None, |_| {
        for number in 0..50 {
            tracing::warn!("`net.tls` was switched off for the check `c{number}`");
        }
        for _ in 0..20 {
            tracing::warn!("the disk is full");
        }
        for number in 0..250 {
            tracing::warn!("{number} lines");
        }
    });
    let of = |end: &str| {
        let messages = messages(&lines).into_iter();
        messages
            .filter(|message| message.ends_with(end) && !message.contains(" more lines in "))
            .count()
    };
    assert_eq!((of("`"), of("full"), of(" lines")), (50, 5, 100));
    let mut told: Vec<_> = lines
        .iter()
        .filter_map(|line| line["held_back"].as_u64())
        .collect();
    told.sort_unstable();
    assert_eq!(told, [15, 150]);
}

#[test]
fn the_list_of_what_is_open_is_never_held_back() {
    let lines = logged(LogLevel::Info, None, |_| {
        for _ in 0..20 {
            tracing::warn!(target: OPEN, "open: run `mail`");
        }
    });
    assert_eq!(lines.len(), 20);
}
