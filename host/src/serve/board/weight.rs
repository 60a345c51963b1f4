//! How much memory a report takes, estimated: its parts and its texts, without what the allocator adds. Pure.

use std::mem::size_of;

use crate::outcome::{Attempt, AttributeValue, ErrorReport, LogLine, Measurement, PhaseReport, Report};

/// An entry of a map, with its share of the map's own.
const ENTRY: usize = 64;

/// About so many bytes.
pub(super) fn weight(report: &Report) -> usize {
    let plugin = &report.plugin;
    let faults = report.faults.iter().map(|fault| {
        size_of_val(fault) + fault.fault.len() + text(fault.phase.as_deref()) + text(fault.detail.as_deref())
    });
    size_of::<Report>()
        + report.check.len()
        + plugin.name.len()
        + plugin.version.len()
        + plugin.sha256.len()
        + error(report.error.as_ref())
        + report.attempts.iter().map(attempt).sum::<usize>()
        + report.measurements.iter().map(measurement).sum::<usize>()
        + report
            .log
            .iter()
            .map(|line| size_of::<LogLine>() + line.message.len())
            .sum::<usize>()
        + faults.sum::<usize>()
}

fn attempt(attempt: &Attempt) -> usize {
    let phases: usize = attempt.phases.iter().map(phase).sum();
    size_of::<Attempt>() + error(attempt.error.as_ref()) + phases
}

fn phase(phase: &PhaseReport) -> usize {
    let attributes = phase.attributes.iter().map(|(_, value)| {
        ENTRY
            + match value {
                AttributeValue::Text(text) => text.len(),
                AttributeValue::Integer(_) => 0,
                AttributeValue::List(texts) => {
                    texts.iter().map(|text| size_of::<String>() + text.len()).sum()
                }
            }
    });
    size_of::<PhaseReport>()
        + phase.name.len()
        + text(phase.detail.as_deref())
        + error(phase.error.as_ref())
        + attributes.sum::<usize>()
}

fn measurement(measurement: &Measurement) -> usize {
    let attributes = measurement.attributes.iter();
    let attributes = attributes.map(|(name, value)| ENTRY + name.len() + value.len());
    size_of::<Measurement>() + measurement.name.len() + measurement.unit.len() + attributes.sum::<usize>()
}

fn error(error: Option<&ErrorReport>) -> usize {
    error.map_or(0, |error| error.message.len() + text(error.phase.as_deref()))
}

fn text(text: Option<&str>) -> usize {
    text.map_or(0, str::len)
}
