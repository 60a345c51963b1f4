//! The daemon: it runs each check at its interval, takes up new plugins and a new configuration while it runs, and
//! tells over HTTP, in its log and over OpenTelemetry what it found. When and whether a run starts is decided in
//! [`schedule`](crate::schedule), what a run is in [`runner`](crate::runner); here is what lives for as long as the
//! process does.
//!
//! ```text
//! file -> Generation -> Daemon: schedule -> run -> Publisher: board, meters, spans, log, heartbeats
//!              ^            ^
//! signals, POST /-/reload, plugin folder: Inbox
//! ```

mod signals;
