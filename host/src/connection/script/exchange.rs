//! One socket's side of a scripted peer that talks in datagrams: what was sent goes in, what is to be received
//! comes out, and whoever calls lets the time pass. Pure.
//!
//! Each expectation takes one datagram, and all of it. One that does not fit the step at hand is **off the
//! script**, as in a `Dialogue`: if it fits a later expectation, the peer goes on there; otherwise it stops
//! listening, so that a plugin is refused at once instead of waiting for its deadline.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::counted;
use super::pattern::{Captures, Match, quoted};
use super::step::Step;

/// The datagrams exchanged with a scripted peer. After its last step the peer stays silent.
#[derive(Debug)]
pub struct Exchange {
    steps: Arc<[Step]>,
    number: usize,
    at: usize,
    /// Sent by the plugin and not yet taken by a step.
    heard: VecDeque<Vec<u8>>,
    captures: Captures,
    standing: Standing,
    complaint: Option<String>,
}

/// Whether the peer listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Listening,
    /// Nobody listens; whether something was sent for which the refusal is still to come.
    Gone(bool),
    Silent,
}

/// What a wait for a datagram gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// A datagram, perhaps an empty one.
    Datagram(Vec<u8>),
    /// Nobody listens.
    Refusal,
    /// Nothing yet: to be asked again after that time.
    Wait(Duration),
    /// The peer stays silent, until something is sent at least.
    Never,
}

impl Exchange {
    /// A socket just made, the `number`th connection of its run, from 1.
    pub(super) fn new(steps: Arc<[Step]>, number: usize) -> Self {
        Self {
            steps,
            number,
            at: 0,
            heard: VecDeque::new(),
            captures: Captures::new(),
            standing: Standing::Listening,
            complaint: None,
        }
    }

    /// A socket to a port where nobody listens.
    pub(super) fn refused(number: usize) -> Self {
        Self {
            standing: Standing::Gone(false),
            ..Self::new(Arc::from([]), number)
        }
    }

    /// Takes a datagram that the plugin sends; false if the refusal of an earlier one comes instead, which then
    /// has been told.
    pub fn sent(&mut self, datagram: &[u8]) -> bool {
        match &mut self.standing {
            Standing::Listening => {
                self.heard.push_back(datagram.to_vec());
                self.listen();
                true
            }
            Standing::Gone(is_due) => {
                *is_due = !*is_due;
                *is_due
            }
            Standing::Silent => true,
        }
    }

    /// What a wait for a datagram gives.
    pub fn arrival(&mut self) -> Arrival {
        self.listen();
        match &mut self.standing {
            Standing::Listening => {}
            Standing::Silent => return Arrival::Never,
            Standing::Gone(is_due) => {
                return match std::mem::take(is_due) {
                    true => Arrival::Refusal,
                    false => Arrival::Never,
                };
            }
        }
        let steps = Arc::clone(&self.steps);
        match steps.get(self.at) {
            Some(Step::Send(bytes)) => {
                self.at += 1;
                Arrival::Datagram(bytes.clone())
            }
            Some(Step::SendText(template)) => match template.fill(&self.captures) {
                Some(bytes) => {
                    self.at += 1;
                    Arrival::Datagram(bytes)
                }
                None => {
                    self.complain("a capture that was left out", "all that the text refers to");
                    self.standing = Standing::Silent;
                    Arrival::Never
                }
            },
            Some(Step::Stall(time)) => {
                self.at += 1;
                Arrival::Wait(*time)
            }
            Some(step) if step.listens() => {
                self.complain("a wait for a datagram", &step.wanted());
                Arrival::Never
            }
            Some(_) => {
                self.standing = Standing::Silent;
                Arrival::Never
            }
            None => Arrival::Never,
        }
    }

    /// The first thing that did not go by the script. It repeats what the plugin sent, control characters
    /// escaped, secrets not struck out.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// Takes what was sent as far as the steps want it.
    fn listen(&mut self) {
        let steps = Arc::clone(&self.steps);
        while self.standing == Standing::Listening && !self.heard.is_empty() {
            match steps.get(self.at) {
                Some(step) if !step.listens() => return,
                step => {
                    let Some(datagram) = self.heard.pop_front() else {
                        return;
                    };
                    if let Some(step) = step
                        && self.takes(step, &datagram)
                    {
                        self.at += 1;
                    } else {
                        self.leave_the_script(step, &datagram);
                    }
                }
            }
        }
    }

    /// Whether the step takes the datagram.
    fn takes(&mut self, step: &Step, datagram: &[u8]) -> bool {
        match step {
            Step::Expect(pattern) => match pattern.compare(datagram, &self.captures) {
                Match::Fits(length, captures) if length == datagram.len() => {
                    self.captures.extend(captures);
                    true
                }
                _ => false,
            },
            Step::ExpectUntil(end) => datagram.ends_with(end),
            Step::ExpectBytes(count) => datagram.len() == *count,
            Step::Heard(count) => {
                if datagram.len() != *count {
                    self.complain(&counted(datagram.len(), "byte"), &step.wanted());
                }
                true
            }
            _ => false,
        }
    }

    /// What to do about a datagram that the step at hand does not take.
    fn leave_the_script(&mut self, step: Option<&Step>, datagram: &[u8]) {
        let wanted = step.map_or_else(|| "nothing more".to_owned(), Step::wanted);
        self.complain(&quoted(datagram), &wanted);
        let steps = Arc::clone(&self.steps);
        let later = steps.iter().enumerate().skip(self.at + 1);
        for (at, step) in later.take_while(|(_, step)| step.can_be_left_out()) {
            if matches!(step, Step::Expect(_)) && self.takes(step, datagram) {
                self.at = at + 1;
                return;
            }
        }
        self.heard.clear();
        self.standing = Standing::Gone(true);
    }

    fn complain(&mut self, found: &str, wanted: &str) {
        let (step, number) = (self.at + 1, self.number);
        self.complaint.get_or_insert_with(|| {
            format!("step {step} of connection {number}: found {found}, wanted {wanted}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Pattern, Template};
    use super::*;

    fn exchange(steps: Vec<Step>) -> Exchange {
        Exchange::new(Arc::from(steps), 1)
    }

    fn expect(text: &str) -> Step {
        Step::Expect(Pattern::parse(text).unwrap())
    }

    fn send(text: &str) -> Step {
        Step::SendText(Template::parse(text).unwrap())
    }

    #[test]
    fn datagrams_are_answered_one_by_one() {
        let mut peer = exchange(vec![
            expect("{id:2} hello"),
            send("{id} hi"),
            Step::Stall(Duration::from_secs(1)),
            Step::Send(Vec::new()),
        ]);
        assert!(peer.sent(b"\n\xff hello"));
        assert_eq!(peer.arrival(), Arrival::Datagram(b"\n\xff hi".to_vec()));
        assert_eq!(peer.arrival(), Arrival::Wait(Duration::from_secs(1)));
        assert_eq!(peer.arrival(), Arrival::Datagram(Vec::new()));
        assert_eq!(peer.arrival(), Arrival::Never);
        assert_eq!(peer.complaint(), None);
    }

    #[test]
    fn a_datagram_fits_as_a_whole_or_not_at_all() {
        let mut peer = exchange(vec![expect("a"), Step::Send(b"b".to_vec())]);
        assert!(peer.sent(b"ab"));
        assert_eq!(peer.arrival(), Arrival::Refusal);
        assert_eq!(
            peer.complaint(),
            Some("step 1 of connection 1: found `ab`, wanted `a`")
        );
    }

    #[test]
    fn what_a_later_step_wants_is_answered_from_there() {
        let mut peer = exchange(vec![expect("one"), send("1"), expect("two"), send("2")]);
        assert!(peer.sent(b"two"));
        assert_eq!(peer.arrival(), Arrival::Datagram(b"2".to_vec()));
        assert!(peer.complaint().is_some());
    }

    #[test]
    fn a_refusal_comes_once_for_each_datagram() {
        let mut peer = Exchange::refused(1);
        assert_eq!(peer.arrival(), Arrival::Never);
        assert!(peer.sent(b"one"));
        assert_eq!(peer.arrival(), Arrival::Refusal);
        assert_eq!(peer.arrival(), Arrival::Never);
        assert!(peer.sent(b"two"));
        assert!(!peer.sent(b"three"));
    }

    #[test]
    fn who_waits_while_the_peer_waits_gets_nothing() {
        let mut peer = exchange(vec![Step::Heard(3), Step::Send(b"answer".to_vec())]);
        assert_eq!(peer.arrival(), Arrival::Never);
        assert_eq!(
            peer.complaint(),
            Some("step 1 of connection 1: found a wait for a datagram, wanted 3 bytes")
        );
        assert!(peer.sent(b"four"));
        assert_eq!(peer.arrival(), Arrival::Datagram(b"answer".to_vec()));
    }
}
