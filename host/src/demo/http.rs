//! A small HTTP/1.1 server: one response per connection, to any method (RFC 9112). `/` is a page,
//! `/health` tells in JSON that the service is up, `/moved` leads to `/`.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::endpoint::finish;

/// The most bytes a request's head may have; common servers take 8 KiB.
pub(crate) const MAX_HEAD: usize = 8 * 1024;
/// What `/health` answers.
pub(crate) const HEALTH: &str = "{\"status\":\"up\"}";
const PAGE: &str =
    "<!DOCTYPE html>\n<title>bedcheck demo</title>\n<p>Everybody is where they should be.</p>\n";

/// How a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// Every path answers as it should.
    Healthy,
    /// Every path answers 503.
    Unavailable,
}

/// Serves one connection, over TLS with an acceptor.
///
/// # Errors
/// When TLS or the network fails, or the client goes before its request is whole.
pub(crate) async fn serve(stream: TcpStream, site: Site, tls: Option<TlsAcceptor>) -> io::Result<()> {
    match tls {
        Some(acceptor) => exchange(acceptor.accept(stream).await?, site).await,
        None => exchange(stream, site).await,
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, site: Site) -> io::Result<()> {
    let head = read_head(&mut stream).await?;
    // The response does not depend on the request's content, which `finish` reads away.
    stream.write_all(&respond(&head, site)).await?;
    finish(&mut stream).await
}

/// Reads up to the empty line after a request's head, and maybe beyond. A head that is too long comes
/// back without that line.
///
/// # Errors
/// When the network fails or the client goes before that line.
pub(crate) async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !is_whole(&head) && head.len() <= MAX_HEAD {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|window| window == b"\r\n\r\n")
}

/// The response to a request's head, in bytes.
fn respond(head: &[u8], site: Site) -> Vec<u8> {
    let Some((method, path)) = request_line(head) else {
        return response(
            "GET",
            "400 Bad Request",
            "text/plain",
            "",
            "this is no HTTP/1.1 request\n",
        );
    };
    if site == Site::Unavailable {
        let text = "the database does not answer\n";
        return response(
            method,
            "503 Service Unavailable",
            "text/plain",
            "Retry-After: 30\r\n",
            text,
        );
    }
    match path {
        "/" => response(method, "200 OK", "text/html; charset=utf-8", "", PAGE),
        "/health" => response(method, "200 OK", "application/json", "", HEALTH),
        "/moved" => response(
            method,
            "301 Moved Permanently",
            "text/plain",
            "Location: /\r\n",
            "it is at /\n",
        ),
        _ => response(
            method,
            "404 Not Found",
            "text/plain",
            "",
            "there is no such page\n",
        ),
    }
}

/// Method and path (without the query) of a whole head.
fn request_line(head: &[u8]) -> Option<(&str, &str)> {
    if !is_whole(head) {
        return None;
    }
    let line = head.split(|&byte| byte == b'\r').next()?;
    let mut words = str::from_utf8(line).ok()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_http1 = matches!(version, "HTTP/1.0" | "HTTP/1.1") && words.next().is_none();
    let path = target.split('?').next()?;
    (is_http1 && !method.is_empty() && path.starts_with('/')).then_some((method, path))
}

fn response(method: &str, status: &str, content_type: &str, fields: &str, content: &str) -> Vec<u8> {
    // RFC 9110 section 9.3.2: HEAD has the fields of GET and no content.
    let sent = if method == "HEAD" { "" } else { content };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{fields}Connection: close\r\n\r\n{sent}",
        content.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    fn status_and_content(request: &str, site: Site) -> (String, String) {
        let response = String::from_utf8(respond(request.as_bytes(), site)).unwrap();
        let (head, content) = response.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), content.to_owned())
    }

    #[test]
    fn paths_answer_as_they_should() {
        let cases = [
            (
                "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
                "HTTP/1.1 200 OK",
                HEALTH,
            ),
            (
                "POST /health?deep=1 HTTP/1.1\r\n\r\nbody",
                "HTTP/1.1 200 OK",
                HEALTH,
            ),
            ("FROB / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK", PAGE),
            ("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK", ""),
            (
                "GET /moved HTTP/1.1\r\n\r\n",
                "HTTP/1.1 301 Moved Permanently",
                "it is at /\n",
            ),
            (
                "GET /other HTTP/1.1\r\n\r\n",
                "HTTP/1.1 404 Not Found",
                "there is no such page\n",
            ),
        ];
        for (request, status, content) in cases {
            let wanted = (status.to_owned(), content.to_owned());
            assert_eq!(status_and_content(request, Site::Healthy), wanted, "{request}");
        }
    }

    #[test]
    fn what_is_no_request_is_a_bad_one() {
        for request in [
            "GET / HTTP/1.1\r\n",
            "\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "GET x HTTP/1.1\r\n\r\n",
        ] {
            let (status, _) = status_and_content(request, Site::Healthy);
            assert_eq!(status, "HTTP/1.1 400 Bad Request", "{request:?}");
        }
    }

    #[test]
    fn an_unavailable_site_is_so_on_every_path() {
        for path in ["/", "/health", "/moved", "/other"] {
            let (status, _) = status_and_content(&format!("GET {path} HTTP/1.1\r\n\r\n"), Site::Unavailable);
            assert_eq!(status, "HTTP/1.1 503 Service Unavailable", "{path}");
        }
    }

    #[test]
    fn heads_say_how_long_the_content_is_and_where_it_has_gone() {
        let text = String::from_utf8(respond(b"HEAD /moved HTTP/1.1\r\n\r\n", Site::Healthy)).unwrap();
        for field in [
            "\r\nLocation: /\r\n",
            "\r\nContent-Length: 11\r\n",
            "\r\nConnection: close\r\n",
        ] {
            assert!(text.contains(field), "no {field:?} in {text:?}");
        }
    }

    #[tokio::test]
    async fn the_content_of_a_request_is_read_away() {
        let (mut client, server) = duplex(64);
        let exchange = exchange(server, Site::Healthy);
        let ask = async {
            client
                .write_all(b"POST /health HTTP/1.1\r\nContent-Length: 4096\r\n\r\n")
                .await
                .unwrap();
            let mut head = [0; 15];
            client.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"HTTP/1.1 200 OK");
            let mut rest = String::new();
            client.read_to_string(&mut rest).await.unwrap();
            assert!(rest.ends_with(HEALTH), "{rest}");
            client.write_all(&[b'x'; 4096]).await.unwrap();
            drop(client);
        };
        tokio::join!(exchange, ask).0.unwrap();
    }

    #[tokio::test]
    async fn heads_are_bounded_and_must_be_whole() {
        let endless = vec![b'x'; 2 * MAX_HEAD];
        let head = read_head(&mut &endless[..]).await.unwrap();
        assert!(head.len() > MAX_HEAD && request_line(&head).is_none());
        let error = read_head(&mut &b"GET / HTTP/1.1\r\n"[..]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
