//! Servers that are sick in ways a timeout per read, or a look at the open port, does not find. Those
//! that only differ from healthy ones by their account, certificate or status are made from `imap` and
//! `http`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time;

use super::endpoint::{discard, finish};
use super::http::{HEALTH, read_head};

/// The time from one dripped byte to the next.
const DRIP: Duration = Duration::from_secs(1);
/// The dripped content's length in bytes, which is as many seconds: longer than any deadline one would
/// try the demo with.
const DRIPPED: usize = 600;

/// Says nothing, and reads until the client has had enough.
///
/// # Errors
/// When the network fails.
pub(crate) async fn silent<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<()> {
    discard(&mut stream).await
}

/// Greets as an IMAP server does, and says nothing after that. The greeting has no capabilities, so
/// that the client has something to wait for before it logs in.
///
/// # Errors
/// When the network fails.
pub(crate) async fn hangs_after_banner<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.write_all(b"* OK bedcheck demo server ready\r\n").await?;
    discard(&mut stream).await
}

/// Answers a request with the head of a healthy response at once, and with its content one byte a
/// second: no wait for the next byte is ever long.
///
/// # Errors
/// When the network fails or the client goes.
pub(crate) async fn drips<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<()> {
    drips_every(DRIP, stream).await
}

async fn drips_every<S: AsyncRead + AsyncWrite + Unpin>(pause: Duration, mut stream: S) -> io::Result<()> {
    read_head(&mut stream).await?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {DRIPPED}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    // White space at the end is part of no JSON value, so the content is a right one in the end.
    for byte in format!("{HEALTH:DRIPPED$}").bytes() {
        time::sleep(pause).await;
        stream.write_all(&[byte]).await?;
        stream.flush().await?;
    }
    finish(&mut stream).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::demo::raw::read_until;

    #[tokio::test]
    async fn silence_lasts_until_the_client_goes() {
        let (mut client, server) = duplex(64);
        let server = tokio::spawn(silent(server));
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"");
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_banner_is_all_there_is() {
        let (mut client, server) = duplex(64);
        let server = tokio::spawn(hangs_after_banner(server));
        client.write_all(b"a CAPABILITY\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "* OK bedcheck demo server ready\r\n");
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_head_comes_at_once_and_the_content_byte_by_byte() {
        const PAUSE: Duration = Duration::from_millis(1);
        let (mut client, server) = duplex(4096);
        let start = Instant::now();
        let server = tokio::spawn(drips_every(PAUSE, server));
        client.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
        let head = read_until(&mut client, b"\r\n\r\n").await;
        assert!(head.contains("\r\nContent-Length: 600\r\n"), "{head}");
        let mut content = Vec::new();
        for bytes in 1..=DRIPPED {
            content.push(client.read_u8().await.unwrap());
            assert!(start.elapsed() >= PAUSE * u32::try_from(bytes).unwrap());
        }
        assert_eq!(String::from_utf8(content).unwrap().trim_end(), HEALTH);
        drop(client);
        server.await.unwrap().unwrap();
    }
}
