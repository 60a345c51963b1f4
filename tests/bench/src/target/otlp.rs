//! A collector that takes everything: every request is read to its end, counted and answered with an empty message,
//! which says in OTLP that all of it was accepted. What it says is not looked at. Only OTLP over HTTP.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::serve::Stream;

/// The path that tells what was counted.
pub(super) const COUNTS: &str = "/counts";
/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How many requests the HTTP server has answered.
pub(super) static EXCHANGES: AtomicU64 = AtomicU64::new(0);
static EXPORTS: AtomicU64 = AtomicU64::new(0);
static EXPORTED: AtomicU64 = AtomicU64::new(0);

/// What the servers have done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests that the HTTP server answered, plain or over TLS.
    pub exchanges: u64,
    /// Exports that the collector took.
    pub exports: u64,
    /// How many bytes these had.
    pub exported: u64,
}

/// Takes requests until the client leaves.
pub(super) async fn receive(mut stream: impl Stream) -> std::io::Result<()> {
    let mut received = Vec::with_capacity(64 * 1024);
    loop {
        let Some(head) = parse(&received) else {
            if received.len() > MAX_HEAD || stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            continue;
        };
        while received.len() < head.size + head.length {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
        }
        received.drain(..head.size + head.length);
        let body = if head.asks_counts {
            serde_json::to_string(&counts())?
        } else {
            EXPORTS.fetch_add(1, Ordering::Relaxed);
            EXPORTED.fetch_add(head.length as u64, Ordering::Relaxed);
            String::new()
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await?;
        if head.asks_counts {
            return stream.shutdown().await;
        }
    }
}

fn counts() -> Counts {
    Counts {
        exchanges: EXCHANGES.load(Ordering::Relaxed),
        exports: EXPORTS.load(Ordering::Relaxed),
        exported: EXPORTED.load(Ordering::Relaxed),
    }
}

/// What needs to be known of a request.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    size: usize,
    length: usize,
    asks_counts: bool,
}

fn parse(received: &[u8]) -> Option<Head> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = request.parse(received).ok()? else {
        return None;
    };
    let length = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
    Some(Head {
        size,
        length: length.unwrap_or(0),
        asks_counts: request.path == Some(COUNTS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_where_its_head_says() {
        let head = |request: &[u8]| parse(request).map(|head| (head.length, head.asks_counts));
        let export = b"POST /v1/traces HTTP/1.1\r\ncontent-length: 12\r\n\r\nabc";
        assert_eq!(head(export), Some((12, false)));
        assert_eq!(head(b"GET /counts HTTP/1.1\r\nHost: a\r\n\r\n"), Some((0, true)));
        assert_eq!(head(b"POST /v1/traces HTTP/1.1\r\ncontent-length: 12\r\n"), None);
    }
}
