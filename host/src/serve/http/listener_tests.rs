//! Tests of the bounds of connections: slow and large requests, too many, TLS, the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::tests::client::{PATIENCE, Server, exchange};
use super::{Bounds, Listener, StartError, TlsError};
use crate::config::{Http, HttpTls};

fn router() -> Router {
    Router::new().route("/", get(async || "here"))
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn a_client_that_never_finishes_its_head_is_dropped_and_the_others_are_served() {
    let bounds = Bounds {
        head_time: Duration::from_millis(300),
        connections: 4,
        ..Bounds::default()
    };
    let server = Server::start(router(), bounds).await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-")
            .await
            .unwrap();
        slow.push(stream);
    }
    // All places are taken: this one waits until a slow one has used up its time.
    assert_eq!(server.get("/").await.body, "here");
    for stream in &mut slow {
        assert!(is_closed(stream).await);
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(router(), Bounds::default()).await;
    let large = "x".repeat(64 * 1024);
    let answer = server.request("GET", "/", &[("x-large", &large)], "").await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn a_connection_that_is_used_again_and_again_comes_to_its_end() {
    let bounds = Bounds {
        life: Duration::from_millis(200),
        ..Bounds::default()
    };
    let server = Server::start(router(), bounds).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn the_end_waits_for_an_answer_under_way_and_not_for_idle_connections() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let slow = get(async move || {
        tell.notify_one();
        wait.notified().await;
        "done"
    });
    let server = Server::start(router().route("/slow", slow), Bounds::default()).await;
    let mut idle = server.connect().await;
    let stream = server.connect().await;
    let answer = tokio::spawn(exchange(stream, "GET", "/slow", &[], ""));
    begun.notified().await;
    server.begin_to_stop(PATIENCE);
    assert!(is_closed(&mut idle).await);
    go_on.notify_one();
    assert_eq!(answer.await.unwrap().body, "done");
    assert!(server.stop(PATIENCE).await < PATIENCE / 2);
}

#[tokio::test]
async fn the_end_comes_in_its_time_whatever_is_under_way() {
    let begun = Arc::new(Notify::new());
    let tell = Arc::clone(&begun);
    let stuck = get(async move || {
        tell.notify_one();
        std::future::pending::<()>().await;
    });
    let server = Server::start(router().route("/stuck", stuck), Bounds::default()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    begun.notified().await;
    assert!(server.stop(Duration::from_millis(50)).await < PATIENCE / 2);
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let server = Server::start(router(), Bounds::default()).await;
    let _idle = server.connect().await;
    assert!(server.stop(PATIENCE).await < PATIENCE / 2);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said() {
    let server = Server::start(router(), Bounds::default()).await;
    let http = Http {
        listen: server.address,
        tls: None,
        token: None,
        timeout_offset: Http::TIMEOUT_OFFSET,
    };
    let error = Listener::bind(&http, Bounds::default()).await.unwrap_err();
    let expected = format!(
        "http.listen: cannot listen at `{}`: Address already in use",
        server.address
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_read_ends_its_connection() {
    const LENGTH: usize = 32 * 1024 * 1024;
    let ended = Arc::new(Notify::new());
    let notify = Arc::clone(&ended);
    let long = get(async move || axum::body::Bytes::from_owner(Told(vec![b'x'; LENGTH], notify)));
    let bounds = Bounds {
        answer: Duration::from_millis(100),
        ..Bounds::default()
    };
    let server = Server::start(router().route("/long", long), bounds).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    timeout(PATIENCE, ended.notified()).await.unwrap();
    let mut read = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut read)).await.unwrap();
    assert!(read.len() < LENGTH, "{}", read.len());
}

/// Bytes that tell when nobody needs them any more.
struct Told(Vec<u8>, Arc<Notify>);

impl AsRef<[u8]> for Told {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.1.notify_one();
    }
}

/// Writes a new certificate for `localhost`; gives it for trusting.
fn certify(folder: &Path) -> rustls_pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("c.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("k.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

async fn over_tls(
    server: &Server,
    trusted: &rustls_pki_types::CertificateDer<'static>,
) -> Result<String, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, server.connect().await).await;
    let stream = stream.map_err(|error| error.to_string())?;
    Ok(exchange(stream, "GET", "/", &[], "").await.body)
}

fn files(folder: &Path) -> HttpTls {
    HttpTls {
        certificate: folder.join("c.pem"),
        key: folder.join("k.pem"),
    }
}

#[tokio::test]
async fn a_certificate_that_changes_is_shown_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let server = Server::start_with(router(), Bounds::default(), Some(files(folder.path()))).await;
    assert_eq!(over_tls(&server, &first).await.as_deref(), Ok("here"));
    let second = certify(folder.path());
    let shown = async {
        while over_tls(&server, &second).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, shown).await.unwrap();
    std::fs::write(
        folder.path().join("c.pem"),
        "not a certificate, and longer than nothing",
    )
    .unwrap();
    // Looked at once a second at most: this is after the next look.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(over_tls(&server, &second).await.as_deref(), Ok("here"));
    // Who speaks no TLS gets no answer.
    let mut plain = server.connect().await;
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn a_key_that_became_right_unseen_by_size_and_time_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let server = Server::start_with(router(), Bounds::default(), Some(files(folder.path()))).await;
    let second = certify(folder.path());
    let key = folder.path().join("k.pem");
    let right = std::fs::read(&key).unwrap();
    let write = |content: &[u8]| {
        std::fs::write(&key, content).unwrap();
        let file = std::fs::File::options().write(true).open(&key).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    };
    write(&vec![b'x'; right.len()]);
    // Looked at once a second at most: this is after the next look.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(over_tls(&server, &first).await.as_deref(), Ok("here"));
    write(&right);
    let shown = async {
        while over_tls(&server, &second).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, shown).await.unwrap();
}

#[tokio::test]
async fn a_key_that_cannot_be_read_to_its_end_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let server = Server::start_with(router(), Bounds::default(), Some(files(folder.path()))).await;
    let key = folder.path().join("k.pem");
    std::fs::remove_file(&key).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&key).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo failed");
    // Looked at once a second at most: this is after the next look.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for _ in 0..2 {
        let answer = timeout(PATIENCE, over_tls(&server, &trusted)).await;
        assert_eq!(answer.unwrap().as_deref(), Ok("here"));
    }
    let http = Http {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: Some(files(folder.path())),
        token: None,
        timeout_offset: Http::TIMEOUT_OFFSET,
    };
    let refused = timeout(PATIENCE, Listener::verify(&http)).await.unwrap();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.ends_with("k.pem`: it is no regular file"), "{refused}");
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&key, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let refused = Listener::verify(&http).await.unwrap_err().to_string();
    assert!(refused.ends_with("k.pem`: it is larger than 1 MiB"), "{refused}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let http = |tls| Http {
        listen: ([127, 0, 0, 1], 0).into(),
        tls: Some(tls),
        token: None,
        timeout_offset: Http::TIMEOUT_OFFSET,
    };
    let refused = async |tls| Listener::bind(&http(tls), Bounds::default()).await.unwrap_err();
    let missing = refused(files(folder.path())).await;
    assert!(
        matches!(missing, StartError::Tls(TlsError::Unreadable { .. })),
        "{missing}"
    );
    certify(folder.path());
    let swapped = HttpTls {
        certificate: folder.path().join("k.pem"),
        key: folder.path().join("c.pem"),
    };
    let swapped = refused(swapped).await.to_string();
    assert!(swapped.ends_with("wanted certificates in PEM"), "{swapped}");
    let other = tempfile::tempdir().unwrap();
    certify(other.path());
    let mixed = HttpTls {
        certificate: folder.path().join("c.pem"),
        key: other.path().join("k.pem"),
    };
    let mixed = refused(mixed).await;
    assert!(
        matches!(mixed, StartError::Tls(TlsError::Unusable { .. })),
        "{mixed}"
    );
}
