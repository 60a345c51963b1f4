//! The daemon's journal: opened, watched, flushed and closed. Everything that is derived from reports is told here,
//! when they are recorded.

use std::time::Duration;

use tokio::time::Instant;

use super::Hindrance;
use super::aside::Aside;
use super::supervise::{Restart, Supervisor};
use crate::config;
use crate::journal::{Journal, OpenError, Settings};
use crate::telemetry::{CheckLabels, Meters};

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

/// Opens the journal, or says why it cannot be used. What it has of these checks, and of no others, is counted again.
pub(super) async fn open<'a>(
    settings: Settings,
    meters: &Meters,
    checks: impl Iterator<Item = CheckLabels<'a>>,
) -> Result<Journal, Hindrance> {
    meters.set_checks(checks);
    let observer = Box::new(meters.clone());
    let dir = settings.dir.clone();
    let aside = Aside::start().map_err(Hindrance::no_thread)?;
    let opening = aside.does(async move { Journal::open(settings, vec![observer]) });
    let opened = opening
        .await
        .map_err(|_| Hindrance::passing("opening the journal crashed"))?;
    let (journal, opened) = opened.map_err(|error| Hindrance {
        sentences: error.to_string(),
        // Who holds it may be a `bedcheck run`, which ends.
        may_pass: matches!(error, OpenError::Thread(_) | OpenError::Locked(_)),
    })?;
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
            // All that it waits for is the runtime's timer, which is watched itself, and has its own time to stand still.
            pulse.waiting("looking after the writer of the journal");
            let mut progress = Progress::since(journal.beats());
            loop {
                let looked = Instant::now();
                tokio::time::sleep(LOOK_EVERY).await;
                if journal.has_ended() {
                    return Err("the writer of the journal has ended".to_owned());
                }
                if progress.hangs(journal.beats(), looked.elapsed()) {
                    tracing::error!("the writer of the journal has not got on for {SLOW:?}: its disk hangs");
                }
            }
        }
    });
}

/// How the writer gets on.
struct Progress {
    beats: u64,
    /// For how long there was no beat, as far as anybody could have seen one.
    silent: Duration,
}

impl Progress {
    fn since(beats: u64) -> Self {
        Self {
            beats,
            silent: Duration::ZERO,
        }
    }

    /// Whether it hangs, so long after the last look: said once for each such time. Of a pause in which the process
    /// stood still, only a little counts: the writer did not run either.
    fn hangs(&mut self, beats: u64, passed: Duration) -> bool {
        if beats != self.beats {
            *self = Self::since(beats);
            return false;
        }
        self.silent += passed.min(LOOK_EVERY * 2);
        let hangs = self.silent > SLOW;
        if hangs {
            self.silent = Duration::ZERO;
        }
        hangs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::outcome::Report;
    use crate::render::samples;
    use crate::telemetry::Exposition;

    const BOUND: Duration = Duration::from_secs(20);

    fn shown(meters: &Meters, what: &str) -> Vec<String> {
        let mut text = Vec::new();
        meters.write_text(Exposition::Prometheus, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| line.contains(what));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[tokio::test]
    async fn what_is_counted_again_after_a_kill_is_what_serving_counts() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("checkpoint.json");
        let began = async |plugin: &'static str| {
            let meters = Meters::new(&BTreeMap::new());
            let settings = Settings {
                dir: Some(folder.path().to_owned()),
                ..Settings::default()
            };
            let check = CheckLabels {
                name: "mail-login",
                plugin,
            };
            let journal = open(settings, &meters, [check].into_iter()).await;
            let Ok(journal) = journal else { panic!("a journal") };
            // As the daemon does when everything else is there.
            meters.set_checks([check]);
            (meters, journal)
        };
        let (live, journal) = began("imap").await;
        journal.flush(BOUND).await.unwrap();
        let early = std::fs::read(&kept).unwrap();
        journal.append(samples::pass());
        journal.append(Report {
            check: "probed".to_owned(),
            ..samples::pass()
        });
        journal.close(BOUND).await.unwrap();
        for (plugin, runs) in [("imap", 1), ("tcp", 0)] {
            std::fs::write(&kept, &early).unwrap();
            let (again, journal) = began(plugin).await;
            let of_runs = shown(&again, "synthetic_check_runs_total{");
            assert_eq!(of_runs.len(), runs, "{of_runs:?}");
            if runs > 0 {
                for what in ["synthetic_check_", "schedule_delay", "fuel_used"] {
                    assert_eq!(shown(&again, what), shown(&live, what));
                }
            } else {
                assert_eq!(shown(&again, "mail-login"), [""; 0]);
            }
            journal.close(BOUND).await.unwrap();
        }
    }

    #[test]
    fn a_writer_hangs_that_does_not_get_on_while_it_is_looked_at() {
        let mut progress = Progress::since(7);
        let looks: Vec<bool> = (0..12).map(|_| progress.hangs(7, LOOK_EVERY)).collect();
        assert_eq!(looks.iter().filter(|hangs| **hangs).count(), 1, "{looks:?}");
        assert!(!progress.hangs(8, LOOK_EVERY));
    }

    #[test]
    fn a_standstill_of_the_process_is_no_disk_that_hangs() {
        let mut progress = Progress::since(7);
        assert!(!progress.hangs(7, Duration::from_secs(3600)));
        assert!(!progress.hangs(8, LOOK_EVERY));
    }
}
