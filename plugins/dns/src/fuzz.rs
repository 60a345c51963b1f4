//! Fuzzing whole runs: what a name server answers, and what must hold whatever it is.
//!
//! An input is a byte for the transport and then messages, divided by [`MESSAGE`]. The number of each is put on top of
//! that of the question, so that zeros in its place answer it.

use std::cell::Cell;
use std::collections::VecDeque;

use bedcheck_fuzz::{Bytes, Fuzz, Random};
use bedcheck_sdk::{CallError, Failure, Reason};
use hickory_proto::op::Message;

use crate::check::{self, Peer};
use crate::tests::{Kept, settings};

/// What divides messages.
const MESSAGE: &[u8] = b"\x1e\x1e";
/// The longest message in characters: a record, the expectation, and words around them.
const MAX_MESSAGE: usize = 1000;
/// Up to this size a stream is also delivered byte by byte.
const SMALL: usize = 4096;

/// The question `www.example.org. IN A`, and an answer to it, without their numbers.
const QUESTION: &[u8] = b"\x03www\x07example\x03org\0\0\x01\0\x01";
const RECORD: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01";

const WORDS: [&[u8]; 16] = [
    MESSAGE,
    QUESTION,
    RECORD,
    b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0",
    b"\0\0\x83\x80\0\x01\0\0\0\0\0\0",
    b"\0\0\x81\x83\0\x01\0\0\0\x01\0\0",
    b"\xc0\x0c",
    b"\xc0\xff",
    b"\xff\xff",
    b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x18\xc0\x10\xc0\x10\0\0\0\x07\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04",
    b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x04\x03a\\\"",
    b"\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x0a\xc0\x10",
    b"\0\0\x29\x04\xd0\0\0\0\0\0\0",
    b"\xc0\x0c\0\x41\0\x01\0\0\0\x3c\0\x03\0\x01\0",
    b"\xc0\x0c\0\x2e\0\x01\0\0\0\x3c\0\x02\0\x01",
    b"\x3f",
];

/// A server that says its messages once it is asked.
struct Server<'s> {
    messages: &'s [Vec<u8>],
    is_stream: bool,
    piece: usize,
    said: VecDeque<Vec<u8>>,
    receives: &'s Cell<usize>,
}

impl Peer for Server<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let question = if self.is_stream { &bytes[2..] } else { bytes };
        let asked = Message::from_vec(question).expect("the question is sound");
        let id = asked.metadata.id.to_be_bytes();
        let numbered = self.messages.iter().map(|message| {
            let mut message = message.clone();
            message.iter_mut().zip(id).for_each(|(byte, id)| *byte ^= id);
            message
        });
        if self.is_stream {
            let stream: Vec<u8> = numbered
                .flat_map(|message| {
                    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
                    [length.to_be_bytes().to_vec(), message].concat()
                })
                .collect();
            self.said.extend(stream.chunks(self.piece).map(<[u8]>::to_vec));
            self.said.push_back(Vec::new());
        } else {
            self.said.extend(numbered);
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        self.receives.set(self.receives.get() + 1);
        self.said
            .pop_front()
            .ok_or_else(|| CallError::DeadlineExceeded.into())
    }
}

/// A run against these messages, in a stream in pieces of that size.
fn outcome(transport: u8, messages: &[Vec<u8>], piece: usize) -> Result<(), Failure> {
    let written = ["udp", "tcp"][usize::from(transport % 2)];
    let settings = settings(&format!(
        r#", "transport": "{written}", "expect": {{"min_answers": 1,
            "validate_answer": {{"fail_if_matches_regexp": ["never"]}},
            "validate_authority": {{"fail_if_matches_regexp": ["never"]}},
            "validate_additional": {{"fail_if_matches_regexp": ["never"]}}}}"#
    ));
    let receives = Cell::new(0);
    let result = check::run(&settings, &Kept::default(), |transport| {
        Ok(Server {
            messages,
            is_stream: transport != crate::settings::Transport::Udp,
            piece,
            said: VecDeque::new(),
            receives: &receives,
        })
    });
    let said: usize = messages.iter().map(|message| message.len() + 2).sum();
    assert!(
        receives.get() <= 2 * (said + messages.len() + 2),
        "reading goes on at the end"
    );
    result
}

/// What must hold for any server.
fn property(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let transport = bytes.byte();
    let mut rest = bytes.rest();
    let mut messages = Vec::new();
    while let Some(at) = rest.windows(MESSAGE.len()).position(|two| two == MESSAGE) {
        messages.push(rest[..at].to_vec());
        rest = &rest[at + MESSAGE.len()..];
    }
    messages.push(rest.to_vec());
    let whole = outcome(transport, &messages, usize::from(u16::MAX));
    match &whole {
        Ok(()) => {
            let is_answer = |message: &Vec<u8>| {
                message.len() >= 12
                    && message[..2] == [0, 0]
                    && message[2] & 0x80 != 0
                    && message[3] & 0x0f == 0
            };
            assert!(messages.iter().any(is_answer), "passed without an answer");
        }
        Err(failure) => {
            let length = failure.message().chars().count();
            assert!(
                (1..=MAX_MESSAGE).contains(&length),
                "a message of {length} characters"
            );
            assert!(!matches!(failure.reason(), Reason::SettingsInvalid), "{failure}");
        }
    }
    if input.len() <= SMALL {
        let cut = outcome(transport, &messages, 1);
        let words = |result: &Result<(), Failure>| result.as_ref().err().map(ToString::to_string);
        assert_eq!(words(&whole), words(&cut), "it depends on how the bytes are cut");
    }
}

/// Answers as servers give them, with something odd here and there.
fn answers(random: &mut Random) -> Vec<u8> {
    let mut said = vec![random.u8(..)];
    for _ in 0..random.u8(1..4) {
        let records = random.u8(..4);
        let flags = *random
            .choice([b"\x81\x80", b"\x85\x80", b"\x83\x80", b"\x81\x83", b"\x01\0"].as_slice())
            .unwrap_or(&b"\x81\x80");
        said.extend(b"\0\0");
        said.extend(flags);
        said.extend([0, 1, 0, records, 0, random.u8(..2), 0, random.u8(..2)]);
        said.extend(QUESTION);
        for _ in 0..random.u8(..6) {
            said.extend(*random.choice(WORDS[1..].as_ref()).unwrap_or(&RECORD));
        }
        said.extend(MESSAGE);
    }
    said
}

#[test]
fn dns() {
    Fuzz::new("dns")
        .dictionary(&WORDS)
        .generator(answers)
        .run(property);
}
