//! Getting what was found out to the collector: when, how often, until when, and what to say when it does not work.
//! One task a signal, so that one destination does not hold up another. What the requests say lives in `requests`,
//! one export in `otlp`.

mod again;
mod backoff;
mod lasting;
mod losses;
mod making;
mod metrics;
mod outage;
mod pace;
mod period;
mod points;
mod reports;
mod said;
mod unanswered;
mod way;

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

pub use again::{AgainError, Sent, export_again};
pub(super) use lasting::{Delivering, lasting};
pub(super) use making::Render;
pub(super) use metrics::{Source, deliver_metrics};
pub(super) use reports::Delivery;
pub(super) use way::Way;

/// The largest request, in bytes: what gRPC takes by default is 4 MiB, less what a proxy or a collector adds to it.
const MAX_REQUEST: usize = 3 * 1024 * 1024;
/// The pauses between tries at the end, when there is no later.
const FINAL_PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(400)];

/// None while the process runs; at its end the moment by which all must be over.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// Until the end is asked for.
async fn stopped(stop: &mut Stop) {
    // Nobody is left to say it: it is the end as well.
    let _ = stop.wait_for(Option::is_some).await;
}

/// Waits this long; false when the process ends before.
async fn pause(length: Duration, stop: &mut Stop) -> bool {
    timeout(length, stopped(stop)).await.is_err()
}

/// The moment by which all must be over; with nobody left to say it, now.
async fn expiry(stop: &mut Stop) {
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        Err(_) => None,
    };
    if let Some(deadline) = deadline {
        sleep_until(deadline).await;
    }
}

fn has_time(stop: &Stop, length: Duration) -> bool {
    let over = Instant::now().checked_add(length);
    stop.borrow()
        .is_some_and(|deadline| over.is_some_and(|over| over < deadline))
}

#[cfg(test)]
mod tests;
