//! Asks an HTTP server as fast as it answers, so many at a time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// The largest head of a response that is understood, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// What to ask, and how.
#[derive(Debug, Clone)]
pub struct Load {
    /// The server.
    pub server: SocketAddr,
    /// Path and query.
    pub path: String,
    /// How many requests are under way at a time.
    pub concurrency: usize,
    /// Whether each of them goes over a connection of its own; otherwise connections are kept, as a scraper does.
    pub closes: bool,
    /// How long to go on.
    pub length: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// How many requests were answered with status 200.
    pub answered: u64,
    /// How many were not, and how the first of them was answered instead.
    pub failed: u64,
    /// What was wrong with the first that failed.
    pub first_failure: Option<String>,
    /// How long it took, from the first request to the last answer.
    pub took: Duration,
    /// How long each of those that were answered took, in order of size.
    pub latencies: Vec<Duration>,
    /// How many bytes the bodies have in all.
    pub bytes: u64,
}

impl Loaded {
    /// How many were answered a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64()
    }

    /// The latency that this share of the requests, 0 to 1, did not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = (share * last as f64).round() as usize;
        self.latencies.get(at.min(last)).copied().unwrap_or_default()
    }

    /// The same, when every request was answered.
    ///
    /// # Errors
    ///
    /// A sentence when some were not, or none.
    pub fn whole(self) -> Result<Self, String> {
        match &self.first_failure {
            Some(failure) => Err(format!("{} requests failed, the first: {failure}", self.failed)),
            None if self.answered == 0 => Err("no request was answered".into()),
            None => Ok(self),
        }
    }
}

impl Load {
    /// Asks on this runtime and waits for the end.
    #[must_use]
    pub fn run(&self, runtime: &Runtime) -> Loaded {
        runtime.block_on(async {
            let begun = Instant::now();
            let mut askers = JoinSet::new();
            for _ in 0..self.concurrency {
                askers.spawn(ask_until(self.clone(), begun + self.length));
            }
            let mut all = Loaded::default();
            while let Some(asked) = askers.join_next().await {
                all.add(asked.unwrap_or_else(|error| Loaded::failure(&error.to_string())));
            }
            all.took = begun.elapsed();
            all.latencies.sort_unstable();
            all
        })
    }
}

impl Loaded {
    fn failure(sentence: &str) -> Self {
        Self {
            failed: 1,
            first_failure: Some(sentence.to_owned()),
            ..Self::default()
        }
    }

    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.bytes += other.bytes;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.latencies.extend(other.latencies);
    }
}

async fn ask_until(load: Load, end: Instant) -> Loaded {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\n",
        load.path,
        load.server,
        if load.closes { "Connection: close\r\n" } else { "" },
    );
    let mut loaded = Loaded::default();
    let mut kept = None;
    while Instant::now() < end {
        let begun = Instant::now();
        match ask(load.server, request.as_bytes(), &mut kept).await {
            Ok(body) => {
                loaded.answered += 1;
                loaded.bytes += body;
                loaded.latencies.push(begun.elapsed());
            }
            Err(sentence) => {
                kept = None;
                loaded.add(Loaded::failure(&sentence));
                // A server that fails at once would be asked a million times.
                if loaded.failed >= 100 {
                    break;
                }
            }
        }
        if load.closes {
            kept = None;
        }
    }
    loaded
}

/// Asks once, over the connection that was kept, if one was. The size of the body.
async fn ask(server: SocketAddr, request: &[u8], kept: &mut Option<TcpStream>) -> Result<u64, String> {
    let told = |error: std::io::Error| format!("`{server}`: {error}");
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(server).await.map_err(told)?;
            stream.set_nodelay(true).map_err(told)?;
            stream
        }
    };
    stream.write_all(request).await.map_err(told)?;
    let mut received = Vec::with_capacity(4096);
    let head = loop {
        if stream.read_buf(&mut received).await.map_err(told)? == 0 {
            return Err(format!("`{server}` closed the connection within the head"));
        }
        if let Some(head) = Head::parse(&received)? {
            break head;
        }
    };
    if head.status != 200 {
        return Err(format!("`{server}` answers with status {}", head.status));
    }
    let body = head.body(&mut received, &mut stream).await.map_err(told)?;
    if head.is_kept {
        *kept = Some(stream);
    }
    Ok(body)
}

/// What the load needs to know of the head of a response.
struct Head {
    status: u16,
    size: usize,
    length: Option<usize>,
    is_chunked: bool,
    is_kept: bool,
}

impl Head {
    /// Understands a head, if it is whole.
    fn parse(received: &[u8]) -> Result<Option<Self>, String> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let size = match response.parse(received) {
            Ok(httparse::Status::Complete(size)) => size,
            Ok(httparse::Status::Partial) if received.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) => return Err("the head of a response has no end".into()),
            Err(error) => return Err(format!("a response is no HTTP: {error}")),
        };
        let mut head = Self {
            status: response.code.unwrap_or_default(),
            size,
            length: None,
            is_chunked: false,
            is_kept: true,
        };
        for header in response.headers {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            match header.name {
                name if name.eq_ignore_ascii_case("content-length") => head.length = value.parse().ok(),
                name if name.eq_ignore_ascii_case("transfer-encoding") => head.is_chunked = true,
                name if name.eq_ignore_ascii_case("connection") => {
                    head.is_kept = !value.eq_ignore_ascii_case("close");
                }
                _ => {}
            }
        }
        head.is_kept &= head.is_chunked || head.length.is_some();
        Ok(Some(head))
    }

    /// Receives the body, and says how large it is; chunks with their framing.
    async fn body(&self, received: &mut Vec<u8>, stream: &mut TcpStream) -> std::io::Result<u64> {
        let is_whole = |received: &[u8]| match self.length {
            Some(length) => received.len() >= self.size + length,
            // No chunk of a text ends like this but the last; the page is not looked into.
            None if self.is_chunked => received[self.size..].ends_with(b"0\r\n\r\n"),
            None => false,
        };
        while !is_whole(received) {
            if stream.read_buf(received).await? == 0 {
                if self.length.is_some() || self.is_chunked {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                break;
            }
        }
        Ok((received.len() - self.size) as u64)
    }
}
