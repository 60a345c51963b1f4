//! The rows, in the order of the table.

mod bare_engine;
mod cold_start;
mod curves;
mod empty_run;
mod exchanges;
mod hanging;
mod one_shot;
mod probe;
mod python;
mod scheduled;
mod telemetry;

use crate::row::Row;

/// All rows.
#[must_use]
pub fn all() -> Vec<Row> {
    vec![
        empty_run::row(),
        exchanges::http(),
        exchanges::imap(),
        probe::row(),
        one_shot::row(),
        cold_start::row(),
        hanging::row(),
        scheduled::row(),
        telemetry::row(),
        python::row(),
        curves::row(),
    ]
}
