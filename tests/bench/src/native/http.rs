//! The exchange of the check `http`.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;

use super::{Stream, receive, told};

/// Asks for `/` and receives the whole response.
pub(super) async fn fetch(mut stream: impl Stream, server: SocketAddr) -> Result<(), String> {
    stream.write_all(&request(server)).await.map_err(told)?;
    stream.flush().await.map_err(told)?;
    let mut received = Vec::new();
    let (head, length) = loop {
        receive(&mut stream, &mut received).await?;
        if let Some((size, status, length)) = parse(&received)? {
            if !(200..300).contains(&status) {
                return Err(format!("status {status}, expected 2xx"));
            }
            break (size, length);
        }
    };
    while received.len() < head + length {
        receive(&mut stream, &mut received).await?;
    }
    Ok(())
}

/// What the check sends, in its order.
fn request(server: SocketAddr) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "GET / HTTP/1.1\r\nhost: {server}\r\nuser-agent: bedcheck/{version}\r\naccept: */*\r\n\
         accept-encoding: gzip, deflate\r\nconnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// The size of the head, the status, and the length of the body, once the head is whole.
fn parse(received: &[u8]) -> Result<Option<(usize, u16, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(size) = response
        .parse(received)
        .map_err(|error| format!("the response is no HTTP: {error}"))?
    else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok())
        .ok_or("the response does not say how long it is")?;
    Ok(Some((size, response.code.unwrap_or_default(), length)))
}
