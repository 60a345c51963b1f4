//! bedcheck runs checks of other people's services in a sandbox, under one deadline each, and reports
//! them phase by phase.
//!
//! A run flows one way:
//!
//! ```text
//! text -> config -> runner (prepare) -> budget -> sandbox -> hostcalls -> phase -> outcome -> render
//!                                                                                       -> journal -> telemetry
//! ```
//!
//! Imports go downwards only. What stands on a floor uses what stands below it:
//!
//! ```text
//! cli, demo
//! serve
//! sweep
//! recording
//! runner        library       telemetry   render
//! journal
//! sandbox       config        import
//! hostcalls     secret        schedule
//! bindings      connection    policy      redactor    fault
//! deadline      grant         switches    budget      phase <-> outcome
//! clock, tape   open      address       capability  text        units, words, name, files, open_files
//! ```

pub mod address;
pub mod bindings;
pub mod budget;
pub mod capability;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod deadline;
pub mod demo;
pub mod fault;
pub mod files;
pub mod grant;
pub mod hostcalls;
pub mod http_url;
pub mod import;
pub mod journal;
pub mod library;
pub mod name;
pub mod open;
pub mod open_files;
pub mod outcome;
pub mod phase;
pub mod policy;
pub mod recording;
pub mod redactor;
pub mod render;
pub mod runner;
pub mod sandbox;
pub mod schedule;
pub mod secret;
pub mod serve;
pub mod sweep;
pub mod switches;
pub mod tape;
pub mod telemetry;
pub mod text;
pub mod units;
pub(crate) mod words;
