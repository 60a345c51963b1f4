//! The conversation with a server: what each step does with the bytes, and what is said when a server does not
//! answer as is expected. Which phases there are is decided in `check.rs`.

use bedcheck_sdk::{CallError, Failure, Reason, TlsInfo};

use crate::host::{Recorder, Transport};
use crate::outgoing::{excess, fragments};
use crate::receive::Receiver;
use crate::settings::{Expect, Piece};
use crate::template::Matched;
use crate::text::{decoded, quote, quote_text};

/// A connection on which the server is talked to.
pub(crate) struct Dialogue<'r, T, R> {
    transport: T,
    recorder: &'r R,
    receiver: Receiver,
    matched: Matched,
    /// Whether the server has ended the stream.
    has_ended: bool,
}

impl<'r, T: Transport, R: Recorder> Dialogue<'r, T, R> {
    /// A dialogue over a connection that is open.
    pub(crate) fn new(transport: T, recorder: &'r R) -> Self {
        Self {
            transport,
            recorder,
            receiver: Receiver::default(),
            matched: Matched::default(),
            has_ended: false,
        }
    }

    /// Reads lines until one matches, and reports what it matched. A line that must not come is looked for
    /// first, so that an answer such as `NO OK is what you wanted` fails.
    ///
    /// What the server leaves without an end of line when it closes the connection may be half a line. It matches in the
    /// last step only, where nothing more is wanted of the server. That it must not come is judged in any step: the step
    /// has failed either way, and this is what the server said of it.
    pub(crate) fn expect(&mut self, expect: &Expect, is_last: bool) -> Result<(), Failure> {
        let mut last: Option<Vec<u8>> = None;
        let mut count = 0_u32;
        loop {
            let Some(line) = self.next_line(expect, last.as_deref())? else {
                return self.expect_of_rest(expect, last, is_last);
            };
            refuse_unwanted(expect, &line)?;
            if self.matches(expect, &line) {
                return self.report(expect);
            }
            count = count.saturating_add(1);
            if expect.lines.is_some_and(|lines| count >= lines) {
                return Err(too_many(expect, count, &line));
            }
            last = Some(line);
        }
    }

    /// The end of the stream, with what stands there without an end of line.
    fn expect_of_rest(
        &mut self,
        expect: &Expect,
        last: Option<Vec<u8>>,
        is_last: bool,
    ) -> Result<(), Failure> {
        let rest = self.receiver.last_line();
        if let Some(rest) = rest.as_deref() {
            refuse_unwanted(expect, rest)?;
            if is_last && self.matches(expect, rest) {
                return self.report(expect);
            }
        }
        Err(closed(expect, rest.or(last).as_deref()))
    }

    /// Whether a line matches; what it matched is kept.
    fn matches(&mut self, expect: &Expect, line: &[u8]) -> bool {
        let text = decoded(line);
        let Some(captures) = expect.pattern.captures(&text) else {
            return false;
        };
        self.matched.take(&expect.pattern, &captures);
        self.recorder.debug(&format!("matched {}", quote_text(&text)));
        true
    }

    /// Reads exactly these bytes. The first byte that differs ends the step: more is not waited for.
    pub(crate) fn expect_bytes(&mut self, wanted: &[u8]) -> Result<(), Failure> {
        // Up to where they are known to be the same: they may come one by one.
        let mut same = 0;
        loop {
            let pending = self.receiver.pending();
            let compared = pending.len().min(wanted.len());
            if pending[same..compared] != wanted[same..compared] {
                return Err(Failure::assertion_failed(format!(
                    "the server answers {}, wanted the bytes {}",
                    quote(pending),
                    quote(wanted)
                )));
            }
            same = compared;
            if self.receiver.take(wanted.len())?.is_some() {
                return Ok(());
            }
            let received = self.receive();
            let pending = self.receiver.pending();
            let after = |what: &str| format!("{what} {}, wanted the bytes {}", quote(pending), quote(wanted));
            let late = || after("the deadline has passed after");
            if received.map_err(|failure| reworded(failure, late))? == 0 {
                return Err(Failure::connection_closed(after(
                    "the server closed the connection after",
                )));
            }
        }
    }

    /// Sends pieces in one go.
    pub(crate) fn send(&mut self, pieces: &[Piece]) -> Result<(), Failure> {
        let message = fragments(pieces, &self.matched);
        // What the settings alone come to was looked at before: here it is the server that said too much.
        if let Some(excess) = excess(&message, |name| self.transport.secret_length(name)) {
            return Err(Failure::too_large(format!("with what the server said, {excess}")));
        }
        self.transport.send(&message)
    }

    /// Refuses what the server has said in the clear and was not read when TLS is to begin: somebody in between
    /// may have put it there.
    pub(crate) fn require_silence(&self) -> Result<(), Failure> {
        if self.receiver.pending().is_empty() {
            return Ok(());
        }
        Err(Failure::unexpected_response(format!(
            "the server sends {} in the clear ahead of the TLS handshake",
            quote(self.receiver.pending())
        )))
    }

    /// Begins TLS.
    pub(crate) fn start_tls(&mut self) -> Result<TlsInfo, Failure> {
        self.transport.start_tls()
    }

    /// The next whole line; none at the end of the stream.
    fn next_line(&mut self, expect: &Expect, last: Option<&[u8]>) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(line) = self.receiver.line()? {
                return Ok(Some(line));
            }
            let received = self.receive();
            let said = last.or(Some(self.receiver.pending()).filter(|pending| !pending.is_empty()));
            let late = || {
                format!(
                    "the deadline has passed without a line that matches `{}`; {}",
                    expect.pattern,
                    last_words(said)
                )
            };
            if received.map_err(|failure| reworded(failure, late))? == 0 {
                return Ok(None);
            }
        }
    }

    /// Waits for bytes, and says how many came: none at the end of the stream.
    fn receive(&mut self) -> Result<usize, Failure> {
        if self.has_ended {
            return Ok(0);
        }
        let received = self.transport.receive()?;
        self.has_ended = received.is_empty();
        self.receiver.push(&received);
        Ok(received.len())
    }

    /// Reports the named groups of the match and the labels of the step, one measurement for all of them.
    fn report(&self, expect: &Expect) -> Result<(), Failure> {
        let labels: Vec<(&str, String)> = expect
            .labels
            .iter()
            .map(|(name, template)| (name.as_str(), template.fill(&self.matched)))
            .collect();
        let groups = expect
            .pattern
            .capture_names()
            .flatten()
            .filter(|name| !expect.labels.contains_key(*name))
            .filter_map(|name| Some((name, self.matched.get(name)?)));
        let attributes: Vec<(&str, &str)> = labels
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(groups)
            .collect();
        if attributes.is_empty() {
            return Ok(());
        }
        self.recorder.measure("tcp.capture", 1.0, "1", &attributes)
    }
}

/// Refuses a line that matches what it must not.
fn refuse_unwanted(expect: &Expect, line: &[u8]) -> Result<(), Failure> {
    match &expect.fail_if {
        Some(fail_if) if fail_if.is_match(&decoded(line)) => Err(expect.fail_as.failure(format!(
            "the server answers {}, which matches `{fail_if}`; wanted a match of `{}`",
            quote(line),
            expect.pattern
        ))),
        _ => Ok(()),
    }
}

fn too_many(expect: &Expect, count: u32, line: &[u8]) -> Failure {
    let (pattern, line) = (&expect.pattern, quote(line));
    Failure::assertion_failed(if count == 1 {
        format!("the server answers {line}, wanted a match of `{pattern}`")
    } else {
        format!("none of {count} lines matches `{pattern}`; the last is {line}")
    })
}

/// The deadline in these words: what was waited for and what had come by then. Any other failure as it is.
fn reworded(failure: Failure, late: impl FnOnce() -> String) -> Failure {
    match failure.reason() {
        Reason::Call(CallError::DeadlineExceeded) => Failure::new(failure.reason().clone(), late()),
        _ => failure,
    }
}

fn closed(expect: &Expect, last: Option<&[u8]>) -> Failure {
    Failure::connection_closed(format!(
        "the server closed the connection without a line that matches `{}`; {}",
        expect.pattern,
        last_words(last)
    ))
}

fn last_words(said: Option<&[u8]>) -> String {
    said.map_or_else(
        || "it said nothing".to_owned(),
        |said| format!("it said {} last", quote(said)),
    )
}
