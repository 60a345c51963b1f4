//! A real Prometheus, run in the foreground with a configuration that a test gives. It shares nothing with one that the
//! machine may run as a service.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
        Self::with_files(configuration, &[])
    }

    /// The same with files that the configuration names, such as rules: name and contents.
    ///
    /// # Panics
    ///
    /// As [`Prometheus::start`].
    #[must_use]
    pub fn with_files(configuration: &str, files: &[(&str, &str)]) -> Self {
        let prometheus = executable("prometheus");
        let (process, [port]) = ServerProcess::start(
            |directory, _, [port]| {
                let file = directory.join("prometheus.yml");
                write(&file, configuration);
                for (name, contents) in files {
                    let file = directory.join(name);
                    if let Some(folder) = file.parent() {
                        fs::create_dir_all(folder)
                            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
                    }
                    write(&file, contents);
                }
                let mut command = Command::new(&prometheus);
                command
                    .arg("--enable-feature=exemplar-storage")
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
        let answer = self.ask(&format!("/api/v1/query?query={}", encoded(query)));
        match answer["data"]["result"].as_array() {
            Some(result) => result.clone(),
            None => panic!("{query}: {answer}"),
        }
    }

    /// The rules that are loaded, recording and alerting, each as Prometheus tells of it: `name`, `query`, `health`,
    /// `lastError`.
    ///
    /// # Panics
    ///
    /// When Prometheus does not answer.
    #[must_use]
    pub fn rules(&self) -> Vec<Value> {
        let answer = self.ask("/api/v1/rules");
        let groups = answer["data"]["groups"].as_array().into_iter().flatten();
        groups
            .flat_map(|group| group["rules"].as_array().into_iter().flatten())
            .cloned()
            .collect()
    }

    /// The exemplars of the series that a query names, as Prometheus tells of them: `seriesLabels`, `exemplars`.
    ///
    /// # Panics
    ///
    /// When Prometheus does not answer.
    #[must_use]
    pub fn exemplars(&self, query: &str) -> Vec<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (from, until) = (now - WITHIN, now + WITHIN);
        let answer = self.ask(&format!(
            "/api/v1/query_exemplars?query={}&start={}&end={}",
            encoded(query),
            from.as_secs(),
            until.as_secs()
        ));
        answer["data"].as_array().cloned().unwrap_or_default()
    }

    /// The names of all labels.
    ///
    /// # Panics
    ///
    /// When Prometheus does not answer.
    #[must_use]
    pub fn label_names(&self) -> Vec<String> {
        let answer = self.ask("/api/v1/labels");
        let names = answer["data"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// What its API says.
    fn ask(&self, path: &str) -> Value {
        let answer =
            get(self.port, path).unwrap_or_else(|| panic!("Prometheus does not answer: {}", self.log()));
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer in HTTP: {answer}"));
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
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

/// Runs `promtool`, which comes with Prometheus, and returns what it printed, or why it failed.
///
/// # Errors
///
/// When it finds something wrong: what it printed.
///
/// # Panics
///
/// When it is not installed.
pub fn promtool<I>(arguments: I) -> Result<String, String>
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let output = Command::new(executable("promtool"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start promtool: {error}"));
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    if output.status.success() {
        Ok(printed)
    } else {
        Err(printed)
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
