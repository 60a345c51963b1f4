//! Fuzzing whole fetches: what servers answer, in which pieces it arrives, and what must hold whatever it is.
//!
//! An input is a row of decisions about the settings, then what the servers answer, one connection after the
//! other, divided by [`CONNECTION`]. [`FLOOD`] says the line before it [`FLOOD_LINES`] times; what stands behind
//! [`GZIP`] is compressed; `@` in the head is the length of the body as it is sent.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::rc::Rc;

use bedcheck_fuzz::{Bytes, Fuzz, Random};
use bedcheck_sdk::{CallError, Fact, Failure, Reason, TlsInfo};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::exchange::Transport;
use crate::fetch::{Fetched, Network, fetch};
use crate::message::Fragment;
use crate::script::{Peer, tls_info};
use crate::settings::Settings;
use crate::target::Target;

const GZIP: u8 = 0x1d;
const CONNECTION: u8 = 0x1e;
const FLOOD: u8 = 0x1f;
/// How much of a line is repeated at most, in bytes.
const MAX_LINE: usize = 2048;
const FLOOD_LINES: usize = 3_000;
/// The most that one server says before it is compressed, in bytes.
const MAX_SAID: usize = 1024 * 1024 + 100_000;
/// Up to this size an answer is also delivered byte by byte.
const SMALL: usize = 16 * 1024;

const WORDS: [&[u8]; 47] = [
    b"\x1d",
    b"\x1e",
    b"\x1f",
    b"\r\n",
    b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 100 \r\n",
    b"HTTP/1.1 204 \r\n",
    b"HTTP/1.1 302 Found\r\n",
    b"HTTP/1.1 308 \r\n",
    b"HTTP/1.1 401 \r\n",
    b"Content-Length: @\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: br\r\n",
    b"Location: /next\r\n",
    b"Location: https://other.example/\r\n",
    b"Location: http://example.org/\r\n",
    b"Location: //[::1]:8080/\r\n",
    b"Location: ?a=b\r\n",
    b"Location: http://a:b@c/\r\n",
    b"Connection: close\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nTrailer: x\r\n\r\n",
    b"FFFFFFFFFFFFFFFF\r\n",
    b"5;ext=\"1\"\r\n",
    b"5;chunk-signature=0123456789abcdef0123456789abcdef\r\n",
    b"{\"status\": \"up\"}",
    b"ok",
    b": ",
    b"X: ",
    b" folded\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"@",
    b"\n",
    b"\r",
    b"* OK IMAP\r\n",
    b"SSH-2.0-x\r\n",
    b"\x15\x03\x03",
    b"HTTP/2.0 200 \r\n",
];

/// The URLs that the first request is for.
const URLS: [&str; 4] = [
    "http://example.org/",
    "https://example.org/a?b=c",
    "http://[2001:db8::1]:8080/",
    "https://b\u{fc}cher.example:8443/%2e/",
];
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "OPTIONS", "X-OWN"];
const MAX_BODIES: [usize; 4] = [100, 1, 65_536, 1024 * 1024];

/// What the client sent, and to which origin.
#[derive(Default)]
struct Seen {
    requests: Vec<(String, String)>,
    receives: usize,
    said: usize,
    phases: Vec<String>,
}

/// Servers that answer one connection after the other.
struct Servers {
    answers: VecDeque<Vec<u8>>,
    piece: usize,
    seen: Rc<RefCell<Seen>>,
}

/// A connection to one of them.
struct Visited {
    peer: Peer,
    origin: String,
    seen: Rc<RefCell<Seen>>,
}

impl Network for Servers {
    type Connection = Visited;

    fn connect(&mut self, target: &Target) -> Result<(Visited, Option<TlsInfo>), Failure> {
        let Some(answer) = self.answers.pop_front() else {
            return Err(CallError::ConnectionRefused.into());
        };
        let scheme = if target.is_https() { "https" } else { "http" };
        self.seen.borrow_mut().said += answer.len();
        let visited = Visited {
            peer: Peer::new(answer, self.piece),
            origin: format!("{scheme}://{}:{}", target.host(), target.port()),
            seen: Rc::clone(&self.seen),
        };
        Ok((visited, target.is_https().then(|| tls_info("1.3", 0))))
    }

    fn phase<T>(
        &mut self,
        name: &str,
        _: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.seen.borrow_mut().phases.push(name.to_owned());
        body()
    }

    fn note(&mut self, line: &str) {
        assert!(!line.is_empty());
    }
}

impl Transport for Visited {
    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure> {
        self.peer.send(message)?;
        let request = (self.origin.clone(), self.peer.heard.clone());
        self.seen.borrow_mut().requests.push(request);
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> Result<usize, Failure> {
        self.seen.borrow_mut().receives += 1;
        self.peer.receive(into)
    }

    fn is_end_sound(&mut self) -> Result<bool, Failure> {
        self.peer.is_end_sound()
    }

    fn trace_parent(&mut self) -> Option<String> {
        self.peer.trace_parent()
    }

    fn describe(&mut self, facts: &[(&str, Fact<'_>)]) -> Result<(), Failure> {
        self.peer.describe(facts)
    }
}

/// A fetch from an input, in pieces of at most so many bytes.
struct Played {
    written: Value,
    result: Result<Fetched, Failure>,
    seen: Seen,
}

impl Played {
    fn new(written: &Value, answers: &[Vec<u8>], piece: usize) -> Self {
        let settings: Settings =
            serde_json::from_value(written.clone()).unwrap_or_else(|error| panic!("{error}: {written}"));
        let seen = Rc::new(RefCell::new(Seen::default()));
        let mut servers = Servers {
            answers: answers.iter().cloned().collect(),
            piece,
            seen: Rc::clone(&seen),
        };
        let result = fetch(&mut servers, settings.request, settings.limits);
        if let Ok(fetched) = &result {
            // Whatever came is held against what is expected.
            let unmet = settings.expect.unmet(&fetched.response, fetched.tls.as_ref(), 0);
            if let Err(failure) = crate::verdict(&settings.expect, fetched, &unmet.sentences) {
                assert!(!failure.message().is_empty());
            }
        }
        Self {
            written: written.clone(),
            result,
            seen: seen.take(),
        }
    }

    /// Holds two fetches against each other, which differ in the pieces alone. How much of an answer is quoted
    /// depends on how much had come, so messages are not looked at.
    fn assert_same(&self, other: &Self, piece: usize) {
        match (&self.result, &other.result) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one.response.body, other.response.body, "pieces of {piece} bytes");
                assert_eq!(
                    one.response.fields, other.response.fields,
                    "pieces of {piece} bytes"
                );
                assert_eq!(
                    one.response.status, other.response.status,
                    "pieces of {piece} bytes"
                );
            }
            (Err(one), Err(other)) => {
                // What is too large and broken as well may be called either.
                let is_too_large = [one, other]
                    .iter()
                    .any(|failure| matches!(failure.reason(), Reason::TooLarge));
                let (one, other) = (format!("{:?}", one.reason()), format!("{:?}", other.reason()));
                assert!(
                    one == other || is_too_large,
                    "pieces of {piece} bytes: {one} became {other}"
                );
            }
            (one, other) => panic!(
                "pieces of {piece} bytes: {:?} became {:?}",
                one.as_ref().map(|fetched| fetched.response.status),
                other.as_ref().map(|fetched| fetched.response.status),
            ),
        }
        assert_eq!(self.seen.requests, other.seen.requests, "pieces of {piece} bytes");
    }
}

/// Settings by an input's first decisions.
fn settings(bytes: &mut Bytes<'_>) -> Value {
    let mut settings = json!({
        "url": *bytes.pick(&URLS),
        "method": *bytes.pick(&METHODS),
        "redirects": bytes.below(4),
        "max_body": *bytes.pick(&MAX_BODIES),
        "headers": {"x-key": {"secret": "key"}, "cookie": "id=1", "x-plain": "1"},
        "expect": {
            "status": ["2xx", 401], "headers": {"content-type": "^text/"}, "body_contains": "ok",
            "body_matches": "[a-z]+\\d?", "json": {"/status": "up"}, "certificate_days": 14, "max_size": 500,
        },
    });
    match bytes.below(3) {
        0 => {}
        1 => settings["bearer"] = json!({"secret": "token"}),
        _ => settings["basic"] = json!({"user": "ann", "password": {"secret": "password"}}),
    }
    if bytes.flag() && settings["method"] != "HEAD" {
        settings["body"] = "a=1".into();
    }
    settings
}

/// What a server says: floods, compression and length put in.
fn answer(written: &[u8]) -> Vec<u8> {
    let mut said: Vec<u8> = Vec::new();
    let mut compressed_from = None;
    for byte in written {
        match *byte {
            FLOOD => {
                let end = said.len().saturating_sub(1);
                let from = end.saturating_sub(MAX_LINE);
                let before = said[from..end].iter().rposition(|byte| *byte == b'\n');
                let start = before.map_or(from, |at| from + at + 1);
                let line = said[start..].to_vec();
                let times = FLOOD_LINES.min(MAX_SAID.saturating_sub(said.len()) / line.len().max(1));
                said.extend(line.repeat(times));
            }
            GZIP if compressed_from.is_none() => compressed_from = Some(said.len()),
            byte => said.push(byte),
        }
    }
    if let Some(from) = compressed_from {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder
            .write_all(&said[from..])
            .expect("a vector takes everything");
        said.truncate(from);
        said.extend(encoder.finish().expect("a vector takes everything"));
    }
    with_length(said)
}

/// The answer with its body's length in the place of `@`.
fn with_length(said: Vec<u8>) -> Vec<u8> {
    let Some(head) = said
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
    else {
        return said;
    };
    let Some(at) = said[..head].iter().position(|byte| *byte == b'@') else {
        return said;
    };
    let length = (said.len() - head).to_string();
    [&said[..at], length.as_bytes(), &said[at + 1..]].concat()
}

/// What must hold for any servers.
fn property(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let written = settings(&mut bytes);
    let answers: Vec<_> = bytes
        .rest()
        .split(|byte| *byte == CONNECTION)
        .map(answer)
        .collect();
    let whole = Played::new(&written, &answers, 16 * 1024);
    judge(&whole);
    let pieces: &[usize] = if whole.seen.said > SMALL { &[4096] } else { &[1, 7] };
    for piece in pieces {
        let cut = Played::new(&written, &answers, *piece);
        judge(&cut);
        whole.assert_same(&cut, *piece);
    }
}

fn judge(played: &Played) {
    let Played {
        written,
        result,
        seen,
    } = played;
    let number = |key: &str| usize::try_from(written[key].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
    assert!(
        seen.requests.len() <= number("redirects") + 1,
        "{} requests",
        seen.requests.len()
    );
    assert!(
        seen.receives <= seen.said + 2 * seen.requests.len(),
        "reading goes on at the end"
    );
    for (index, (origin, request)) in seen.requests.iter().enumerate() {
        assert_well_formed(request);
        // Where a redirect has left the first origin, the secrets are left behind, also when one leads back.
        let stayed = seen.requests[..=index]
            .iter()
            .all(|(other, _)| *other == seen.requests[0].0);
        let has_secret = request.contains('<') || request.contains("id=1");
        assert!(stayed || !has_secret, "{origin} was sent {request:?}");
    }
    match result {
        Ok(fetched) => {
            let most = number("max_body");
            let (sent, decoded) = (fetched.response.received, fetched.response.body.len());
            assert!(
                sent <= most && decoded <= most,
                "{sent} and {decoded} bytes, at most {most} allowed"
            );
            assert!(fetched.redirects as usize <= number("redirects"));
            assert_eq!(fetched.redirects as usize + 1, seen.requests.len());
            assert_whole(written, fetched);
        }
        Err(failure) => {
            assert!(!failure.message().is_empty());
            let length = failure.message().chars().count();
            assert!(length <= 20_000, "a message of {length} characters");
        }
    }
}

/// A request that no other can be read out of.
fn assert_well_formed(request: &str) {
    let (head, _) = request.split_once("\r\n\r\n").expect("a head that ends");
    for line in head.split("\r\n") {
        assert!(
            !line.is_empty() && !line.contains(['\r', '\n', '\0']),
            "{request:?}"
        );
    }
    let hosts = head
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("host:"))
        .count();
    assert_eq!(hosts, 1, "{request:?}");
}

/// A body that was announced by its length has it.
fn assert_whole(written: &Value, fetched: &Fetched) {
    let response = &fetched.response;
    let header = |name: &str| response.fields.get_all(name).collect::<Vec<_>>();
    let announced = match header("content-length")[..] {
        [length] => str::from_utf8(length)
            .ok()
            .and_then(|text| text.trim().parse::<usize>().ok()),
        _ => None,
    };
    let status = response.status.as_u16();
    let has_body = written["method"] != "HEAD" && status >= 200 && ![204, 304].contains(&status);
    if let Some(announced) = announced
        && has_body
        && header("transfer-encoding").is_empty()
        && fetched.redirects == 0
    {
        assert_eq!(response.received, announced);
    }
}

/// Answers as servers give them, with something odd here and there.
fn answers(random: &mut Random) -> Vec<u8> {
    let mut said: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(6).collect();
    let word = |random: &mut Random| random.choice(WORDS.as_slice()).copied().unwrap_or_default();
    for _ in 0..random.u8(1..4) {
        let status = if random.u8(..3) == 0 {
            "302 Found"
        } else {
            "200 OK"
        };
        said.extend(format!("HTTP/1.1 {status}\r\n").into_bytes());
        for _ in 0..random.u8(..4) {
            said.extend(word(random));
        }
        said.extend(b"Location: /next\r\n");
        match random.u8(..4) {
            0 => said.extend(b"Content-Length: @\r\n\r\n{\"status\": \"up\"} ok"),
            1 => said
                .extend(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2;a=b\r\nok\r\n0\r\nT: 1\r\n\r\n"),
            2 => said.extend(b"Content-Encoding: gzip\r\nContent-Length: @\r\n\r\n\x1dhello\n\x1f"),
            _ => said.extend(b"\r\nuntil the end"),
        }
        said.extend(word(random));
        said.push(CONNECTION);
    }
    said
}

#[test]
fn http() {
    Fuzz::new("http")
        .dictionary(&WORDS)
        .generator(answers)
        .run(property);
}
