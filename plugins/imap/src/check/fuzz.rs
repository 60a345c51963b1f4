//! Fuzzing whole runs: what a server says, in which pieces it arrives, and what must hold whatever it is.
//!
//! An input is a byte of settings, a byte for the end of the stream, and what the server says: a turn is said
//! once the client has sent something since the turn before, and turns are divided by [`TURN`]. [`FLOOD`] says
//! the line before it [`FLOOD_LINES`] times, so that short inputs reach the bounds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bedcheck_fuzz::{Bytes, Fuzz, Random};
use bedcheck_sdk::CallError;
use serde_json::json;

use super::*;
use crate::dialogue::MAX_ANSWERS;
use crate::host::Part;
use crate::receive::MAX_RESPONSE;
use crate::script::Record;

const TURN: u8 = 0x1e;
const FLOOD: u8 = 0x1f;
/// How much of a line is repeated at most, in bytes.
const MAX_LINE: usize = 2048;
const FLOOD_LINES: usize = 2_000;
/// The most that a server says in all, in bytes: more than all answers may have.
const MAX_SAID: usize = 1_400_000;
/// The longest message in characters: two pieces of a server's text, and words around them.
const MAX_MESSAGE: usize = 600;
/// The most that the SDK asks for at once, in bytes.
const MAX_PIECE: usize = 16 * 1024;
/// Up to this size a stream is also delivered byte by byte.
const SMALL: usize = 16 * 1024;

/// Which mailboxes are opened: none, plain ones, and such as must not get out of their quotes.
const MAILBOXES: [&[&str]; 4] = [
    &[],
    &["INBOX"],
    &["INBOX", "Entwürfe & \"more\""],
    &["a\r\nA9 DELETE INBOX", ""],
];

const WORDS: [&[u8]; 44] = [
    b"\x1e",
    b"\x1f",
    b"\r\n",
    b"* ",
    b"+ \r\n",
    b"A1 ",
    b"A2 ",
    b"A3 ",
    b"A4 ",
    b"A5 ",
    b"OK ",
    b"NO ",
    b"BAD ",
    b"BYE ",
    b"PREAUTH ",
    b"OK done\r\n",
    b"NO [UNAVAILABLE] ",
    b"[CAPABILITY IMAP4rev1 ",
    b"* CAPABILITY IMAP4rev1 ",
    b"STARTTLS ",
    b"AUTH=PLAIN ",
    b"SASL-IR ",
    b"LOGINDISABLED ",
    b"LITERAL+ ",
    b"LITERAL- ",
    b"* 3 EXISTS\r\n",
    b"* 0 RECENT\r\n",
    b"[CLOSED] ",
    b"[ALERT] ",
    b"* LIST () \"/\" ",
    b"{5}\r\n",
    b"{0}\r\n",
    b"{70000}\r\n",
    b"{18446744073709551615}\r\n",
    b"\"quoted\"",
    b"(",
    b")",
    b"]",
    b"* FLAGS (\\Seen)\r\n",
    b"\0",
    b"\xff",
    b"HTTP/1.1 400 ",
    b"SSH-2.0-x\r\n",
    b"\x15\x03\x01",
];

/// What is known of a run from outside.
#[derive(Default)]
struct Seen {
    /// What the client sent, the password as `<password>`.
    sent: Vec<String>,
    /// What it received.
    received: Vec<u8>,
    receives: usize,
    is_tls: bool,
    /// Whether the password was sent out of TLS.
    exposed: bool,
}

/// A server that says its turns.
struct Server {
    turns: VecDeque<Vec<u8>>,
    /// The turn being said.
    saying: Vec<u8>,
    piece: usize,
    end: u8,
    seen: Rc<RefCell<Seen>>,
}

impl Server {
    fn new(input: Bytes<'_>, end: u8, piece: usize, is_tls: bool, seen: &Rc<RefCell<Seen>>) -> Self {
        let mut left = MAX_SAID;
        let turns = input.rest().split(|byte| *byte == TURN);
        let mut turns: VecDeque<Vec<u8>> = turns.map(|turn| flooded(turn, &mut left)).collect();
        seen.borrow_mut().is_tls = is_tls;
        Self {
            saying: turns.pop_front().unwrap_or_default(),
            turns,
            piece,
            end,
            seen: Rc::clone(seen),
        }
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
        let from = end.saturating_sub(MAX_LINE);
        let before = said[from..end].iter().rposition(|byte| *byte == b'\n');
        let start = before.map_or(from, |at| from + at + 1);
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
        let piece = self.piece.min(self.saying.len());
        let arrived: Vec<u8> = self.saying.drain(..piece).collect();
        seen.received.extend_from_slice(&arrived);
        Ok(arrived)
    }

    fn send(&mut self, parts: &[Part]) -> Result<(), Failure> {
        let mut seen = self.seen.borrow_mut();
        let mut sent = String::new();
        for part in parts {
            match part {
                Part::Bytes(bytes) => sent += &String::from_utf8_lossy(bytes),
                Part::Password | Part::Base64WithPassword(_) => {
                    sent += "<password>";
                    seen.exposed |= !seen.is_tls;
                }
            }
        }
        seen.sent.push(sent);
        self.saying.extend(self.turns.pop_front().unwrap_or_default());
        Ok(())
    }

    fn start_tls(&mut self) -> Result<(), Failure> {
        // As the host does with plaintext that has arrived by then.
        if !self.saying.is_empty() {
            return Err(CallError::Invalid("plaintext before the handshake".into()).into());
        }
        self.seen.borrow_mut().is_tls = true;
        self.saying.extend(self.turns.pop_front().unwrap_or_default());
        Ok(())
    }

    fn password_length(&self) -> usize {
        6
    }
}

/// A run of the check against an input, in pieces of at most so many bytes.
struct Played {
    tls: Tls,
    result: Result<(), Failure>,
    record: Record,
    seen: Seen,
}

impl Played {
    fn new(input: &[u8], piece: usize) -> Self {
        let mut bytes = Bytes::new(input);
        let written = bytes.byte();
        let settings = settings(written);
        let end = bytes.byte() % 3;
        let seen = Rc::default();
        let server = Server::new(bytes, end, piece, settings.tls == Tls::Implicit, &seen);
        let record = Record::default();
        let result = run(&settings, &record, || Ok(server));
        Self {
            tls: settings.tls,
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
}

/// Settings by the bits of a byte: TLS, mailboxes, how they are opened, whether there is a login.
fn settings(bits: u8) -> Settings {
    let tls = ["implicit", "starttls", "none"][usize::from(bits & 3) % 3];
    let mut settings = json!({"host": "mail.example.org", "tls": tls});
    if bits & 0x20 == 0 {
        settings["user"] = "ann".into();
        settings["password"] = json!({"secret": "s"});
        settings["mailboxes"] = json!(MAILBOXES[usize::from(bits >> 2 & 3)]);
        settings["open"] = ["examine", "select"][usize::from(bits >> 4 & 1)].into();
    }
    serde_json::from_value(settings).expect("the settings are sound")
}

/// What must hold for any server.
fn property(input: &[u8]) {
    let whole = Played::new(input, MAX_PIECE);
    judge(&whole);
    let pieces: &[usize] = if whole.seen.received.len() > SMALL {
        &[4096]
    } else {
        &[1, 7]
    };
    for piece in pieces {
        let cut = Played::new(input, *piece);
        judge(&cut);
        // What stands behind the answer to STARTTLS is found by whoever has it by then, the plugin or the host.
        if whole.tls == Tls::Starttls {
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
    let Played {
        tls,
        result,
        record,
        seen,
    } = played;
    assert!(
        *tls == Tls::None || !seen.exposed,
        "the password was sent out of TLS"
    );
    // It may be over the bound by a response, and by the piece that goes over it.
    let most = MAX_ANSWERS + MAX_RESPONSE + MAX_PIECE;
    assert!(
        seen.received.len() <= most,
        "{} bytes were taken",
        seen.received.len()
    );
    assert!(
        seen.receives <= seen.received.len() + seen.sent.len() + 4,
        "reading goes on at the end"
    );
    for sent in &seen.sent {
        // A line, or several of which all but the last announce a literal that need not be waited for.
        let lines: Vec<&str> = sent.strip_suffix("\r\n").expect(sent).split("\r\n").collect();
        let (_, others) = lines.split_last().expect("a split text has a part");
        assert!(others.iter().all(|line| line.ends_with("+}")), "{sent:?}");
        assert!(!lines.concat().contains(['\r', '\n', '\0']), "{sent:?}");
    }
    let phases = record.phases.borrow();
    match result {
        Err(failure) => {
            let length = failure.message().chars().count();
            assert!(
                length > 0 && length <= MAX_MESSAGE,
                "a message of {length} characters"
            );
        }
        Ok(()) => {
            let failed: Vec<_> = phases.iter().filter(|phase| !phase.ends_with(": ok")).collect();
            assert!(failed.is_empty(), "passed, and {failed:?}");
            assert!(record.plan.borrow().len() >= phases.len(), "{phases:?}");
            assert_said_ok(seen);
        }
    }
}

/// A run that passed was told so by the server: in its greeting, and for each command.
fn assert_said_ok(seen: &Seen) {
    let lines: Vec<String> = seen
        .received
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line).to_ascii_uppercase())
        .collect();
    let greeted = lines[0].starts_with("* OK") || lines[0].starts_with("* PREAUTH");
    assert!(greeted, "passed after {:?}", lines[0]);
    for sent in &seen.sent {
        let mut words = sent.split_whitespace();
        let (Some(tag), Some(command)) = (words.next(), words.next()) else {
            continue;
        };
        if !tag.starts_with('A') {
            continue;
        }
        let is_said = lines.iter().any(|line| line.starts_with(&format!("{tag} OK")))
            || command == "LOGOUT" && lines.iter().any(|line| line.starts_with("* BYE"));
        assert!(is_said, "passed, and {sent:?} was not answered with OK");
    }
}

/// A dialogue as servers have it, with something odd here and there.
fn dialogue(random: &mut Random) -> Vec<u8> {
    let bits = random.u8(..);
    let mut said = vec![bits, random.u8(..3)];
    let capabilities = "IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR LOGINDISABLED LITERAL+";
    let some = |random: &mut Random| -> String {
        capabilities
            .split_inclusive(' ')
            .filter(|_| random.bool())
            .collect()
    };
    let greeting = *random
        .choice(["OK", "OK", "OK", "PREAUTH", "BYE", "NO"].as_slice())
        .unwrap_or(&"OK");
    said.extend(format!("* {greeting} [CAPABILITY {}] hi\r\n", some(random)).into_bytes());
    for tag in 1..8 {
        said.push(TURN);
        if random.u8(..4) == 0 {
            said.extend(b"+ \r\n\x1e");
        }
        for _ in 0..random.u8(..4) {
            said.extend(*random.choice(WORDS.as_slice()).unwrap_or(&b"".as_slice()));
        }
        said.extend(format!("* CAPABILITY {}\r\n* {tag} EXISTS\r\n", some(random)).into_bytes());
        let word = *random
            .choice(["OK", "OK", "OK", "OK", "NO", "BAD"].as_slice())
            .unwrap_or(&"OK");
        said.extend(format!("A{tag} {word} done\r\n").into_bytes());
    }
    said
}

#[test]
fn imap() {
    Fuzz::new("imap")
        .dictionary(&WORDS)
        .generator(dialogue)
        .run(property);
}
