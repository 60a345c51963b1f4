//! A delivery that outlives its crashes: it is begun anew by itself, because no check may end for it.

use std::pin::Pin;

use super::backoff::Backoff;
use super::{Stop, pause};
use crate::telemetry::environment::Signal;
use crate::telemetry::otlp::StartError;

/// A delivery: what it could not deliver at the end is in the sentences.
pub(in crate::telemetry) type Delivering = Pin<Box<dyn Future<Output = Vec<String>> + Send>>;

/// Delivers until told to stop, with a delivery made anew whenever one has crashed, after a pause that grows. The crash
/// itself is told as any.
pub(in crate::telemetry) async fn lasting(
    signal: Signal,
    first: Delivering,
    make: impl Fn() -> Result<Delivering, StartError>,
    mut stop: Stop,
) -> Vec<String> {
    let (mut delivery, mut backoff) = (Ok::<_, StartError>(first), Backoff::default());
    loop {
        let reason = match delivery {
            Ok(delivery) => match tokio::spawn(delivery).await {
                Ok(said) => return said,
                Err(crash) => crash.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let what = signal.what();
        let length = backoff.next(None);
        tracing::error!("the export of {what} ended early and is begun anew in {length:?}: {reason}");
        if !pause(length, &mut stop).await {
            return vec![format!("the export of {what} ended early: {reason}")];
        }
        delivery = make();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_delivery_that_crashes_is_begun_anew() {
        let (_stop, stopped) = watch::channel(None);
        let made = AtomicU32::new(0);
        let make = || -> Result<Delivering, StartError> {
            let number = made.fetch_add(1, Ordering::Relaxed);
            Ok(Box::pin(async move {
                assert!(number > 0, "a crash that is wanted");
                vec!["it ended".to_owned()]
            }))
        };
        let first = make().unwrap();
        let said = lasting(Signal::Traces, first, make, stopped).await;
        assert_eq!((said, made.into_inner()), (vec!["it ended".to_owned()], 2));
    }

    #[tokio::test]
    async fn one_that_has_crashed_at_the_end_is_told() {
        let (_stop, stopped) = watch::channel(Some(Instant::now()));
        let make =
            || -> Result<Delivering, StartError> { Ok(Box::pin(async { panic!("a crash that is wanted") })) };
        let said = lasting(Signal::Traces, make().unwrap(), make, stopped).await;
        assert!(
            said[0].starts_with("the export of spans ended early: "),
            "{said:?}"
        );
    }
}
