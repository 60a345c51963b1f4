//! Fuzzing whole runs: what a server says, in which pieces it arrives, and what must hold whatever it is.
//!
//! An input is a byte that picks a dialogue, a byte for the end of the stream, and what the server says: a turn is
//! said once the client has sent something or begun TLS since the turn before, and turns are divided by [`TURN`].
//! [`FLOOD`] says the line before it [`FLOOD_LINES`] times, so that short inputs reach the bounds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bedcheck_fuzz::{Bytes, Fuzz, Random};
use bedcheck_sdk::{CallError, Reason};
use serde_json::{Value, json};

use super::*;
use crate::host::Fragment;
use crate::receive::{MAX_LINE, MAX_TOTAL};
use crate::script::{Record, shown, tls_info};

const TURN: u8 = 0x1e;
const FLOOD: u8 = 0x1f;
const FLOOD_LINES: usize = 3_000;
/// The most that a server says in all, in bytes: more than a run takes.
const MAX_SAID: usize = 2 * MAX_TOTAL;
/// The longest message in characters: two pieces of a server's text, a pattern, and words around them.
const MAX_MESSAGE: usize = 1_000;
/// The most that the SDK asks for at once, in bytes.
const MAX_PIECE: usize = 16 * 1024;
/// Up to this size a stream is also delivered byte by byte.
const SMALL: usize = 16 * 1024;

const WORDS: [&[u8]; 18] = [
    b"\x1e",
    b"\x1f",
    b"\r\n",
    b"\n",
    b"\r",
    b"220 mx.example.org ESMTP x\r\n",
    b"250-STARTTLS\r\n",
    b"220 go on\r\n",
    b"235 ok\r\n",
    b"535 no\r\n",
    b"PING :abc\r\n",
    b":x 001\r\n",
    b"S",
    b"SN",
    b"\0",
    b"\xff",
    b"${name}",
    b"$1",
];

/// The dialogues.
fn dialogues() -> [Value; 4] {
    [
        json!([
            {"expect": "^220 (?<host>[^ ]+) ESMTP( (?<software>.*))?$", "fail_if": "^[45]"},
            {"send": "EHLO ${host}\r\n"},
            {"expect": "^250[ -]STARTTLS", "lines": 5},
            {"send": "STARTTLS\r\n"},
            {"expect": "^220"},
            {"starttls": true},
            {"send": ["AUTH ", {"secret": "s"}, "\r\n"]},
            {"expect": "^235", "fail_if": "^5", "fail_as": "auth.rejected"},
        ]),
        json!([
            {"send": "NICK x\r\n"},
            {"expect": "PING :([^ ]+)", "labels": {"token": "${1}"}},
            {"send": "PONG ${1}\r\n"},
            {"expect": "^:[^ ]+ 001", "lines": 2},
        ]),
        json!([{"expect": "(a*)*b|(.*x)+$"}]),
        json!([{"expect_bytes": "SN"}, {"expect": "x", "lines": 1}]),
    ]
}

/// What is known of a run from outside.
#[derive(Default)]
struct Seen {
    sent: Vec<String>,
    received: usize,
    receives: usize,
    is_tls: bool,
    /// Whether a secret was sent out of TLS.
    is_exposed: bool,
}

/// A server that says its turns.
struct Server {
    turns: VecDeque<Vec<u8>>,
    saying: Vec<u8>,
    piece: usize,
    end: u8,
    seen: Rc<RefCell<Seen>>,
}

impl Server {
    fn new(input: Bytes<'_>, end: u8, piece: usize, seen: &Rc<RefCell<Seen>>) -> Self {
        let mut left = MAX_SAID;
        let turns = input.rest().split(|byte| *byte == TURN);
        let mut turns: VecDeque<Vec<u8>> = turns.map(|turn| flooded(turn, &mut left)).collect();
        Self {
            saying: turns.pop_front().unwrap_or_default(),
            turns,
            piece,
            end,
            seen: Rc::clone(seen),
        }
    }

    fn next_turn(&mut self) {
        self.saying.extend(self.turns.pop_front().unwrap_or_default());
    }
}

/// A turn with its floods, which take from what is left to say.
fn flooded(turn: &[u8], left: &mut usize) -> Vec<u8> {
    let mut said: Vec<u8> = Vec::new();
    for byte in turn {
        if *byte != FLOOD {
            said.push(*byte);
            continue;
        }
        let end = said.len().saturating_sub(1);
        let start = said[..end]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1)
            .max(end.saturating_sub(1024));
        let line = said[start..].to_vec();
        let times = FLOOD_LINES.min(*left / line.len().max(1));
        *left -= times * line.len();
        said.extend(line.repeat(times));
    }
    said
}

impl Transport for Server {
    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        let mut seen = self.seen.borrow_mut();
        seen.receives += 1;
        if self.saying.is_empty() {
            return match self.end {
                0 => Err(CallError::DeadlineExceeded.into()),
                1 => Ok(Vec::new()),
                _ => Err(CallError::ConnectionReset.into()),
            };
        }
        let arrived: Vec<u8> = self.saying.drain(..self.piece.min(self.saying.len())).collect();
        seen.received += arrived.len();
        Ok(arrived)
    }

    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure> {
        let has_secret = message.iter().any(|piece| matches!(piece, Fragment::Secret(_)));
        let mut seen = self.seen.borrow_mut();
        seen.is_exposed |= has_secret && !seen.is_tls;
        seen.sent.push(shown(message));
        drop(seen);
        self.next_turn();
        Ok(())
    }

    fn secret_length(&self, name: &str) -> usize {
        name.len()
    }

    fn start_tls(&mut self) -> Result<TlsInfo, Failure> {
        // As the host does with plaintext that has arrived by then.
        if !self.saying.is_empty() {
            return Err(CallError::Invalid("plaintext before the handshake".into()).into());
        }
        self.seen.borrow_mut().is_tls = true;
        self.next_turn();
        Ok(tls_info(0))
    }
}

/// A run of the check against an input, in pieces of at most so many bytes.
struct Played {
    result: Result<(), Failure>,
    record: Record,
    seen: Seen,
}

impl Played {
    fn new(input: &[u8], piece: usize) -> Self {
        let mut bytes = Bytes::new(input);
        let [smtp, irc, slow, binary] = dialogues();
        let steps = match bytes.byte() % 4 {
            0 => smtp,
            1 => irc,
            2 => slow,
            _ => binary,
        };
        let end = bytes.byte() % 3;
        let settings = json!({"host": "mail.example.org", "port": 25, "steps": steps});
        let settings: Settings = serde_json::from_value(settings).expect("the settings are sound");
        let seen = Rc::default();
        let server = Server::new(bytes, end, piece, &seen);
        let record = Record::default();
        let result = run(&settings, &record, || 0, || Ok(server));
        Self {
            result,
            record,
            seen: seen.take(),
        }
    }

    /// Result and record in words, the same whatever the pieces were.
    fn came_to(&self) -> String {
        let result = self
            .result
            .as_ref()
            .map_err(|failure| failure.message().to_owned());
        format!("{result:?} {:?}", self.record)
    }

    /// Whether the message holds what happened to be there: bytes, plaintext before TLS, an unfinished line.
    fn depends_on_pieces(&self) -> bool {
        self.result.as_ref().is_err_and(|failure| {
            failure.message().contains("wanted the bytes") || failure.message().contains("handshake")
        })
    }
}

/// What must hold for any server.
fn property(input: &[u8]) {
    let whole = Played::new(input, MAX_PIECE);
    judge(&whole);
    let pieces: &[usize] = if whole.seen.received > SMALL {
        &[4096]
    } else {
        &[1, 7]
    };
    for piece in pieces {
        let cut = Played::new(input, *piece);
        judge(&cut);
        if whole.depends_on_pieces() || cut.depends_on_pieces() {
            assert_eq!(
                whole.result.is_ok(),
                cut.result.is_ok(),
                "pieces of {piece} bytes"
            );
        } else {
            assert_eq!(whole.came_to(), cut.came_to(), "pieces of {piece} bytes");
        }
    }
}

fn judge(played: &Played) {
    let Played { result, record, seen } = played;
    assert!(!seen.is_exposed, "a secret was sent out of TLS");
    let most = MAX_TOTAL + MAX_LINE + MAX_PIECE;
    assert!(seen.received <= most, "{} bytes were taken", seen.received);
    assert!(seen.receives <= seen.received + 4, "reading goes on at the end");
    for sent in &seen.sent {
        // Nothing that a server says makes two commands of one.
        assert_eq!(sent.matches('\n').count(), 1, "{sent:?}");
    }
    let phases = record.phases.borrow();
    let (last, before) = phases.split_last().expect("a dialogue has a step");
    assert!(before.iter().all(|phase| phase.ends_with(": ok")), "{phases:?}");
    match result {
        Err(failure) => {
            let length = failure.message().chars().count();
            assert!(
                length > 0 && length <= MAX_MESSAGE,
                "a message of {length} characters"
            );
            let is_of_tls = matches!(failure.reason(), Reason::Call(CallError::Invalid(_)));
            assert!(is_of_tls || !last.ends_with(": ok"), "failed, and {phases:?}");
        }
        Ok(()) => assert!(last.ends_with(": ok"), "passed, and {phases:?}"),
    }
}

/// A dialogue as servers have it, with something odd here and there.
fn dialogue(random: &mut Random) -> Vec<u8> {
    let mut said = vec![random.u8(..4), random.u8(..3)];
    for turn in [
        &b"220 mx.example.org ESMTP x\r\n"[..],
        b"250-mx\r\n250-STARTTLS\r\n",
        b"220 go on\r\n",
        b"",
        b"235 ok\r\n",
        b"PING :abc\r\n",
        b":x 001\r\n",
    ] {
        for _ in 0..random.u8(..3) {
            said.extend(*random.choice(WORDS.as_slice()).unwrap_or(&b"".as_slice()));
        }
        if random.u8(..8) > 0 {
            said.extend(turn);
        }
        if random.u8(..4) > 0 {
            said.push(TURN);
        }
    }
    said
}

#[test]
fn tcp() {
    Fuzz::new("tcp")
        .dictionary(&WORDS)
        .generator(dialogue)
        .run(property);
}
