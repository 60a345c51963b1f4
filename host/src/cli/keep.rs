//! Keeping the reports of one-shot runs in a journal, where the configuration asks for one. That it cannot be written
//! is a sentence on standard error and nothing else.

use std::time::Duration;

use super::output;
use crate::config;
use crate::journal::{Journal, Settings};

/// How long the last reports may take to be written: a disk takes milliseconds.
const CLOSING: Duration = Duration::from_secs(2);

/// Opens the journal of a configuration that has one.
pub(super) fn open(table: Option<&config::Journal>) -> Option<Journal> {
    let table = table.filter(|table| table.enabled)?;
    let variable = |name: &str| std::env::var(name).ok();
    let settings = Settings::of(Some(table), &variable).map_err(|error| error.to_string());
    let opened =
        settings.and_then(|settings| Journal::open(settings, Vec::new()).map_err(|error| error.to_string()));
    match opened {
        Ok((journal, found)) => {
            for problem in found.problems {
                output::complain(&format!("note: journal: {problem}"));
            }
            if found.torn > 0 {
                output::complain(&format!(
                    "note: the journal ended in {} bytes of a record that was not whole, which are cut off",
                    found.torn
                ));
            }
            Some(journal)
        }
        Err(sentence) => {
            output::complain(&format!("note: these runs are not kept: {sentence}"));
            None
        }
    }
}

/// Has everything written.
pub(super) async fn close(journal: Journal) {
    if let Err(unfinished) = journal.close(CLOSING).await {
        let why = journal.status().write_error.map(|why| format!(": {why}"));
        output::complain(&format!("journal: {unfinished}{}", why.unwrap_or_default()));
    }
}
