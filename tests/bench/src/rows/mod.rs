//! The rows, in the order of the table.

mod bare_engine;
mod curves;
mod empty_run;
mod exchanges;
mod probe;
mod telemetry;
mod hanging;
mod scheduled;

use crate::row::Row;

/// All rows.
#[must_use]
pub fn all() -> Vec<Row> {
    vec![
        empty_run::row(),
        exchanges::http(),
        exchanges::imap(),
        probe::row(),
        telemetry::row(),
        hanging::row(),
        scheduled::row(),
        curves::row(),
    ]
}
