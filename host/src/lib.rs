//! bedcheck runs checks of other people's services in a sandbox, under one deadline each, and reports
//! them phase by phase.
//!
//! A run flows one way:
//!
//! ```text
//! text -> config -> runner (prepare) -> budget -> sandbox -> hostcalls -> phase -> outcome -> render, telemetry
//! ```
//!
//! Imports go downwards only. What stands on a floor uses what stands below it:
//!
//! ```text
//! cli, demo
//! runner        library       telemetry   render
//! sandbox       config
//! hostcalls     secret
//! bindings      connection    policy      redactor
//! deadline      grant         capability  budget      phase <-> outcome   address   text
//! ```

pub mod address;
pub mod bindings;
pub mod budget;
pub mod capability;
pub mod cli;
pub mod config;
pub mod connection;
pub mod deadline;
pub mod demo;
pub mod grant;
pub mod hostcalls;
pub mod library;
pub mod outcome;
pub mod phase;
pub mod policy;
pub mod redactor;
pub mod render;
pub mod runner;
pub mod sandbox;
pub mod secret;
pub mod telemetry;
pub mod text;
