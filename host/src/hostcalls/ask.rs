//! Asking the world under the deadline, with a tape in between: what each kind of answer looks like there.
//!
//! Questions are pinned by whoever asks: each function that takes a future by value holds it twice, and what is asked
//! stands on the stack of a guest, of which there are thousands.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::connection::Error;
use crate::deadline::{Deadline, Exceeded};
use crate::tape::{Answer, Data};

type Asked<T> = Result<Result<T, Error>, Exceeded>;

/// Asks for something that can be written down as it is.
pub(super) async fn ask<T: Serialize + DeserializeOwned>(
    deadline: &Deadline,
    question: impl Future<Output = Result<T, Error>>,
) -> Asked<T> {
    let write = |value: &T| Answer::Ok(serde_json::to_value(value).unwrap_or(Value::Null));
    let read = |answer| match answer {
        Answer::Ok(value) => serde_json::from_value(value).ok(),
        _ => None,
    };
    taped(deadline, question, write, read).await
}

/// Asks for what a connection received, and whether that was not there yet when it was asked for.
pub(super) async fn ask_for_bytes(
    deadline: &Deadline,
    connection: u32,
    mut question: Pin<&mut impl Future<Output = Result<Vec<u8>, Error>>>,
) -> (Asked<Vec<u8>>, bool) {
    let write = |bytes: &Vec<u8>| {
        Answer::Received(Data {
            connection,
            bytes: bytes.clone(),
        })
    };
    let read = |answer| match answer {
        Answer::Received(data) => Some(data.bytes),
        _ => None,
    };
    let mut is_awaited = false;
    let watched = poll_fn(|context| {
        let polled = question.as_mut().poll(context);
        is_awaited |= polled.is_pending();
        polled
    });
    let asked = taped(deadline, watched, write, read).await;
    let is_awaited = deadline.tape().was_awaited(is_awaited);
    (asked, is_awaited)
}

/// Asks for a connection or a socket for datagrams. On the tape is its peer's address, from which it is made
/// again.
pub(super) async fn ask_for_peer<T>(
    deadline: &Deadline,
    question: impl Future<Output = Result<T, Error>>,
    peer: impl Fn(&T) -> SocketAddr,
    recorded: impl FnOnce(SocketAddr) -> T,
) -> Asked<T> {
    let write = |opened: &T| Answer::Ok(Value::from(peer(opened).to_string()));
    let read = |answer| match answer {
        Answer::Ok(peer) => Some(recorded(peer.as_str()?.parse().ok()?)),
        _ => None,
    };
    taped(deadline, question, write, read).await
}

async fn taped<T>(
    deadline: &Deadline,
    question: impl Future<Output = Result<T, Error>>,
    write: impl FnOnce(&T) -> Answer,
    read: impl FnOnce(Answer) -> Option<T>,
) -> Asked<T> {
    let write = |asked: &Asked<T>| match asked {
        Ok(Ok(value)) => write(value),
        Ok(Err(error)) => Answer::Err(serde_json::to_value(error).unwrap_or(Value::Null)),
        Err(Exceeded) => Answer::DeadlineExceeded,
    };
    let read = |answer| match answer {
        Answer::DeadlineExceeded => Some(Err(Exceeded)),
        Answer::Err(error) => Some(Ok(Err(serde_json::from_value(error).ok()?))),
        answer => Some(Ok(Ok(read(answer)?))),
    };
    let guarded = pin!(deadline.guard(question));
    deadline.tape().ask(guarded, write, read).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::tape::Tape;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Asks for bytes that are there, then for some that are not there yet: which of them were awaited.
    async fn awaited(tape: &Tape) -> [bool; 2] {
        let deadline = Deadline::new(Clock::live(), tape.clone(), HOUR, Duration::ZERO);
        let there = pin!(async { Ok(vec![1]) });
        let coming = pin!(async {
            tokio::task::yield_now().await;
            Ok(vec![2])
        });
        [
            ask_for_bytes(&deadline, 0, there).await.1,
            ask_for_bytes(&deadline, 0, coming).await.1,
        ]
    }

    #[tokio::test]
    async fn bytes_that_were_there_are_told_from_awaited_ones_and_a_recording_tells_them_too() {
        let tape = Tape::recording();
        assert_eq!(awaited(&Tape::none()).await, [false, true]);
        assert_eq!(awaited(&tape).await, [false, true]);
        assert_eq!(awaited(&Tape::playing(tape.take_entries())).await, [false, true]);
    }
}
