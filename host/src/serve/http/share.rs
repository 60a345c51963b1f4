//! What long answers may take together, so that those who ask for them harm nobody else: processors while they are
//! written, and memory until they are read. What is written is for others.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::serve::aside::Aside;

/// How long an answer waits for its turn: within the usual timeout of a scrape, 10 s, so that it is read.
const TURN: Duration = Duration::from_secs(8);
/// How many bytes wait to be read at most, in all answers of a share: some of the longest, and hundreds of usual ones.
const UNREAD: usize = 64 * 1024 * 1024;

/// What the answers of a kind may take. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Share {
    turns: Arc<Semaphore>,
    unread: Arc<Semaphore>,
    size: usize,
    patience: Duration,
}

impl Share {
    /// So many are written at once.
    pub(super) fn new(at_once: usize) -> Self {
        Self::of(at_once, UNREAD, TURN)
    }

    pub(super) fn of(at_once: usize, size: usize, patience: Duration) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            unread: Arc::new(Semaphore::new(size)),
            size,
            patience,
        }
    }

    /// Until when an answer waits that is asked for at this moment.
    pub(super) fn patience_ends(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// The right to write, as long as this is held. None if it does not come in time.
    pub(super) async fn turn(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        // The semaphore is never closed.
        timeout_at(until, turn).await.ok()?.ok()
    }

    /// Memory for so many bytes, or all that there is where that is less: an answer that is longer has it for itself.
    /// None if it does not come in time.
    pub(super) async fn room(&self, bytes: usize, until: Instant) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.min(self.size)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.unread).acquire_many_owned(wanted);
        timeout_at(until, room).await.ok()?.ok()
    }

    /// Has an answer written by this, aside from whoever runs checks, and keeps it until it is read. None if its turn,
    /// or room for it, does not come in time, or the system has no thread to give.
    pub(super) async fn write<E: Send + 'static>(
        &self,
        write: impl FnOnce() -> Result<Vec<u8>, E> + Send + 'static,
    ) -> Option<Result<Bytes, E>> {
        let until = self.patience_ends();
        let turn = self.turn(until).await?;
        let (done, written) = oneshot::channel();
        // The turn goes with it: it is written to its end though whoever asked has gone away.
        Aside::start()
            .ok()?
            .runs(move || drop(done.send((write(), turn))));
        // A panic is told where panics are.
        let (written, _turn) = written.await.ok()?;
        match written {
            Ok(text) => {
                // The turn waits as well: nobody writes what there is no room for.
                let room = self.room(text.len(), until).await?;
                Some(Ok(keep(text, room)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// These bytes, which have this room until the last of them is read; what of it they do not need is free again.
pub(super) fn keep(bytes: Vec<u8>, mut room: OwnedSemaphorePermit) -> Bytes {
    let spare = room.num_permits().saturating_sub(bytes.len());
    drop(room.split(spare));
    Bytes::from_owner(Kept {
        bytes: bytes.into_boxed_slice(),
        _room: room,
    })
}

struct Kept {
    bytes: Box<[u8]>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long one waits for a turn here.
    const SHORT: Duration = Duration::from_millis(50);

    async fn written(share: &Share, bytes: usize) -> Option<Bytes> {
        let written = share.write(move || Ok::<_, ()>(vec![b'x'; bytes])).await;
        written.map(Result::unwrap)
    }

    #[tokio::test]
    async fn what_is_not_read_keeps_its_room() {
        let share = Share::of(1, 1_000, SHORT);
        let (first, second) = (written(&share, 400).await.unwrap(), written(&share, 600).await);
        assert!(written(&share, 1).await.is_none());
        // A part that is still to be written to a socket is enough.
        let part = first.slice(399..);
        drop(first);
        assert!(written(&share, 1).await.is_none());
        drop(part);
        assert_eq!(written(&share, 400).await.unwrap().len(), 400);
        drop(second);
        let longer = written(&share, 2_000).await.unwrap();
        assert_eq!(longer.len(), 2_000);
        assert!(written(&share, 1).await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_any_more_has_its_turn_until_it_is_written() {
        let share = Share::of(1, 1_000, SHORT);
        let (begun, begins) = std::sync::mpsc::channel();
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        let write = move || {
            begun.send(()).unwrap();
            let _ = waits.recv();
            Ok::<_, ()>(Vec::new())
        };
        let asking = tokio::spawn({
            let share = share.clone();
            async move { share.write(write).await }
        });
        tokio::task::spawn_blocking(move || begins.recv().unwrap())
            .await
            .unwrap();
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        assert!(written(&share, 1).await.is_none());
        drop(go_on);
        let turn = share.turn(Instant::now() + Duration::from_secs(20)).await;
        assert!(turn.is_some());
    }
}
