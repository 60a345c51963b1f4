//! One connection's side of a scripted peer: what was written goes in, what is to be read comes out, and
//! whoever calls lets the time pass. Pure.
//!
//! What was written and does not fit the step at hand is **off the script**. If it fits a later expectation,
//! the peer goes on there: a plugin that left something out because of a failure, and logs out, gets the
//! answer to its logout. Otherwise the peer hangs up, as a server does that no longer understands; a plugin
//! sees the end of the stream at once instead of waiting for its deadline. A recorded peer knows lengths
//! only: it takes whatever was written for what it waits for and gives the next answer. A plugin that waits
//! while the peer waits for it gets no answer. All of this makes a complaint.

use std::sync::Arc;
use std::time::Duration;

use super::counted;
use super::pattern::{Captures, Match, Pattern, quoted};
use super::step::{Step, TlsAnswer};
use crate::connection::{
    CLOSED_BEFORE_TLS, Certificate, EARLY_PLAINTEXT, Error, HAS_TLS, TlsInfo, TlsProblem, UNUSABLE,
};

/// One connection with a scripted peer. After its last step the peer stays silent.
#[derive(Debug)]
pub struct Dialogue {
    steps: Arc<[Step]>,
    number: usize,
    at: usize,
    /// Written by the plugin and not yet taken by a step.
    heard: Vec<u8>,
    /// Left of what the last step sent.
    sending: Vec<u8>,
    captures: Captures,
    standing: Standing,
    has_tls: bool,
    certificate: Option<Certificate>,
    complaint: Option<String>,
}

/// Whether the two still talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    /// The peer has ended the stream; whether something was written to it since.
    HungUp(bool),
    Reset,
    Silent,
    /// Closed by the plugin, or a handshake failed.
    Unusable,
}

/// What a read gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// These bytes, at least one.
    Bytes(Vec<u8>),
    /// Nothing yet: to be asked again after that time.
    Wait(Duration),
    /// The end of the stream.
    End,
    /// The peer has reset the connection.
    Reset,
    /// The peer stays silent, until something is written at least.
    Never,
}

impl Dialogue {
    /// A connection just made, the `number`th of its run, from 1.
    pub(super) fn new(steps: Arc<[Step]>, number: usize) -> Self {
        Self {
            steps,
            number,
            at: 0,
            heard: Vec::new(),
            sending: Vec::new(),
            captures: Captures::new(),
            standing: Standing::Open,
            has_tls: false,
            certificate: None,
            complaint: None,
        }
    }

    /// Takes what the plugin writes, all of it or nothing.
    ///
    /// # Errors
    ///
    /// When the peer has reset the connection; when it has hung up, from the second write on, as over TCP;
    /// when the connection is closed.
    pub fn written(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.settle();
        match self.standing {
            Standing::Open => {
                self.heard.extend_from_slice(bytes);
                self.listen();
                Ok(())
            }
            Standing::HungUp(false) => {
                self.standing = Standing::HungUp(true);
                Ok(())
            }
            Standing::Silent => Ok(()),
            Standing::HungUp(true) => Err(Error::Closed),
            Standing::Reset => Err(Error::Reset),
            Standing::Unusable => Err(UNUSABLE),
        }
    }

    /// What a read gives that wants at most `maximum` bytes, at least 1; what is over is left for the next
    /// read.
    pub fn next(&mut self, maximum: usize) -> Next {
        loop {
            if !self.sending.is_empty() && self.standing == Standing::Open {
                let count = maximum.clamp(1, self.sending.len());
                return Next::Bytes(self.sending.drain(..count).collect());
            }
            self.listen();
            self.settle();
            match self.standing {
                Standing::Open => {}
                Standing::HungUp(_) | Standing::Unusable => return Next::End,
                Standing::Reset => return Next::Reset,
                Standing::Silent => return Next::Never,
            }
            if let Some(next) = self.step() {
                return next;
            }
        }
    }

    /// What holds a handshake up: [`Next::Wait`], after which it is to be asked again, or [`Next::Never`].
    /// To be asked before [`Self::start_tls`].
    pub fn before_tls(&mut self) -> Option<Next> {
        self.listen();
        self.settle();
        if self.standing == Standing::Silent {
            return Some(Next::Never);
        }
        match self.steps.get(self.at) {
            Some(Step::Stall(time)) if self.sending.is_empty() && self.standing == Standing::Open => {
                let wait = Next::Wait(*time);
                self.at += 1;
                Some(wait)
            }
            _ => None,
        }
    }

    /// Negotiates TLS, as far as a script goes: its facts. A handshake that fails leaves the connection
    /// unusable.
    ///
    /// # Errors
    ///
    /// The one in the script; and as over a network when the peer has sent plaintext ahead of the handshake,
    /// has gone, or does not want TLS now.
    pub fn start_tls(&mut self) -> Result<TlsInfo, Error> {
        while self.before_tls().is_some_and(|held| held != Next::Never) {}
        if self.standing == Standing::Unusable {
            return Err(UNUSABLE);
        }
        if self.has_tls {
            return Err(HAS_TLS);
        }
        let shaken = self.shake_hands();
        match &shaken {
            Ok(_) => self.has_tls = true,
            Err(_) => self.standing = Standing::Unusable,
        }
        shaken
    }

    /// The certificate that the peer showed in a handshake, also in one that failed.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Whether the plugin has closed the connection, or a handshake has failed.
    pub fn is_unusable(&self) -> bool {
        self.standing == Standing::Unusable
    }

    /// Closes the connection from the plugin's side. A peer that still waited for something complains.
    pub fn close(&mut self) {
        if self.standing == Standing::Open {
            self.listen();
            if let Some(step) = self.listening_step() {
                let wanted = step.wanted();
                self.complain("the end of the connection", &wanted);
            }
        }
        self.standing = Standing::Unusable;
    }

    /// The first thing that did not go by the script, such as ``step 3 of connection 1: found `...`, wanted
    /// `...` ``. It repeats what the plugin wrote, control characters escaped, secrets not struck out.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// Takes a step that is not the plugin's to make.
    fn step(&mut self) -> Option<Next> {
        let steps = Arc::clone(&self.steps);
        let Some(step) = steps.get(self.at) else {
            return Some(Next::Never);
        };
        match step {
            Step::Send(bytes) => self.send(bytes.clone()),
            Step::SendText(template) => match template.fill(&self.captures) {
                Some(bytes) => self.send(bytes),
                None => {
                    self.complain("a capture that was left out", "all that the text refers to");
                    self.hang_up();
                }
            },
            Step::Stall(time) => {
                self.at += 1;
                return Some(Next::Wait(*time));
            }
            Step::Heard(_) if !self.heard.is_empty() => {
                self.complain(&counted(self.heard.len(), "byte"), &step.wanted());
                self.heard.clear();
                self.at += 1;
            }
            _ if self.heard.is_empty() => {
                self.complain("a read", &step.wanted());
                return Some(Next::Never);
            }
            _ => {
                let found = format!("a read after {}", quoted(&self.heard));
                self.complain(&found, &step.wanted());
                return Some(Next::Never);
            }
        }
        None
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.sending = bytes;
        self.at += 1;
    }

    /// Takes what was written as far as the steps want it.
    fn listen(&mut self) {
        let steps = Arc::clone(&self.steps);
        while self.standing == Standing::Open && self.sending.is_empty() {
            let taken = match steps.get(self.at) {
                Some(Step::Expect(pattern)) => match pattern.compare(&self.heard, &self.captures) {
                    Match::Fits(length, captures) => {
                        self.captures.extend(captures);
                        Some(length)
                    }
                    Match::Undecided => None,
                    Match::Differs if self.goes_on_later(pattern) => continue,
                    Match::Differs => None,
                },
                Some(Step::ExpectUntil(end)) => end_of(&self.heard, end),
                Some(Step::ExpectBytes(count) | Step::Heard(count)) => {
                    (self.heard.len() >= *count).then_some(*count)
                }
                None if !self.heard.is_empty() => {
                    let found = quoted(&self.heard);
                    self.complain(&found, "nothing more");
                    return self.hang_up();
                }
                _ => None,
            };
            let Some(taken) = taken else { return };
            self.heard.drain(..taken);
            self.at += 1;
        }
    }

    /// What to do about what was written and does not fit: whether the peer has gone on to a later step.
    fn goes_on_later(&mut self, wanted: &Pattern) -> bool {
        let later = self.later();
        if !matches!(later, Later::Perhaps) {
            let found = quoted(&self.heard);
            self.complain(&found, &quoted(wanted.as_str().as_bytes()));
        }
        match later {
            Later::At(at) => self.at = at,
            Later::Perhaps => {}
            Later::Nowhere => self.hang_up(),
        }
        matches!(later, Later::At(_))
    }

    /// Whether what was written is wanted by a later step that can be reached.
    fn later(&self) -> Later {
        let mut later = Later::Nowhere;
        let rest = self.steps.iter().enumerate().skip(self.at + 1);
        for (at, step) in rest.take_while(|(_, step)| step.can_be_left_out()) {
            if let Step::Expect(pattern) = step {
                match pattern.compare(&self.heard, &self.captures) {
                    Match::Fits(..) => return Later::At(at),
                    Match::Undecided => later = Later::Perhaps,
                    Match::Differs => {}
                }
            }
        }
        later
    }

    /// Takes the last steps, which need nobody to ask for them.
    fn settle(&mut self) {
        if self.standing == Standing::Open && self.sending.is_empty() {
            match self.steps.get(self.at) {
                Some(Step::HangUp) => self.hang_up(),
                Some(Step::Reset) => self.standing = Standing::Reset,
                Some(Step::Silence) => self.standing = Standing::Silent,
                _ => {}
            }
        }
    }

    fn shake_hands(&mut self) -> Result<TlsInfo, Error> {
        let refused = |message: &str| Err(Error::Tls(TlsProblem::Handshake, message.to_owned()));
        match self.standing {
            Standing::Open => {}
            Standing::HungUp(_) | Standing::Unusable => return refused(CLOSED_BEFORE_TLS),
            Standing::Reset => return Err(Error::Reset),
            Standing::Silent => return refused("the peer does not answer the TLS handshake"),
        }
        let steps = Arc::clone(&self.steps);
        match steps.get(self.at) {
            _ if !self.sending.is_empty() => refused(EARLY_PLAINTEXT),
            Some(Step::Send(_) | Step::SendText(_)) => refused(EARLY_PLAINTEXT),
            Some(Step::StartTls(answer)) => self.answer_handshake(answer),
            other => {
                let wanted = other.map_or_else(|| "nothing more".to_owned(), Step::wanted);
                self.complain("a TLS handshake", &wanted);
                refused("the peer does not want TLS here")
            }
        }
    }

    fn answer_handshake(&mut self, answer: &TlsAnswer) -> Result<TlsInfo, Error> {
        if !self.heard.is_empty() {
            let found = format!("{} in the clear", quoted(&self.heard));
            self.complain(&found, "a TLS handshake");
            return Err(Error::Tls(
                TlsProblem::Handshake,
                "the peer was sent plaintext ahead of the TLS handshake".into(),
            ));
        }
        self.at += 1;
        self.certificate.clone_from(&answer.certificate);
        answer.result.clone()
    }

    fn hang_up(&mut self) {
        self.heard.clear();
        self.standing = Standing::HungUp(false);
    }

    fn listening_step(&self) -> Option<&Step> {
        let step = self.steps.get(self.at)?;
        (self.sending.is_empty() && step.listens()).then_some(step)
    }

    fn complain(&mut self, found: &str, wanted: &str) {
        let (step, number) = (self.at + 1, self.number);
        self.complaint.get_or_insert_with(|| {
            format!("step {step} of connection {number}: found {found}, wanted {wanted}")
        });
    }
}

/// Where, after the step at hand, what was written is wanted.
enum Later {
    At(usize),
    Perhaps,
    Nowhere,
}

/// How many bytes there are up to the end of the first `end`.
fn end_of(bytes: &[u8], end: &[u8]) -> Option<usize> {
    let at = bytes.windows(end.len().max(1)).position(|window| window == end)?;
    Some(at + end.len())
}
