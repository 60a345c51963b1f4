//! How reports are shown to people, to Nagios and to programs: text made from finished reports.
//! Everything but [`Progress`] is a pure function; none of it decides where the text goes, and no
//! text ends with a newline.
//!
//! What a report quotes (messages, details, names) can come from a hostile server, so everything
//! goes through [`printable`](crate::text::printable) before it is shown.

mod axis;
mod exit;
mod explain;
mod facts;
#[cfg(test)]
mod fuzz;
mod json;
mod look;
mod nagios;
mod performance;
mod printable;
mod progress;
mod rows;
mod summary;
mod units;
mod waterfall;

#[cfg(test)]
pub(crate) mod samples;

pub use exit::{ExitStatus, exit_code};
pub use json::json;
pub use look::{Charset, Look, Palette};
pub use nagios::nagios;
pub use progress::Progress;
pub use summary::summary;
pub use waterfall::waterfall;
