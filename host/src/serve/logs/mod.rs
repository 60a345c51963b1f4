//! The daemon's log on standard error: text on a terminal, otherwise JSON, one object a line. A line for each
//! run; lines that repeat themselves are held back and counted. Writing it never holds anybody up and never
//! ends the daemon, whatever becomes of whoever reads it.
//!
//! The diagnostics of the other commands are `cli`'s.

mod layer;
mod line;
mod sink;
#[cfg(test)]
mod tests;
mod throttle;

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{Log, LogFormat, LogLevel};
use crate::outcome::{Outcome, Report, hexadecimal};

use layer::{Lines, Repeats};
use line::{Form, Line};
use sink::Sink;
use throttle::{Throttle, WINDOW};

pub(in crate::serve) use line::rfc3339;

/// The target of the lines about runs, for filters. They are never held back.
pub const RUN: &str = "bedcheck::run";
/// The target of the lines that list what is open while the end drags on. They are never held back.
pub const OPEN: &str = "bedcheck::open";

/// The log.
pub struct Logs {
    sink: Sink,
    repeats: Repeats,
    filter: reload::Handle<EnvFilter, Registry>,
    /// What `RUST_LOG` says, which wins.
    environment: Option<String>,
}

impl Logs {
    /// Begins the log of this process on standard error.
    ///
    /// # Errors
    ///
    /// A sentence, when there is a log already or no thread can be started.
    pub fn start(log: Log) -> Result<Self, String> {
        let environment = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
        let form = match log.format {
            LogFormat::Text => Form::Text,
            LogFormat::Json => Form::Json,
            LogFormat::Auto if std::io::stderr().is_terminal() => Form::Text,
            LogFormat::Auto => Form::Json,
        };
        let (subscriber, logs) = build(form, log.level, environment, Box::new(std::io::stderr()))
            .map_err(|error| format!("the log cannot be started: {error}"))?;
        tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())?;
        Ok(logs)
    }

    /// Sets the level that a new configuration asks for. `RUST_LOG` wins.
    pub fn set_level(&self, level: LogLevel) {
        self.set(filter(level, self.environment.as_deref()));
    }

    /// Lets everything of ours be logged that is of use when the daemon does not get on, unless more is logged
    /// already.
    pub fn to_debug(&self) {
        let enough = |filter: &EnvFilter| filter.max_level_hint() >= Some(LevelFilter::DEBUG);
        if !self.filter.with_current(enough).unwrap_or(false) {
            self.set(EnvFilter::new("info,bedcheck=debug"));
        }
    }

    /// Says what was held back, and waits until all that was logged is written, for `bound` at most; whether it is.
    pub fn finish(&self, bound: Duration) -> bool {
        let held_back = locked(&self.repeats).all();
        for line in told(held_back) {
            self.sink.write(line.write(self.sink.form));
        }
        self.sink.flush(bound)
    }

    /// How many lines were lost and not yet said to be.
    pub fn lost(&self) -> u64 {
        self.sink.lost()
    }

    fn set(&self, filter: EnvFilter) {
        // It fails only when the subscriber is gone.
        let _ = self.filter.reload(filter);
    }
}

/// The subscriber, and the hold on it.
fn build(
    form: Form,
    level: LogLevel,
    environment: Option<String>,
    output: Box<dyn Write + Send>,
) -> std::io::Result<(impl Subscriber + Send + Sync, Logs)> {
    let repeats: Repeats = Arc::new(Mutex::new(Throttle::new()));
    let held_back = {
        let repeats = Arc::clone(&repeats);
        move || told(locked(&repeats).over(Instant::now()))
    };
    let sink = Sink::start(form, output, held_back)?;
    let (chosen, handle) = reload::Layer::new(filter(level, environment.as_deref()));
    let lines = Lines {
        sink: sink.clone(),
        repeats: Arc::clone(&repeats),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(chosen));
    let logs = Logs {
        sink,
        repeats,
        filter: handle,
        environment,
    };
    Ok((subscriber, logs))
}

/// What is logged. Libraries are asked for warnings only, below that they tell what is nobody's business.
/// Of `RUST_LOG`, what cannot be understood is left out.
fn filter(level: LogLevel, environment: Option<&str>) -> EnvFilter {
    if let Some(directives) = environment {
        return EnvFilter::builder().parse_lossy(directives);
    }
    match level {
        LogLevel::Error => EnvFilter::new("error"),
        other => EnvFilter::new(format!("warn,bedcheck={}", other.as_str())),
    }
}

fn locked<K>(repeats: &Mutex<Throttle<K>>) -> MutexGuard<'_, Throttle<K>> {
    repeats.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(held_back: Vec<throttle::HeldBack>) -> Vec<Line> {
    let line = |held: throttle::HeldBack| {
        let message = format!(
            "{} more lines in {WINDOW:?} like this: {}",
            held.lines, held.sample
        );
        let fields = vec![("held_back", held.lines.into())];
        Line::own(tracing::Level::WARN, message, fields)
    };
    held_back.into_iter().map(line).collect()
}

/// The span of a run: what is logged in it carries the check's name, and the run's ids as soon as it has
/// them.
pub fn run_span(check: &str) -> Span {
    tracing::error_span!(target: RUN, "run", check, run_id = tracing::field::Empty, trace_id = tracing::field::Empty)
}

/// Logs a run that is over, in one line: a failure or an error as a warning. `state` is the check's state after
/// it.
pub fn run(report: &Report, state: &str) {
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                target: RUN,
                $level,
                check = report.check,
                plugin = report.plugin.name,
                outcome = report.outcome.as_str(),
                state,
                duration_s = report.duration.as_secs_f64(),
                lag_s = report.lag.as_secs_f64(),
                error_type = report.error.as_ref().map(|error| error.error_type.as_str()),
                error = report.error.as_ref().map(|error| error.message.as_str()),
                phase = report.error.as_ref().and_then(|error| error.phase.as_deref()),
                attempts = report.attempts.len(),
                run_id = hexadecimal(&report.run_id.0),
                trace_id = hexadecimal(&report.trace_id.0),
                "{}: {}{}",
                report.check,
                report.outcome.as_str(),
                retried(report),
            )
        };
    }
    match report.outcome {
        Outcome::Fail | Outcome::Error => line!(tracing::Level::WARN),
        _ => line!(tracing::Level::INFO),
    }
}

/// That a run passed on a later attempt is visible everywhere.
fn retried(report: &Report) -> String {
    match report.attempts.len() {
        0 | 1 => String::new(),
        attempts => format!(" on attempt {attempts}"),
    }
}
