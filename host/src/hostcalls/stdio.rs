//! What a guest prints: the beginning is kept for the report's log and the end for what it says of its own end; of the
//! rest the lines are counted. Secrets are struck out of each as a whole: they may have several lines, and may have come
//! in several writes.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamResult};

use crate::redactor::Redactor;

/// How much of the beginning of each stream is kept, in bytes: some lines.
const KEPT: usize = 4096;
/// How much of its end, in bytes: a panic message and some lines around it, behind what is left out because a secret
/// may have been cut there.
const KEPT_END: usize = 16 * 1024;
/// What the line that begins a panic message of Rust's has in it.
const PANICKED: &str = " panicked at ";
/// What an interpreter's panic message says of an exception that nobody caught: what that was is in the line before.
const UNCAUGHT: &str = "unexpected exception";

/// A stream a guest prints to. Clones are the same stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Printed(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    beginning: Vec<u8>,
    /// The last [`KEPT_END`] bytes of what came after the beginning.
    end: VecDeque<u8>,
    /// Whether something between the two was not kept.
    is_torn: bool,
    /// Whether the last line of the beginning goes on after it.
    is_cut: bool,
    /// Lines of which nothing is in the beginning.
    dropped: u64,
    /// Whether something came after the beginning since its line, or the last one after it, began.
    is_in_line: bool,
}

impl Printed {
    /// The lines of the beginning without empty ones and without secrets, and how many came after them.
    pub(super) fn lines(&self, redactor: &Redactor) -> (Vec<String>, u64) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = redactor
            .redact(&text(&kept.beginning))
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(last) = lines.last_mut().filter(|_| kept.is_cut) {
            last.push('…');
        }
        (lines, kept.dropped)
    }

    /// What it said last, without secrets: of a panic in Rust, its place and message, behind the exception that it came
    /// from if there is one; otherwise the last two lines.
    pub(super) fn last_words(&self, redactor: &Redactor) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = kept.without_secrets(redactor);
        let said: Vec<&str> = all
            .lines()
            // The runtime's hints.
            .filter(|line| !line.is_empty() && !line.starts_with("note: "))
            .collect();
        let panicked = said.iter().rposition(|line| line.contains(PANICKED));
        let from = match panicked {
            Some(at) if said[at..].iter().any(|line| line.contains(UNCAUGHT)) => at.saturating_sub(1),
            Some(at) => at,
            None => said.len().saturating_sub(2),
        };
        (!said.is_empty()).then(|| said[from..].join(" "))
    }

    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(kept.beginning.len()).min(bytes.len());
        let (beginning, rest) = bytes.split_at(room);
        kept.beginning.extend_from_slice(beginning);
        kept.keep_end(rest);
    }
}

impl Kept {
    /// All that was kept as a text.
    fn without_secrets(&self, redactor: &Redactor) -> String {
        let (first, second) = self.end.as_slices();
        if !self.is_torn {
            let all = [&self.beginning, first, second].concat();
            return redactor.redact(&text(&all)).into_owned();
        }
        let end = [first, second].concat();
        let beginning = text(&self.beginning);
        format!(
            "{}…\n{}",
            redactor.redact(&beginning),
            redactor.redact_behind_cut(&text(&end))
        )
    }

    fn keep_end(&mut self, bytes: &[u8]) {
        let Some(first) = bytes.first() else { return };
        if self.end.is_empty() && !self.beginning.ends_with(b"\n") {
            self.is_in_line = true;
            self.is_cut = *first != b'\n';
        }
        for (nth, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
            self.is_in_line &= nth == 0;
            if !part.is_empty() && !self.is_in_line {
                self.is_in_line = true;
                self.dropped += 1;
            }
        }
        let last = &bytes[bytes.len().saturating_sub(KEPT_END)..];
        let superfluous = (self.end.len() + last.len()).saturating_sub(KEPT_END);
        self.is_torn |= superfluous > 0 || last.len() < bytes.len();
        self.end.drain(..superfluous);
        self.end.extend(last);
    }
}

/// What was printed as a text, without a character at its end of which only a part is there: it would hide that a
/// secret was cut off in it.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let is_part = |length: &usize| {
        let last = bytes.len().checked_sub(*length).map(|from| &bytes[from..]);
        let error = last.and_then(|last| str::from_utf8(last).err());
        error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    let part = (1..=3).find(is_part).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..bytes.len() - part])
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.keep(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for Printed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.keep(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN KEY-----\nMIIEvQIBADAN\n47+11/Zq\n-----END KEY-----";

    fn last_words(pieces: &[&str]) -> Option<String> {
        printed(pieces).last_words(&Redactor::default())
    }

    fn printed(pieces: &[&str]) -> Printed {
        let printed = Printed::default();
        for piece in pieces {
            printed.keep(piece.as_bytes());
        }
        printed
    }

    #[test]
    fn lines_after_the_beginning_are_counted_and_the_one_across_is_marked() {
        let line = format!("{}\n", "x".repeat(999));
        let all = printed(&[line.as_str(); 10]);
        let (lines, dropped) = all.lines(&Redactor::default());
        assert_eq!((lines.len(), dropped), (5, 5));
        assert_eq!(lines[3].len(), 999);
        assert_eq!(lines[4], format!("{}…", "x".repeat(96)));
        let whole = printed(&[&"y".repeat(KEPT), "\n", "\n", "more", " of it\n", "last"]);
        let (lines, dropped) = whole.lines(&Redactor::default());
        assert_eq!((lines, dropped), (vec!["y".repeat(KEPT)], 2));
    }

    #[test]
    fn a_panic_is_quoted_whole_whatever_was_printed_before() {
        let panic = "\nthread 'main' panicked at src/lib.rs:1:2:\nassertion failed: the tag\n  left: 3\n right: 4\n\
                     note: run with a backtrace\n";
        let told = "thread 'main' panicked at src/lib.rs:1:2: assertion failed: the tag   left: 3  right: 4";
        let noise = "debugging\n".repeat(KEPT);
        for before in ["", "warm\n", &noise] {
            assert_eq!(last_words(&[before, panic]).as_deref(), Some(told));
        }
        let bytewise: Vec<String> = (noise + panic).chars().map(String::from).collect();
        let bytewise: Vec<&str> = bytewise.iter().map(String::as_str).collect();
        assert_eq!(last_words(&bytewise).as_deref(), Some(told));
        assert_eq!(last_words(&["one\ntwo\nthree\n"]).as_deref(), Some("two three"));
        assert_eq!(last_words(&[]), None);
    }

    #[test]
    fn an_exception_that_nobody_caught_is_quoted_before_the_panic_that_it_ended_in() {
        let printed = "Traceback (most recent call last):\n  File \"check.py\", line 3\nMemoryError: 80 MB\n\n\
                       thread '<unnamed>' panicked at runtime/src/lib.rs:1280:25:\n\
                       Python function threw an unexpected exception\n";
        let told = "MemoryError: 80 MB thread '<unnamed>' panicked at runtime/src/lib.rs:1280:25: \
                    Python function threw an unexpected exception";
        assert_eq!(last_words(&[printed]).as_deref(), Some(told));
    }

    #[test]
    fn a_secret_of_several_lines_is_struck_out_however_it_was_written() {
        let redactor = Redactor::new([KEY.as_bytes()]);
        let whole = format!("the key is\n{KEY}\nof the check\n");
        let bytewise: Vec<String> = whole.chars().map(String::from).collect();
        let bytewise: Vec<&str> = bytewise.iter().map(String::as_str).collect();
        for pieces in [&[whole.as_str()][..], &bytewise] {
            let printed = printed(pieces);
            assert_eq!(
                printed.lines(&redactor).0,
                ["the key is", "[redacted]", "of the check"]
            );
            assert_eq!(
                printed.last_words(&redactor).as_deref(),
                Some("[redacted] of the check")
            );
        }
    }

    #[test]
    fn a_secret_across_a_cut_is_struck_out_on_both_sides() {
        let redactor = Redactor::new([KEY.as_bytes()]);
        let escaped = KEY.escape_unicode().to_string();
        // So long are three bytes of it, which are struck out.
        for (written, struck_out) in [(KEY, 3), (escaped.as_str(), 18)] {
            for before in 0..written.len() {
                // The one cut is behind `before` bytes of the first, the other so many before the end of the second.
                let beginning = "x".repeat(KEPT - before);
                let end = "y".repeat(KEPT_END - before);
                let all = printed(&[&beginning, written, "\n", "flood\n", written, &end]);
                let lines = all.lines(&redactor).0.join("\n");
                let said = all.last_words(&redactor).unwrap_or_default();
                for shown in [&lines, &said] {
                    let left = shown.replace(['x', 'y', '…', ' '], "").replace("[redacted]", "");
                    assert!(left.len() < struck_out, "{before}: {left}");
                }
            }
        }
    }

    #[test]
    fn a_secret_that_is_cut_in_the_middle_of_a_character_is_struck_out() {
        let redactor = Redactor::new(["öäöäöäöä".as_bytes()]);
        let printed = printed(&[&"x".repeat(KEPT - 5), "öäöäöäöä and so on"]);
        let last = printed.lines(&redactor).0.concat();
        assert!(last.ends_with("x[redacted]…"), "{last}");
    }
}
