//! A long text as the body of an answer, in pieces: it is written as fast as it is read, so that memory holds a few
//! pieces of it and never all. What is written is for others.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};

use super::share::{Share, keep};
use crate::serve::aside::Aside;

/// How long a page may take, the wait for its turn and the reader's slowness included: as long as the longest timeout
/// of a scrape that makes sense.
const BOUND: Duration = Duration::from_secs(60);
/// Pieces that are written before they are read.
const AHEAD: usize = 4;

/// Up to this length a page is an answer of a known length: that of some two hundred checks, which every client can
/// read, and whose writing nobody holds up.
const WHOLE: usize = 4 * 1024 * 1024;

/// A part of a page.
enum Piece {
    Text(Bytes),
    End,
}

/// Begins a page that is written by this, compressed or not. None if its turn, or room for it, did not come in time, or
/// the system has no thread to give.
pub(super) async fn begin(
    pages: &Share,
    is_gzip: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Option<Body> {
    begin_within(BOUND, pages, is_gzip, write).await
}

async fn begin_within(
    bound: Duration,
    pages: &Share,
    is_gzip: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Option<Body> {
    let (until, patience_ends) = (Instant::now() + bound, pages.patience_ends());
    let turn = pages.turn(patience_ends).await?;
    let room = pages.room(WHOLE, patience_ends).await?;
    let (pieces, mut written) = mpsc::channel(AHEAD);
    let mut reader = Reader {
        pieces,
        until,
        runtime: Handle::current(),
    };
    // Nobody waits for it: it ends with its reader, and within the bound.
    Aside::start().ok()?.runs(move || {
        let _turn = turn;
        let result = if is_gzip {
            compressed(&mut reader, write)
        } else {
            write(&mut reader)
        };
        // Without the end the page is cut off, and whoever still reads sees that.
        if result.is_ok() {
            let _ = reader.send(Piece::End);
        }
    });
    let mut whole = Vec::new();
    while whole.len() < WHOLE {
        match written.recv().await {
            Some(Piece::Text(text)) => whole.extend_from_slice(&text),
            Some(Piece::End) => return Some(Body::from(keep(whole, room))),
            None => break,
        }
    }
    Some(rest(whole, written, room))
}

/// What there is, and what comes; an error where the end does not. It has its room to the end.
fn rest(whole: Vec<u8>, written: mpsc::Receiver<Piece>, room: OwnedSemaphorePermit) -> Body {
    let coming = stream::unfold(Some((written, room)), async |coming| {
        let (mut written, room) = coming?;
        match written.recv().await {
            Some(Piece::Text(text)) => Some((Ok(text), Some((written, room)))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::from(io::ErrorKind::UnexpectedEof)), None)),
        }
    });
    Body::from_stream(stream::iter([Ok(Bytes::from(whole))]).chain(coming))
}

fn compressed(reader: &mut Reader, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // The encoder gives away small pieces.
    let mut encoder = GzEncoder::new(
        io::BufWriter::with_capacity(32 * 1024, reader),
        Compression::fast(),
    );
    write(&mut encoder)?;
    encoder.finish()?.flush()
}

/// Whoever reads the page.
struct Reader {
    pieces: mpsc::Sender<Piece>,
    until: Instant,
    runtime: Handle,
}

impl Reader {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let sending = async { timeout_at(self.until, self.pieces.send(piece)).await };
        let sent = self.runtime.block_on(sending);
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Reader {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.send(Piece::Text(Bytes::copy_from_slice(piece)))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a page may take here, and how long one waits for its turn.
    const SHORT: Duration = Duration::from_millis(100);

    fn one_at_a_time() -> Share {
        Share::of(1, 2 * WHOLE, SHORT)
    }

    async fn begun(bound: Duration, pages: &Share, pieces: usize) -> Option<Body> {
        let write =
            move |writer: &mut dyn Write| (0..pieces).try_for_each(|_| writer.write_all(&[b'x'; 64 * 1024]));
        begin_within(bound, pages, false, write).await
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_gives_its_turn_back_in_the_end() {
        let pages = one_at_a_time();
        let slow = begun(10 * SHORT, &pages, 2_000).await.unwrap();
        assert!(begun(BOUND, &pages, 1).await.is_none());
        assert!(pages.turn(Instant::now() + BOUND).await.is_some());
        let pieces: Vec<_> = slow.into_data_stream().collect().await;
        assert!(pieces.last().unwrap().is_err(), "{}", pieces.len());
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_ends_the_page() {
        let pages = one_at_a_time();
        drop(begun(BOUND, &pages, 100_000).await.unwrap());
        let next = begin(&pages, false, |writer| writer.write_all(&[b'x'; 3 * 1024]));
        let next = next.await.unwrap();
        let read: Vec<_> = next.into_data_stream().collect().await;
        let length: usize = read.into_iter().map(|piece| piece.unwrap().len()).sum();
        assert_eq!(length, 3 * 1024);
    }

    #[tokio::test]
    async fn pages_that_are_not_read_leave_room_for_so_many_and_no_more() {
        // There is always a turn.
        let pages = Share::of(4, 2 * WHOLE, SHORT);
        let small = async || begun(BOUND, &pages, 1).await;
        // A page has room for a whole one while it is written, and then what it takes.
        let large = async || begun(BOUND, &pages, 48).await;
        let unread = [large().await.unwrap(), large().await.unwrap()];
        assert!(small().await.is_none());
        drop(unread);
        assert!(small().await.is_some());
        // So has one that is longer, to its end.
        let long = begun(BOUND, &pages, 100).await.unwrap();
        let mut long = long.into_data_stream();
        let first = long.next().await.unwrap().unwrap();
        assert!(first.len() >= WHOLE);
        drop(first);
        let read: Vec<_> = long.by_ref().take(100 - 64 - 1).collect().await;
        assert!(read.iter().all(Result::is_ok));
        let unread = small().await.unwrap();
        assert!(small().await.is_none());
        drop((long, unread));
        assert!(small().await.is_some());
    }
}
