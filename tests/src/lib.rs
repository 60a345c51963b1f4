//! What the tests of the whole program stand on, which are in `tests/tests`, one file per promise.
//!
//! - [`program`] runs the built `bedcheck` and reads its reports,
//! - [`daemon`] is a running `bedcheck serve`,
//! - [`dovecot`], [`nginx`] and [`nsd`] are the real servers, from Debian's packages,
//! - [`prometheus`] is a real Prometheus, from there too,
//! - [`names`] is a name server that answers as a test says,
//! - [`script`] is a peer that follows a script and knows no protocol, for all that a real server does not do,
//! - [`datagrams`] is a peer that answers datagrams as a test says,
//! - [`target`] is a web server that is up, down or silent as a test says,
//! - [`stopped`] stops single threads of a process,
//! - [`hook`] is a web server that keeps what it is sent,
//! - [`component`] is a plugin written by hand, for what no compiler makes,
//! - [`certificates`] is an authority with certificates good and bad,
//! - [`collector`] is a real OpenTelemetry Collector, [`relay`] one in front of it, [`rotel`] another receiver of OTLP,
//! - [`between`] is what stands between the program and its collector, and cuts, delays, refuses.
//!
//! Everything blocks, listens only on loopback, and ends when it is dropped. What cannot be set up panics with
//! a sentence that says why: a test has nobody to hand an error to.
//!
//! Nothing here judges the program: the expectations are in the tests.

pub mod between;
pub mod certificates;
pub mod collector;
pub mod component;
pub mod daemon;
pub mod datagrams;
pub mod dovecot;
pub mod guarded;
pub mod hook;
pub mod names;
pub mod nginx;
pub mod nsd;
pub mod program;
pub mod prometheus;
pub mod relay;
pub mod rotel;
pub mod script;
pub mod stopped;
pub mod target;

mod process;

pub use program::{Finished, Program, bedcheck};
