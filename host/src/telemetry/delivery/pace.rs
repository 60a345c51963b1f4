//! How much is sent at a time, so that little is sent twice when answers do not come. Pure.
//!
//! A request without an answer may have arrived; it is sent again, and everything in it may be there twice. So after
//! one, the collector is first asked by a request with nothing in it, and what follows is small and grows with each
//! answer, as in TCP's slow start. What was sent in part was perhaps too much for the collector or for the way to it: half
//! of it is sent next, without a question, as nothing of it can be there twice. What was not sent at all, as nobody was
//! there, costs nothing and changes nothing.

use crate::telemetry::otlp::Arrived;

/// Reports of a request at most: at some 6 KiB of spans for each this is what a request may have.
pub(super) const MAX_REPORTS: usize = 512;
/// Reports of the first request of a process, and of the first after one without an answer: a handful to have twice,
/// and six answers away from the most.
const FIRST: usize = 8;
/// Reports that are not too many for a collector to take in time, if it takes any.
const FEW: usize = 64;
/// How often an empty request is sent before one that has something in it. OTLP says that a collector should answer
/// them; one that does not gets what there is nevertheless, a report at every fourth try.
const MOST_ASKED: u32 = 3;

/// How much is sent at a time.
#[derive(Debug)]
pub(super) struct Pace {
    /// Reports that fit into a request: fewer after one that was too large, or had no answer.
    fitting: usize,
    /// Reports of a request as far as answers come.
    window: usize,
    /// After a request that may have arrived: how often the collector was asked in vain since.
    asked: Option<u32>,
}

/// What to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A request with nothing in it.
    Ask,
    /// So many reports at most.
    Send(usize),
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            fitting: MAX_REPORTS,
            window: FIRST,
            asked: None,
        }
    }
}

impl Pace {
    /// What to send next.
    pub(super) fn next(&self) -> Step {
        match self.asked {
            Some(times) if times < MOST_ASKED => Step::Ask,
            Some(_) => Step::Send(1),
            None => Step::Send(self.fitting.min(self.window)),
        }
    }

    /// Whether anything was heard of the collector since the last request that may have arrived.
    pub(super) fn is_answered(&self) -> bool {
        self.asked.is_none()
    }

    /// No more than so many reports, at least one, fit into a request.
    pub(super) fn fits(&mut self, reports: usize) {
        self.fitting = reports.max(1);
        self.asked = None;
    }

    /// A request was taken.
    pub(super) fn taken(&mut self) {
        self.fitting = (self.fitting + (self.fitting / 8 + 1).min(FIRST)).min(MAX_REPORTS);
        self.window = (self.window * 2).min(MAX_REPORTS);
        self.asked = None;
    }

    /// A request was answered, and not taken.
    pub(super) fn refused(&mut self) {
        self.asked = None;
    }

    /// A request of so many reports is to be sent again, of which so much may have arrived.
    pub(super) fn failed(&mut self, reports: usize, arrived: Arrived) {
        match arrived {
            Arrived::Nothing => self.asked = None,
            Arrived::Part => self.fits(self.fitting.min(reports / 2)),
            // Perhaps more than the collector takes in time.
            Arrived::Whole => {
                self.window = FIRST;
                self.fitting = self.fitting.min((reports / 2).max(FEW));
                self.asked = Some(0);
            }
        }
    }

    /// The collector was asked, and did or did not answer.
    pub(super) fn asked(&mut self, is_answered: bool) {
        self.asked = self.asked.filter(|_| !is_answered).map(|times| times + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_each_answer_up_to_the_most() {
        let mut pace = Pace::default();
        for wanted in [8, 16, 32, 64, 128, 256, 512, 512] {
            assert_eq!(pace.next(), Step::Send(wanted));
            pace.taken();
        }
    }

    #[test]
    fn what_may_have_arrived_is_followed_by_questions_and_then_by_little() {
        let mut pace = Pace::default();
        (0..9).for_each(|_| pace.taken());
        for _ in 0..3 {
            pace.failed(512, Arrived::Whole);
            assert_eq!(pace.next(), Step::Ask);
            pace.asked(true);
            assert_eq!(pace.next(), Step::Send(8));
        }
        pace.taken();
        assert_eq!(pace.next(), Step::Send(16));
    }

    #[test]
    fn a_collector_that_cannot_take_much_in_time_is_found_out() {
        let mut pace = Pace::default();
        let mut failures = 0;
        for _ in 0..1000 {
            match pace.next() {
                Step::Ask => pace.asked(true),
                Step::Send(reports) if reports > 300 => {
                    failures += 1;
                    pace.failed(reports, Arrived::Whole);
                }
                Step::Send(_) => pace.taken(),
            }
        }
        // Over what it takes only after several answers each time.
        assert!(failures < 1000 / 15, "{failures}");
    }

    #[test]
    fn who_answers_no_question_is_sent_something_in_the_end() {
        let mut pace = Pace::default();
        pace.failed(8, Arrived::Whole);
        for _ in 0..MOST_ASKED {
            assert_eq!(pace.next(), Step::Ask);
            pace.asked(false);
        }
        assert_eq!(pace.next(), Step::Send(1));
        pace.failed(1, Arrived::Whole);
        assert_eq!(pace.next(), Step::Ask);
    }

    #[test]
    fn what_cannot_have_arrived_is_sent_at_once() {
        let mut pace = Pace::default();
        pace.taken();
        pace.failed(16, Arrived::Nothing);
        assert_eq!(pace.next(), Step::Send(16));
    }

    #[test]
    fn what_is_never_sent_to_its_end_is_halved_until_it_is_without_a_question() {
        let mut pace = Pace::default();
        (0..9).for_each(|_| pace.taken());
        for wanted in [512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1] {
            assert_eq!(pace.next(), Step::Send(wanted));
            pace.failed(wanted, Arrived::Part);
        }
        pace.taken();
        assert_eq!(pace.next(), Step::Send(2));
    }

    #[test]
    fn what_is_too_large_is_halved_and_grows_slowly() {
        let mut pace = Pace::default();
        (0..9).for_each(|_| pace.taken());
        pace.fits(16);
        assert_eq!(pace.next(), Step::Send(16));
        pace.taken();
        assert_eq!(pace.next(), Step::Send(19));
        pace.fits(0);
        assert_eq!(pace.next(), Step::Send(1));
    }
}
