//! The benchmark: bedcheck beside other probers and beside native clients, in one run on one machine.
//!
//! A [`row`] is a question, such as what a check costs against the same exchange by a native client. It sets up a
//! stand with *sides*, which are measured in turns ([`rounds`]), and *lines*, each of which compares what two sides
//! cost in the same round. [`statistics`] makes one figure of the rounds, [`verdict`] holds it against the goal,
//! [`table`] and [`record`] show it.
//!
//! - [`mod@bench`] is what a row is set up with: the program, the target, peers, a folder;
//! - [`check`] is a check that runs in this process;
//! - [`target`] is a process with servers on loopback that answer at once, or never;
//! - [`program`] is a running `bedcheck serve`, or any other program that listens;
//! - [`native`] is clients without a sandbox;
//! - [`load`] asks an HTTP server as fast as it answers;
//! - [`cpu`] is the CPU time of this process and of others.
//!
//! The rows are in [`rows`], one file each. To add one, write `rows/NAME.rs` with a `pub fn row() -> Row`, and name
//! it in `rows/mod.rs`.

pub mod bench;
pub mod check;
pub mod cpu;
pub mod load;
pub mod machine;
pub mod native;
pub mod program;
pub mod record;
pub mod rounds;
pub mod row;
pub mod rows;
pub mod statistics;
pub mod table;
pub mod target;
pub mod verdict;
