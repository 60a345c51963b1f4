//! What is told in the log of what a server says, and how it is put.

use bedcheck_sdk::Failure;

use crate::host::Recorder;
use crate::response::{Condition, Response, Words};
use crate::text;

/// How many lines of a server are told in the log for one command: more than anybody reads, and few beside the host
/// calls that a run has.
const MAX_REMARKS: u32 = 20;

/// What is told in the log of what a server says, with a bound.
pub(crate) struct Remarks<'r, R> {
    recorder: &'r R,
    /// What was worth telling since the command was sent.
    made: u32,
}

impl<'r, R: Recorder> Remarks<'r, R> {
    /// None yet.
    pub(crate) fn new(recorder: &'r R) -> Self {
        Self { recorder, made: 0 }
    }

    /// Logs what a server wants people to read (RFC 9051 section 7.1).
    pub(crate) fn on(&mut self, response: Response<'_>) {
        if let Response::Untagged(status) = response
            && (status.condition != Condition::Ok || status.words.have_code("ALERT"))
        {
            self.make(|recorder| {
                let words = said(status.condition.as_str(), status.words);
                recorder.warning(&format!("the server says `{words}`"));
            });
        }
    }

    /// Logs an untagged response that follows no grammar known here; another one fails the command.
    pub(crate) fn on_undecoded(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let line = text::escaped(bytes);
        if !bytes.starts_with(b"* ") {
            return Err(Failure::unexpected_response(format!(
                "the server answers {name} with `{line}`, which is no IMAP response"
            )));
        }
        self.make(|recorder| recorder.debug(&format!("skipped an untagged response: `{line}`")));
        Ok(())
    }

    /// Tells of a line, unless enough was told for this command.
    fn make(&mut self, tell: impl FnOnce(&R)) {
        self.made += 1;
        if self.made <= MAX_REMARKS {
            tell(self.recorder);
        }
    }

    /// Says how many lines were not told for the command that is over.
    pub(crate) fn count_untold(&mut self) {
        let untold = std::mem::take(&mut self.made).saturating_sub(MAX_REMARKS);
        if untold > 0 {
            let message = format!("the server says {untold} more of such lines, which are not told");
            self.recorder.warning(&message);
        }
    }
}

/// A condition and its words, for people.
pub(crate) fn said(word: &str, words: Words<'_>) -> String {
    format!("{word} {}", words.shown()).trim_end().to_owned()
}
