//! The metrics as the journal's observer: they count what is recorded, in its order, and go on after a restart from
//! their last checkpoint and from the reports that came after it.

use super::Meters;
use crate::journal::{Observer, Sequence};
use crate::outcome::Report;

impl Observer for Meters {
    fn recorded(&mut self, _sequence: Sequence, report: &Report) {
        self.record(report);
    }

    fn checkpoint(&self) -> Option<serde_json::Value> {
        Some(Self::checkpoint(self))
    }

    fn restore(&mut self, checkpoint: Option<serde_json::Value>) {
        let Some(checkpoint) = checkpoint else { return };
        for problem in Self::restore(self, checkpoint) {
            tracing::warn!("{problem}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::journal::{Journal, Settings};
    use crate::telemetry::specimen::{failing, passing};
    use crate::telemetry::{CheckLabels, Exposition};

    /// How long the writer may take on a machine with other work.
    const AT_LAST: Duration = Duration::from_secs(30);

    fn counted(meters: &Meters) -> Vec<String> {
        let mut text = Vec::new();
        meters.write_text(Exposition::Prometheus, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("synthetic_check_"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Meters that observe a journal in this folder, as those of the daemon.
    async fn after(settings: &Settings, failures: usize) -> Vec<String> {
        let meters = Meters::new(&BTreeMap::new());
        meters.set_checks([CheckLabels {
            name: "mail-login",
            plugin: "imap",
        }]);
        let (journal, _) = Journal::open(settings.clone(), vec![Box::new(meters.clone())]).unwrap();
        journal.append(passing());
        for _ in 0..failures {
            journal.append(failing());
        }
        journal.close(AT_LAST).await.unwrap();
        counted(&meters)
    }

    #[tokio::test]
    async fn counts_go_on_with_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            dir: Some(folder.path().join("journal")),
            ..Settings::default()
        };
        let first = after(&settings, 2).await;
        let second = after(&settings, 1).await;
        let failed = |lines: &[String]| {
            let is_one = |line: &&String| line.starts_with("synthetic_check_runs_total{error_type");
            lines
                .iter()
                .find(is_one)
                .unwrap()
                .rsplit(' ')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!((failed(&first).as_str(), failed(&second).as_str()), ("2", "3"));
        assert_eq!(first.len(), second.len());
    }
}
