//! Reports → log records: the lines that plugins wrote, what happened (the events of the spans, under the same names),
//! and how runs failed, each in its trace. As OTLP's messages, pure. How they get to a collector is not known here.
//!
//! A record's identity follows from the report, so that a collector that gets it again can tell.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use twox_hash::XxHash3_128;

use super::names;
use super::spans::events::{Happening, happenings};
use super::spans::places::{self, place_of};
use super::spans::times::Times;
use super::spans::{self, SAMPLED};
use super::values::{self, Attributes, Value, own_scope};
use crate::outcome::{LogLevel, LogLine, Outcome, Report, SpanPlace, hexadecimal};

/// How many log records a run becomes at most, besides the one that says so: the lines of two attempts that wrote as
/// many as they may, and what else happened. With lines of at most 1 KiB this is some 800 KiB.
pub(super) const MAX_RECORDS: usize = 640;

/// The log records of these runs: one resource, in it a scope for what bedcheck itself says and one for each plugin.
pub(super) fn resource_logs<'r>(
    resource: &Resource,
    reports: impl IntoIterator<Item = &'r Report>,
) -> Vec<ResourceLogs> {
    let mut scopes: Vec<ScopeLogs> = Vec::new();
    for report in reports {
        Run::new(report).write(&mut scopes);
    }
    if scopes.is_empty() {
        return Vec::new();
    }
    vec![ResourceLogs {
        resource: Some(resource.clone()),
        scope_logs: scopes,
        schema_url: String::new(),
    }]
}

/// The records of a run, as they are made.
struct Run<'r> {
    report: &'r Report,
    times: Times,
    made: usize,
    left_out: u64,
}

impl<'r> Run<'r> {
    fn new(report: &'r Report) -> Self {
        Self {
            report,
            times: Times::of(report),
            made: 0,
            left_out: report.usage.log_lines_dropped,
        }
    }

    fn write(mut self, scopes: &mut Vec<ScopeLogs>) {
        // The failure before all else, so that no crowd of lines can hide it.
        if let Some(failure) = self.failure() {
            self.push(scopes, own_scope(), failure);
        }
        for happening in happenings(self.report) {
            let record = self.happening(happening);
            self.push(scopes, own_scope(), record);
        }
        let plugin = &self.report.plugin;
        for line in &self.report.log {
            let record = self.line(line);
            self.push(scopes, values::scope(&plugin.name, &plugin.version), record);
        }
        if self.left_out > 0 {
            let record = self.what_is_left_out();
            self.made = 0;
            self.push(scopes, own_scope(), record);
        }
    }

    fn push(&mut self, scopes: &mut Vec<ScopeLogs>, scope: InstrumentationScope, mut record: LogRecord) {
        if self.made >= MAX_RECORDS {
            self.left_out += 1;
            return;
        }
        self.made += 1;
        record.attributes.extend(self.identity(&record));
        match scopes
            .iter_mut()
            .find(|known| known.scope.as_ref() == Some(&scope))
        {
            Some(known) => known.log_records.push(record),
            None => scopes.push(ScopeLogs {
                scope: Some(scope),
                log_records: vec![record],
                schema_url: String::new(),
            }),
        }
    }

    /// Records of a run differ by their number; those of different runs by the trace.
    fn identity(&self, record: &LogRecord) -> Vec<KeyValue> {
        let mut identity = XxHash3_128::new();
        identity.write(&record.trace_id);
        identity.write(record.event_name.as_bytes());
        identity.write(&[0]);
        identity.write(&(self.made as u64).to_be_bytes());
        let mut attributes = Attributes::default();
        let identity = hexadecimal(&identity.finish_128().to_be_bytes());
        attributes.set(names::LOG_RECORD_UID, identity);
        attributes.finish().0
    }

    /// How a run failed, at its end. Runs that passed or were skipped have not.
    fn failure(&self) -> Option<LogRecord> {
        let report = self.report;
        if !matches!(report.outcome, Outcome::Fail | Outcome::Error) {
            return None;
        }
        let mut attributes = self.attributes();
        attributes.set(names::OUTCOME, report.outcome.as_str());
        spans::set_judgement(&mut attributes, report);
        attributes.set_some(names::FAULT_INJECTED, report.is_injected().then_some(true));
        let message = report.error.as_ref().map(|error| error.message.as_str());
        let record = self.record(report.duration, None, SeverityNumber::Error, attributes);
        Some(LogRecord {
            body: text(message.unwrap_or_default()),
            event_name: names::EVENT_CHECK_FAILED.to_owned(),
            ..record
        })
    }

    fn happening(&self, happening: Happening<'_>) -> LogRecord {
        let mut attributes = self.attributes();
        attributes.extend(happening.attributes);
        let severity = match happening.name {
            names::EVENT_CIRCUIT_CLOSED | names::EVENT_CIRCUIT_HALF_OPENED | names::EVENT_FAULT_INJECTED => {
                SeverityNumber::Info
            }
            _ => SeverityNumber::Warn,
        };
        LogRecord {
            body: text(&happening.sentence),
            event_name: happening.name.to_owned(),
            ..self.record(happening.at, happening.place, severity, attributes)
        }
    }

    fn line(&self, line: &LogLine) -> LogRecord {
        let place = place_of(self.report, line.phase.as_ref(), line.detail.as_ref(), line.at);
        let mut attributes = self.attributes();
        attributes.set_some(names::PHASE, line.phase.as_ref());
        attributes.set_some(names::PHASE_DETAIL, line.detail.as_ref());
        let attempt = place.map(|place| match place {
            SpanPlace::Attempt(attempt) | SpanPlace::Backoff(attempt) | SpanPlace::Phase { attempt, .. } => {
                attempt
            }
        });
        attributes.set_some(names::ATTEMPT, attempt.map(u64::from));
        LogRecord {
            body: text(&line.message),
            ..self.record(line.at, place, severity(line.level), attributes)
        }
    }

    /// Lines over the limit of the run, and records over ours.
    fn what_is_left_out(&self) -> LogRecord {
        let mut attributes = self.attributes();
        attributes.set(names::LOG_LINES_DROPPED, self.left_out);
        LogRecord {
            body: text(&format!(
                "{} lines were left out: the run has too many",
                self.left_out
            )),
            event_name: names::EVENT_LOG_CUT.to_owned(),
            ..self.record(self.report.duration, None, SeverityNumber::Warn, attributes)
        }
    }

    /// What every record has: whose run it is of.
    fn attributes(&self) -> Attributes<'r> {
        let mut attributes = spans::base(self.report);
        attributes.set(names::RUN_ID, hexadecimal(&self.report.run_id.0));
        attributes
    }

    /// A record of this moment in this span. It was observed when the run was over and its report was made.
    fn record(
        &self,
        at: Duration,
        place: Option<SpanPlace>,
        severity: SeverityNumber,
        attributes: Attributes<'_>,
    ) -> LogRecord {
        let (attributes, dropped_attributes_count) = attributes.finish();
        LogRecord {
            time_unix_nano: self.times.at(at),
            observed_time_unix_nano: self.times.at(self.report.duration),
            severity_number: severity.into(),
            severity_text: severity_text(severity).to_owned(),
            attributes,
            dropped_attributes_count,
            flags: SAMPLED,
            trace_id: self.report.trace_id.0.to_vec(),
            span_id: places::id(self.report, place).to_vec(),
            ..LogRecord::default()
        }
    }
}

fn severity(level: LogLevel) -> SeverityNumber {
    match level {
        LogLevel::Debug => SeverityNumber::Debug,
        LogLevel::Info => SeverityNumber::Info,
        LogLevel::Warning => SeverityNumber::Warn,
        LogLevel::Error => SeverityNumber::Error,
    }
}

/// The short name of the specification (Logs Data Model, displaying severity).
fn severity_text(severity: SeverityNumber) -> &'static str {
    match severity {
        SeverityNumber::Debug => "DEBUG",
        SeverityNumber::Warn => "WARN",
        SeverityNumber::Error => "ERROR",
        _ => "INFO",
    }
}

fn text(text: &str) -> Option<AnyValue> {
    Some(Value::from(text).message())
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
