//! A server on loopback for a test, and a client that writes requests by hand, over TCP or TLS.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::super::{Answers, Bounds, Listener};
use crate::config::{Http, HttpTls};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: watch::Sender<Option<Instant>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answers: impl Into<Answers>, bounds: Bounds) -> Self {
        Self::start_with(answers, bounds, None).await
    }

    pub(crate) async fn start_with(
        answers: impl Into<Answers>,
        bounds: Bounds,
        tls: Option<HttpTls>,
    ) -> Self {
        let answers = answers.into();
        let http = Http {
            listen: ([127, 0, 0, 1], 0).into(),
            tls,
            token: None,
            timeout_offset: Http::TIMEOUT_OFFSET,
        };
        let listener = Listener::bind(&http, bounds).await.unwrap();
        let address = listener.address();
        let (stop, stopped) = watch::channel(None);
        let serving = tokio::spawn(async move { listener.serve(answers, stopped).await });
        Self {
            address,
            stop,
            serving,
        }
    }

    /// Stops, and says how long it took.
    pub(crate) async fn stop(self, bound: Duration) -> Duration {
        let begun = Instant::now();
        self.stop.send_replace(Some(begun + bound));
        timeout(PATIENCE, self.serving).await.unwrap().unwrap();
        begun.elapsed()
    }

    pub(crate) fn begin_to_stop(&self, bound: Duration) {
        self.stop.send_replace(Some(Instant::now() + bound));
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        exchange(self.connect().await, method, path, headers, body).await
    }
}

/// A request on a connection of its own.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("content-length: {}\r\n\r\n{body}", body.len());
    // A server that refuses a body may close before all of it is written.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
    Answer::read(&bytes)
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: String,
}

impl Answer {
    fn read(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.expect("a whole head") + 4);
        let head = String::from_utf8(head.to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            bytes: body.to_vec(),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:.500}", self.body))
    }
}
