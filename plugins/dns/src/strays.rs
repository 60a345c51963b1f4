//! Datagrams that do not answer the question: how many may come, and what is told of them. Pure.

use bedcheck_sdk::{CallError, Failure, Reason};

use crate::check::Recorder;

/// How many are passed over: far more than answers that are late, little enough for the host calls of a run.
const MAX_STRAYS: usize = 1000;
/// The most bytes of them: sixteen of the largest datagrams, little of what a run may read.
const MAX_BYTES: usize = 1024 * 1024;
/// How many are told each by itself: what is wrong with a server shows in the first.
const MAX_TOLD: usize = 20;

/// What came instead of the answer.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    count: usize,
    bytes: usize,
    /// What is wrong with the last.
    last: String,
}

impl Strays {
    /// Passes over a datagram of so many bytes.
    ///
    /// # Errors
    ///
    /// That there were too many, which are more than come by chance.
    pub(crate) fn pass_over(
        &mut self,
        why: String,
        bytes: usize,
        recorder: &impl Recorder,
    ) -> Result<(), Failure> {
        self.count += 1;
        self.bytes += bytes;
        if self.count <= MAX_TOLD {
            recorder.debug(&format!("a datagram is passed over: {why}"));
        } else if self.count == MAX_TOLD + 1 {
            recorder.debug("further datagrams are passed over, and not told");
        }
        self.last = why;
        let amount = if self.count > MAX_STRAYS {
            format!("more than {MAX_STRAYS} datagrams")
        } else if self.bytes > MAX_BYTES {
            format!("datagrams of more than {MAX_BYTES} bytes in all")
        } else {
            return Ok(());
        };
        Err(Failure::too_large(format!(
            "the server sends {amount} that do not answer the question, of the last: {}",
            self.last
        )))
    }

    /// What waiting for another failed with. The deadline says what came by then: it did not pass in silence.
    pub(crate) fn reworded(&self, failure: Failure) -> Failure {
        if self.count == 0 || !matches!(failure.reason(), Reason::Call(CallError::DeadlineExceeded)) {
            return failure;
        }
        let last = &self.last;
        let came = match self.count {
            1 => format!("a datagram that does not answer the question: {last}"),
            count => format!("{count} datagrams that do not answer the question, of the last: {last}"),
        };
        Failure::new(
            failure.reason().clone(),
            format!("the deadline has passed after {came}"),
        )
    }
}
