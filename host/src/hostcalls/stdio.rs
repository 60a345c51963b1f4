//! What a guest prints: the beginning is kept for the report's log and the end for what it says of its own end; of the
//! rest the lines are counted.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamResult};

/// How much of the beginning of each stream is kept, and how much of its end, in bytes: a panic message and some lines
/// around it.
const KEPT: usize = 4096;
/// What the line that begins a panic message of Rust's has in it.
const PANICKED: &str = " panicked at ";

/// A stream a guest prints to. Clones are the same stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Printed(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    beginning: Vec<u8>,
    /// At least the last [`KEPT`] bytes of what came after the beginning, if there are as many.
    end: Vec<u8>,
    /// Whether the last line of the beginning goes on after it.
    is_cut: bool,
    /// Lines of which nothing is in the beginning.
    dropped: u64,
    /// Whether something came after the beginning since its line, or the last one after it, began.
    is_in_line: bool,
}

impl Printed {
    /// The lines of the beginning without empty ones, and how many came after them.
    pub(super) fn lines(&self) -> (Vec<String>, u64) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = String::from_utf8_lossy(&kept.beginning)
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(last) = lines.last_mut().filter(|_| kept.is_cut) {
            last.push('…');
        }
        (lines, kept.dropped)
    }

    /// What it said last: of a panic in Rust, its place and message; otherwise the last two lines.
    pub(super) fn last_words(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = [kept.beginning.as_slice(), &kept.end].concat();
        let all = String::from_utf8_lossy(&all);
        let said: Vec<&str> = all
            .lines()
            // The runtime's hints.
            .filter(|line| !line.is_empty() && !line.starts_with("note: "))
            .collect();
        let from = said
            .iter()
            .rposition(|line| line.contains(PANICKED))
            .unwrap_or(said.len().saturating_sub(2));
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
        let last = &bytes[bytes.len().saturating_sub(KEPT)..];
        // Twice as much as is needed, so that not every byte moves all of them.
        if self.end.len() + last.len() > 2 * KEPT {
            let superfluous = (self.end.len() + last.len())
                .saturating_sub(KEPT)
                .min(self.end.len());
            self.end.drain(..superfluous);
        }
        self.end.extend_from_slice(last);
    }
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
        let (lines, dropped) = all.lines();
        assert_eq!((lines.len(), dropped), (5, 5));
        assert_eq!(lines[3].len(), 999);
        assert_eq!(lines[4], format!("{}…", "x".repeat(96)));
        let whole = printed(&[&"y".repeat(KEPT), "\n", "\n", "more", " of it\n", "last"]);
        let (lines, dropped) = whole.lines();
        assert_eq!((lines, dropped), (vec!["y".repeat(KEPT)], 2));
    }

    #[test]
    fn a_panic_is_quoted_whole_whatever_was_printed_before() {
        let panic = "\nthread 'main' panicked at src/lib.rs:1:2:\nassertion failed: the tag\n  left: 3\n right: 4\n\
                     note: run with a backtrace\n";
        let told = "thread 'main' panicked at src/lib.rs:1:2: assertion failed: the tag   left: 3  right: 4";
        let noise = "debugging\n".repeat(KEPT);
        for before in ["", "warm\n", &noise] {
            assert_eq!(printed(&[before, panic]).last_words().as_deref(), Some(told));
        }
        let bytewise: Vec<String> = (noise + panic).chars().map(String::from).collect();
        let bytewise: Vec<&str> = bytewise.iter().map(String::as_str).collect();
        assert_eq!(printed(&bytewise).last_words().as_deref(), Some(told));
        assert_eq!(
            printed(&["one\ntwo\nthree\n"]).last_words().as_deref(),
            Some("two three")
        );
        assert_eq!(printed(&[]).last_words(), None);
    }
}
