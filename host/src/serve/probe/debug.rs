//! `debug=true`: what happened in a probe, for people, in the three parts that blackbox_exporter has. Pure.

use super::exposition::{Family, text as exposed};
use crate::outcome::{LogLevel, Report};
use crate::render::{Charset, Look, Palette, waterfall};
use crate::runner::PreparedModule;
use crate::telemetry::Exposition;

/// The waterfall and the log, the metrics, and the module without secrets.
pub(super) fn text(report: &Report, module: &PreparedModule, families: &[Family]) -> String {
    let look = Look::new(None, Charset::Unicode, Palette::default());
    let shown = module.shown();
    // A value made of texts and numbers has a form as text.
    let module = serde_json::to_string_pretty(&shown).unwrap_or_else(|_| shown.to_string());
    format!(
        "Logs for the probe:\n{}\n{}\n\nMetrics that would have been returned:\n{}\n\nModule configuration:\n{module}\n",
        waterfall(report, &look),
        log(report),
        exposed(families, Exposition::Prometheus),
    )
}

fn log(report: &Report) -> String {
    report
        .log
        .iter()
        .map(|line| {
            let level = match line.level {
                LogLevel::Debug => "debug",
                LogLevel::Info => "info",
                LogLevel::Warning => "warning",
                LogLevel::Error => "error",
            };
            format!(
                "  {:.6} s  {level}: {}\n",
                line.at.as_secs_f64(),
                crate::text::printable(&line.message)
            )
        })
        .collect()
}
