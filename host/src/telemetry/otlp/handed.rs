//! How much of a request was handed over to its connection: nothing, a part, or the whole. Until the whole was, no
//! collector can have understood it; from then on it may have, even if no answer comes. The requests themselves are made
//! elsewhere.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::answer::Arrived;

/// How much of a body is handed over at a time: a connection takes the next piece when the one before is written, so
/// that a peer which reads nothing leaves the end of a larger request with us.
const PIECE: usize = 64 * 1024;

/// How much of a request was handed over. Clones tell of the same request.
#[derive(Debug, Clone, Default)]
pub(super) struct Handed(Arc<AtomicU8>);

impl Handed {
    const PART: u8 = 1;
    const WHOLE: u8 = 2;

    /// How much was.
    pub(super) fn sent(&self) -> Arrived {
        match self.0.load(Ordering::Acquire) {
            0 => Arrived::Nothing,
            Self::PART => Arrived::Part,
            _ => Arrived::Whole,
        }
    }

    /// The body, which tells it when its first piece and its end are taken.
    pub(super) fn watch<B>(&self, body: B) -> Watched<B> {
        Watched {
            body,
            handed: self.clone(),
        }
    }
}

/// A body of which it is noticed how much is taken.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    handed: Handed,
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // Some bodies know that a frame was the last one, others are asked for another.
        let handed = match &frame {
            Poll::Ready(None) => Handed::WHOLE,
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => Handed::WHOLE,
            Poll::Ready(Some(Ok(_))) => Handed::PART,
            Poll::Ready(Some(Err(_))) | Poll::Pending => return frame,
        };
        self.handed.0.fetch_max(handed, Ordering::AcqRel);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes as a body, in pieces.
#[derive(Debug)]
pub(super) struct Pieces(Bytes);

impl Pieces {
    /// These bytes.
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.0.len().min(PIECE);
        let piece = self.0.split_to(length);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_request_is_handed_over_when_its_last_piece_is_taken() {
        let bytes: Bytes = (0..=u8::MAX).cycle().take(2 * PIECE + 1).collect();
        let handed = Handed::default();
        let mut body = handed.watch(Pieces::new(bytes.clone()));
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let mut taken = Vec::new();
        let mut said = Vec::new();
        while !body.is_end_stream() {
            said.push(handed.sent());
            taken.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        assert_eq!(said, [Arrived::Nothing, Arrived::Part, Arrived::Part]);
        assert_eq!(handed.sent(), Arrived::Whole);
        assert_eq!(taken, bytes);
    }
}
