//! The table of the daemon itself, `[serve]`: what its keys are, what values they take, and their defaults.

use std::time::Duration;

use super::Serve;
use super::reader::Table;

/// `[serve]`.
pub(super) fn serve(table: &mut Table<'_>) -> Serve {
    let defaults = Serve::default();
    let drains = Duration::ZERO..=Duration::from_secs(600);
    let drain = table.get("drain").and_then(|value| value.duration(drains));
    let watch_config = table.get("watch_config").and_then(|value| value.boolean());
    let reports = Duration::from_secs(1)..=Duration::from_secs(600);
    let report_after = table
        .get("report_after")
        .and_then(|value| value.duration(reports));
    Serve {
        drain: drain.unwrap_or(defaults.drain),
        watch_config: watch_config.unwrap_or(defaults.watch_config),
        report_after: report_after.unwrap_or(defaults.report_after),
    }
}
