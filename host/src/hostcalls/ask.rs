//! Asking the world under the deadline, with a tape in between: what each kind of answer looks like there.
//!
//! Questions are pinned by whoever asks: each function that takes a future by value holds it twice, and what is asked
//! stands on the stack of a guest, of which there are thousands.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;

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

/// Asks for what a connection received.
pub(super) async fn ask_for_bytes(
    deadline: &Deadline,
    connection: u32,
    question: impl Future<Output = Result<Vec<u8>, Error>>,
) -> Asked<Vec<u8>> {
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
    taped(deadline, question, write, read).await
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
