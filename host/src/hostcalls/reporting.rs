//! Calls that only report or ask: measurements, log, budget, capabilities. They work after the
//! deadline too.

use std::collections::BTreeMap;

use super::RunState;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::bindings::bedcheck::plugin::{budget, capabilities, log, measurements, types};
use crate::capability::Capability;
use crate::fault::HostCall;
use crate::outcome::{LogLevel, LogLine, Measurement};
use crate::redactor::REDACTED_NAME;

/// How many measurements a run may have: some for each of fifty mailboxes.
const MAX_MEASUREMENTS: usize = 256;
/// How many log lines are kept.
pub(super) const MAX_LOG_LINES: usize = 256;
/// The longest log line, in bytes.
pub(super) const MAX_LOG_LINE: usize = 1024;
/// The longest name, unit, attribute key or value of a measurement, in bytes.
const MAX_MEASUREMENT_TEXT: usize = 128;
/// How many attributes a measurement may have.
const MAX_ATTRIBUTES: usize = 8;

impl types::Host for RunState {}

impl measurements::Host for RunState {
    fn put(
        &mut self,
        name: String,
        value: f64,
        unit: String,
        attributes: Vec<(String, String)>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.report_call(HostCall::MeasurementsPut)? {
            return Ok(Err(error));
        }
        if self.measurements.len() >= MAX_MEASUREMENTS {
            return Ok(Err(CallError::OverQuota("measurements".into())));
        }
        if let Err(reason) = check_measurement(&name, value, &unit, &attributes) {
            return Ok(Err(CallError::Invalid(reason)));
        }
        let attributes: BTreeMap<_, _> = attributes
            .into_iter()
            .map(|(key, value)| {
                (
                    self.without_secret(key),
                    self.presentable(value, MAX_MEASUREMENT_TEXT),
                )
            })
            .collect();
        let name = self.without_secret(name);
        let unit = self.presentable(unit, MAX_MEASUREMENT_TEXT);
        self.measurements.push(Measurement {
            name,
            value,
            unit,
            attributes,
        });
        Ok(Ok(()))
    }
}

impl log::Host for RunState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        if self.report_call(HostCall::LogWrite)?.is_err() || self.log.len() >= MAX_LOG_LINES {
            self.usage.log_lines_dropped += 1;
            return Ok(());
        }
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warning => LogLevel::Warning,
            log::Level::Error => LogLevel::Error,
        };
        let message = self.presentable(message, MAX_LOG_LINE);
        let (phase, detail) = self.open_phase();
        self.log.push(LogLine {
            at: self.deadline.moment(),
            phase,
            detail,
            level,
            message,
        });
        Ok(())
    }
}

impl budget::Host for RunState {
    fn remaining(&mut self) -> wasmtime::Result<u64> {
        let _counted = self.report_call(HostCall::BudgetRemaining)?;
        let now = self.deadline.elapsed();
        self.notice_deadline(now);
        Ok(u64::try_from(self.deadline.remaining_at(now).as_nanos()).unwrap_or(u64::MAX))
    }

    fn deadline_exceeded(&mut self) -> wasmtime::Result<bool> {
        let _counted = self.report_call(HostCall::BudgetDeadlineExceeded)?;
        let now = self.deadline.elapsed();
        self.notice_deadline(now);
        Ok(self.deadline.has_passed_by(now))
    }
}

impl capabilities::Host for RunState {
    fn enabled(&mut self, name: String) -> wasmtime::Result<bool> {
        if let Err(CallError::CapabilityDisabled(_)) = self.report_call(HostCall::CapabilitiesEnabled)? {
            return Ok(false);
        }
        let capability = name.parse::<Capability>().ok();
        let is_enabled = capability.is_some_and(|capability| self.access.has(capability));
        if !is_enabled {
            self.refused.note(&CallError::CapabilityDisabled(name));
        }
        Ok(is_enabled)
    }
}

impl RunState {
    /// A name, unless there is a secret in it. The guest is not told, so that it cannot guess secrets.
    fn without_secret(&self, name: String) -> String {
        if self.redactor.finds_in_name(&name) {
            return REDACTED_NAME.to_owned();
        }
        name
    }
}

/// Whether a measurement can be exported: a name a metric can have, a finite value, bounded texts.
fn check_measurement(
    name: &str,
    value: f64,
    unit: &str,
    attributes: &[(String, String)],
) -> Result<(), String> {
    let dotted = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= MAX_MEASUREMENT_TEXT
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_'))
    };
    if !dotted(name) {
        return Err("a measurement's name is dotted lower case, such as `imap.mailbox.messages`".into());
    }
    if !value.is_finite() {
        return Err(format!("the measurement `{name}` is not a finite number"));
    }
    if unit.len() > MAX_MEASUREMENT_TEXT {
        return Err(format!(
            "the unit of `{name}` is longer than {MAX_MEASUREMENT_TEXT} bytes"
        ));
    }
    if attributes.len() > MAX_ATTRIBUTES || !attributes.iter().all(|(key, _)| dotted(key)) {
        return Err(format!(
            "`{name}` has more than {MAX_ATTRIBUTES} attributes, or one whose key is not dotted lower case"
        ));
    }
    Ok(())
}
