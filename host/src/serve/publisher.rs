//! What becomes of what the daemon finds out: it is told on the board, in the metrics, as spans, in the log and by
//! heartbeats, all from this one place. Nothing here waits for anybody.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::board::{Board, BreakerFacts, CheckFacts, PluginFacts};
use super::generation::{Change, Generation, Served};
use super::heartbeat::{Heartbeat, RunMark};
use super::logs;
use super::notify::Notifier;
use crate::outcome::{Outcome, Report};
use crate::policy::state::CheckState;
use crate::schedule::{BreakerView, SkipReason, Transition, View};
use crate::telemetry::{CheckLabels, Exporter, Meters};

/// Tells everybody.
pub(super) struct Publisher {
    pub(super) board: Arc<Board>,
    pub(super) meters: Meters,
    pub(super) exporter: Option<Exporter>,
    pub(super) notifier: Notifier,
    pub(super) heartbeats: HashMap<Arc<str>, Heartbeat>,
    pub(super) began: Instant,
}
