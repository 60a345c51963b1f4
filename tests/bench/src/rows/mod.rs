//! The rows, in the order of the table.

mod bare_engine;
mod cold_start;
mod empty_run;
mod exchanges;
mod one_shot;

use crate::row::Row;

/// All rows.
#[must_use]
pub fn all() -> Vec<Row> {
    vec![
        empty_run::row(),
        exchanges::http(),
        exchanges::imap(),
        one_shot::row(),
        cold_start::row(),
    ]
}
