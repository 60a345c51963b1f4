//! Making a request of reports, where it holds up nobody. What is in one is said in `requests`.

use std::sync::Arc;

use tokio::task::JoinError;

use super::MAX_REQUEST;
use crate::journal::Sequence;
use crate::outcome::Report;
use crate::telemetry::otlp::Payload;

/// Reports with their numbers.
pub(in crate::telemetry) type Numbered = (Sequence, Arc<Report>);
/// Makes a request of reports; none when they have nothing to say.
pub(in crate::telemetry) type Render = Arc<dyn Fn(&[Numbered]) -> Option<Payload> + Send + Sync>;

/// The request of as many of these reports, the first ones, as fit into one, of at least one; and how many that is.
///
/// # Errors
///
/// When making it panicked, or the runtime ends.
pub(super) async fn request(
    render: &Render,
    reports: Vec<Numbered>,
) -> Result<(usize, Option<Payload>), JoinError> {
    let render = Arc::clone(render);
    tokio::task::spawn_blocking(move || fitting(&reports, &*render, MAX_REQUEST)).await
}

fn fitting(
    reports: &[Numbered],
    render: &(dyn Fn(&[Numbered]) -> Option<Payload> + Send + Sync),
    maximum: usize,
) -> (usize, Option<Payload>) {
    let mut count = reports.len();
    loop {
        match render(&reports[..count]) {
            Some(payload) if payload.size() > maximum && count > 1 => count /= 2,
            payload => return (count, payload),
        }
    }
}
