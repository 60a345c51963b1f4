//! An HTTP server that knows a few paths and answers at once. What clients send besides the path and whether to keep
//! the connection is not looked at.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::serve::Stream;

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// The largest body that can be asked for, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// The size of its head.
    size: usize,
    /// The size of the body it is answered with; `None` where there is no such thing.
    body: Option<usize>,
    /// Whether the connection is kept.
    is_kept: bool,
}

/// Answers requests until the client leaves or does not want the connection kept.
pub(super) async fn answer(mut stream: impl Stream) -> std::io::Result<()> {
    let mut received = Vec::with_capacity(1024);
    loop {
        let asked = match parse(&received) {
            Some(asked) => asked,
            None if received.len() > MAX_HEAD => return Ok(()),
            None if stream.read_buf(&mut received).await? == 0 => return Ok(()),
            None => continue,
        };
        received.drain(..asked.size);
        stream.write_all(&response(&asked)).await?;
        if !asked.is_kept {
            return stream.shutdown().await;
        }
    }
}

fn parse(received: &[u8]) -> Option<Asked> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(size) = request.parse(received).ok()? else {
        return None;
    };
    let path = request.path.unwrap_or_default();
    let body = match path.strip_prefix("/bytes/") {
        Some(number) => number.parse().ok().filter(|&size| size <= MAX_BODY),
        None => (path == "/").then_some(3),
    };
    let connection = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("connection"));
    let is_kept = match connection {
        Some(header) => header.value.eq_ignore_ascii_case(b"keep-alive"),
        None => request.version == Some(1),
    };
    Some(Asked { size, body, is_kept })
}

fn response(asked: &Asked) -> Vec<u8> {
    let (status, size) = match asked.body {
        Some(size) => ("200 OK", size),
        None => ("404 Not Found", 0),
    };
    let connection = if asked.is_kept { "keep-alive" } else { "close" };
    let mut response = format!(
        "HTTP/1.1 {status}\r\nServer: bench\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {size}\r\nConnection: {connection}\r\n\r\n"
    )
    .into_bytes();
    // `ok`, over and over: text that any check may look for.
    response.extend(b"ok\n".iter().cycle().take(size));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_connections_are_understood() {
        let asked = |request: &[u8]| parse(request).map(|asked| (asked.body, asked.is_kept));
        assert_eq!(asked(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Some((Some(3), true)));
        assert_eq!(
            asked(b"GET /bytes/9 HTTP/1.1\r\nconnection: close\r\n\r\n"),
            Some((Some(9), false))
        );
        assert_eq!(asked(b"GET /other HTTP/1.0\r\n\r\n"), Some((None, false)));
        assert_eq!(
            asked(b"GET /bytes/99999999999 HTTP/1.1\r\n\r\n"),
            Some((None, true))
        );
        assert_eq!(asked(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
    }

    #[test]
    fn a_response_has_the_body_it_says() {
        let asked = Asked {
            size: 0,
            body: Some(5),
            is_kept: false,
        };
        let response = String::from_utf8(response(&asked)).expect("text");
        assert!(response.contains("Content-Length: 5\r\n"));
        assert!(response.ends_with("\r\n\r\nok\nok"));
    }
}
