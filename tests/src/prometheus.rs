//! A real Prometheus, run in the foreground with a configuration that a test gives. It shares nothing with one that the
//! machine may run as a service.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{ServerProcess, executable, write};

/// How long a series may take to be there: many scrapes, on a busy machine too.
const WITHIN: Duration = Duration::from_secs(60);

/// How often a series is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running Prometheus; it stops when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: ServerProcess,
    port: u16,
}

impl Prometheus {
    /// Starts a server with this configuration (`prometheus.yml`).
    ///
    /// # Panics
    ///
    /// When Prometheus is not installed or does not start, with what it logged.
    #[must_use]
    pub fn start(configuration: &str) -> Self {
        let prometheus = executable("prometheus");
        let (process, [port]) = ServerProcess::start(
            |directory, _, [port]| {
                let file = directory.join("prometheus.yml");
                write(&file, configuration);
                let mut command = Command::new(&prometheus);
                command
                    .arg(format!("--config.file={}", file.display()))
                    .arg(format!(
                        "--storage.tsdb.path={}",
                        directory.join("data").display()
                    ))
                    .arg(format!("--web.listen-address=127.0.0.1:{port}"));
                command
            },
            |[port]| get(port, "/-/ready").is_some_and(|answer| answer.starts_with("HTTP/1.0 200")),
        );
        Self { process, port }
    }

    /// The values that a query of PromQL has now, each with its labels.
    ///
    /// # Panics
    ///
    /// When Prometheus does not answer, or refuses the query.
    #[must_use]
    pub fn query(&self, query: &str) -> Vec<Value> {
        let answer = get(self.port, &format!("/api/v1/query?query={}", encoded(query)))
            .unwrap_or_else(|| panic!("Prometheus does not answer: {}", self.log()));
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer in HTTP: {answer}"));
        let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        match answer["data"]["result"].as_array() {
            Some(result) => result.clone(),
            None => panic!("{query}: {answer}"),
        }
    }

    /// Waits until a query has a value, and returns all that it has.
    ///
    /// # Panics
    ///
    /// When it takes longer than a minute, with what the targets of the scrapes are like.
    #[must_use]
    pub fn wait_for(&self, query: &str) -> Vec<Value> {
        let give_up = Instant::now() + WITHIN;
        loop {
            let found = self.query(query);
            if !found.is_empty() {
                return found;
            }
            assert!(
                Instant::now() < give_up,
                "`{query}` has nothing within {WITHIN:?}: {}\n{}",
                get(self.port, "/api/v1/targets").unwrap_or_default(),
                self.log()
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    /// What the server has logged, for the message of a failed assertion.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// An answer as a whole. HTTP/1.0, which has no chunks.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(WITHIN)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// As a value in a URL's query (RFC 3986 section 2.1).
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
