//! The daemon's journal: opened, watched, flushed and closed. Everything that is derived from reports is told here,
//! when they are recorded.

use std::time::Duration;

use super::changes;
use super::supervise::{Restart, Supervisor};
use crate::config;
use crate::journal::{Journal, Settings};
use crate::telemetry::Meters;

/// How long the last reports may take to be written when the daemon ends: a disk takes milliseconds, one that hangs is
/// not waited for.
pub(super) const CLOSING: Duration = Duration::from_secs(2);
/// How often it is looked whether the writer gets on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how long of writing nothing it is said that it does not: a disk that hangs for a moment is not worth it.
const SLOW: Duration = Duration::from_secs(10);

/// How the journal is kept.
pub(super) fn settings(table: Option<&config::Journal>) -> Settings {
    let variable = |name: &str| std::env::var(name).ok();
    Settings::of(table, &variable).unwrap_or_else(|error| {
        tracing::error!("{error}; reports are kept in memory only");
        Settings::default()
    })
}

/// Opens the journal, or says why it cannot be used.
pub(super) async fn open(settings: Settings, meters: &Meters) -> Result<Journal, String> {
    let observer = Box::new(meters.clone());
    let dir = settings.dir.clone();
    let opening = changes::aside(async move { Journal::open(settings, vec![observer]) });
    let opened = opening
        .await
        .map_err(|_| "opening the journal crashed".to_owned())?;
    let (journal, opened) = opened.map_err(|error| error.to_string())?;
    for problem in &opened.problems {
        tracing::error!("journal: {problem}");
    }
    if opened.torn > 0 {
        let bytes = opened.torn;
        tracing::warn!(
            bytes,
            "the journal ended in {bytes} bytes of a record that was not whole, which are cut off"
        );
    }
    if let Some(dir) = dir {
        let (last, replayed) = (opened.last.0, opened.replayed);
        tracing::info!(
            last,
            replayed,
            "the journal is in `{}`, its newest report is {last}",
            dir.display()
        );
    }
    let shown = journal.clone();
    meters.observe_journal(move || shown.status());
    Ok(journal)
}

/// Watches the writer: without it nothing is recorded, and the process ends.
pub(super) fn watch(journal: &Journal, supervisor: &Supervisor) {
    let journal = journal.clone();
    supervisor.spawn("journal", Restart::EndProcess, move |pulse| {
        let journal = journal.clone();
        async move {
            let mut beats = journal.beats();
            let mut since = tokio::time::Instant::now();
            loop {
                pulse.doing("looking after the writer of the journal", LOOK_EVERY * 10);
                tokio::time::sleep(LOOK_EVERY).await;
                if journal.has_ended() {
                    return Err("the writer of the journal has ended".to_owned());
                }
                if journal.beats() != beats {
                    (beats, since) = (journal.beats(), tokio::time::Instant::now());
                } else if since.elapsed() > SLOW {
                    since = tokio::time::Instant::now();
                    tracing::error!("the writer of the journal has not got on for {SLOW:?}: its disk hangs");
                }
            }
        }
    });
}
