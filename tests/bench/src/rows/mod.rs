//! The rows, in the order of the table.

mod empty_run;
mod exchanges;
mod python;

use crate::row::Row;

/// All rows.
#[must_use]
pub fn all() -> Vec<Row> {
    vec![
        empty_run::row(),
        exchanges::http(),
        exchanges::imap(),
        python::row(),
    ]
}
