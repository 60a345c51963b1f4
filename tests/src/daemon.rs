//! A `bedcheck serve` that runs: started with a configuration, asked over HTTP, told things by signals, and read
//! by its log. What it should do is the business of the tests.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::Account;
use crate::program;

/// How long anything that a test waits for may take: much longer than it does on a busy machine.
pub const WITHIN: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running daemon. It is killed when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// How it was started.
    starting: Starting,
    log: Arc<Mutex<Vec<String>>>,
    address: Option<SocketAddr>,
}

/// How a daemon ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// From the wish to the end.
    pub took: Duration,
    /// Everything that it logged.
    pub log: Vec<String>,
}

/// An answer of the daemon.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The status line and the header fields.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {}", self.body))
    }
}

/// A daemon that is being put together.
#[derive(Debug, Clone)]
pub struct Starting {
    folder: Arc<TempDir>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    /// Another account than that of the tests.
    account: Option<Arc<Account>>,
}

impl Starting {
    /// Writes a file into the daemon's folder before it starts.
    #[must_use]
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        }
        crate::process::write(&path, contents);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Has it run as nobody special, whoever runs the tests: root has what others have not, such as threads beyond a bound.
    #[must_use]
    pub fn unprivileged(mut self) -> Self {
        self.account = Some(Arc::new(Account::for_owner_of(self.folder.path())));
        self
    }

    /// The daemon's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the daemon and waits until it says that it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    #[must_use]
    pub fn start(self) -> Daemon {
        let mut daemon = self.launch();
        daemon.wait_until("the daemon is ready", |daemon| {
            daemon.log_has("ready").then_some(())
        });
        daemon.address = daemon.listening();
        daemon
    }

    /// Starts the daemon and does not wait.
    ///
    /// # Panics
    ///
    /// When the program was not built.
    #[must_use]
    pub fn launch(self) -> Daemon {
        let mut command = self.command();
        command
            .args(["serve", "bedcheck.toml"])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.env("XDG_STATE_HOME", self.folder.path().join("state"));
        command.envs(self.environment.iter().cloned());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start the daemon: {error}"));
        let log = Arc::<Mutex<Vec<String>>>::default();
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        Daemon {
            child,
            starting: self,
            log,
            address: None,
        }
    }
}

impl Starting {
    fn command(&self) -> Command {
        let program = program::executable();
        let Some(account) = &self.account else {
            return program::undisturbed(program);
        };
        // The account may not be allowed to where it was built.
        let copied = self.path("bedcheck");
        fs::copy(program, &copied).unwrap_or_else(|error| panic!("{}: {error}", copied.display()));
        account.take(self.folder.path());
        let mut command = program::undisturbed(copied);
        command.env("XDG_CACHE_HOME", self.path("cache"));
        account.begin(&mut command);
        command
    }
}

impl Daemon {
    /// A daemon with this configuration (TOML), which is written to `bedcheck.toml` in a folder of its own.
    ///
    /// # Panics
    ///
    /// When there is no room for the folder.
    #[must_use]
    pub fn with(configuration: &str) -> Starting {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let starting = Starting {
            folder: Arc::new(folder),
            environment: Vec::new(),
            arguments: Vec::new(),
            account: None,
        };
        starting.file("bedcheck.toml", configuration)
    }

    /// A file in the daemon's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.starting.path(name)
    }

    /// Sends a signal that ends it, such as `KILL`, and waits for the end; what it left can be started again.
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[must_use]
    pub fn again_after(self, signal: &str) -> Starting {
        let starting = self.starting.clone();
        let _ = self.end(signal);
        starting
    }

    /// How it was started. Its folder stays as long as this.
    #[must_use]
    pub fn starting(&self) -> Starting {
        self.starting.clone()
    }

    /// Bounds every file that the daemon writes from now on, in bytes: for it the disk is full then. `unlimited` takes
    /// the bound away.
    ///
    /// # Panics
    ///
    /// When that cannot be done.
    pub fn bound_files(&self, most: &str) {
        self.bound(&format!("--fsize={most}:"));
    }

    /// Has the system give it no thread any more, or threads again. It must be [`Starting::unprivileged`].
    ///
    /// # Panics
    ///
    /// When that cannot be done.
    pub fn give_threads(&self, gives: bool) {
        self.bound(if gives { "--nproc=4096:" } else { "--nproc=1:" });
    }

    fn bound(&self, limit: &str) {
        let mut command = Command::new("prlimit");
        if let Some(account) = &self.starting.account {
            // Where root has few rights, it may not bound what belongs to somebody else.
            account.begin(&mut command);
        }
        let bounded = command
            .args([limit, "--pid", &self.process().to_string()])
            .status();
        assert!(bounded.is_ok_and(|status| status.success()), "prlimit failed");
    }

    /// The daemon's process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// When it has no HTTP endpoints.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
            .unwrap_or_else(|| panic!("it does not listen: {:#?}", self.log()))
    }

    /// What it has logged up to now, line by line.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has logged as JSON objects; other lines are left out.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let log = self.log();
        log.iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Whether an event with this message was logged.
    #[must_use]
    pub fn log_has(&self, message: &str) -> bool {
        self.events().iter().any(|event| event["message"] == message)
    }

    fn listening(&self) -> Option<SocketAddr> {
        let events = self.events();
        let event = events.iter().find(|event| event["message"] == "listening")?;
        event["address"].as_str()?.parse().ok()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When the daemon does not answer.
    pub fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> std::io::Result<Answer> {
        exchange(self.connect()?, method, path, headers, body)
    }

    /// Connects to where it listens.
    ///
    /// # Errors
    ///
    /// When it cannot be reached.
    pub fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(WITHIN))?;
        Ok(stream)
    }

    /// The answer to `GET`.
    ///
    /// # Panics
    ///
    /// When the daemon does not answer.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", "")
            .unwrap_or_else(|error| panic!("GET {path}: {error}; {:#?}", self.log()))
    }

    /// What the API says of a check; null if there is none of this name.
    ///
    /// # Panics
    ///
    /// When the daemon does not answer.
    #[must_use]
    pub fn check(&self, name: &str) -> Value {
        let answer = self.get(&format!("/api/v1/checks/{name}"));
        if answer.status == 200 {
            answer.json()
        } else {
            Value::Null
        }
    }

    /// The value of the first sample on the page of metrics that begins with this name and has all of these labels,
    /// written as `name="value"`.
    ///
    /// # Panics
    ///
    /// When the daemon does not answer.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let page = self.get("/metrics").body;
        let mut lines = page.lines().filter(|line| line.starts_with(name));
        let line = lines.find(|line| labels.iter().all(|label| line.contains(label)))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// The lines of runs of a check in the log, in order.
    #[must_use]
    pub fn run_lines(&self, check: &str) -> Vec<Value> {
        let is_run = |event: &Value| event["target"] == "bedcheck::run" && event["check"] == check;
        self.events().into_iter().filter(is_run).collect()
    }

    /// The answer to `POST`.
    ///
    /// # Panics
    ///
    /// When the daemon does not answer.
    #[must_use]
    pub fn post(&self, path: &str) -> Answer {
        self.request("POST", path, "", "")
            .unwrap_or_else(|error| panic!("POST {path}: {error}; {:#?}", self.log()))
    }

    /// Looks again and again until there is something, or the daemon has ended.
    ///
    /// # Panics
    ///
    /// When it takes longer than [`WITHIN`], or the daemon ends.
    pub fn wait_until<T>(&mut self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        self.wait_within(WITHIN, what, look)
    }

    /// The same for what may take another time.
    ///
    /// # Panics
    ///
    /// When it takes longer than that, or the daemon ends.
    pub fn wait_within<T>(&mut self, bound: Duration, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let give_up = Instant::now() + bound;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{what}: the daemon ended with {status}: {:#?}", self.log());
            }
            assert!(
                Instant::now() < give_up,
                "{what}: not within {bound:?}: {:#?}",
                self.log()
            );
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Panics
    ///
    /// When it cannot be sent.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([format!("-{signal}"), self.process().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{signal} failed");
    }

    /// Sends a signal and waits for the end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[must_use]
    pub fn end(mut self, signal: &str) -> Ended {
        let asked = Instant::now();
        self.signal(signal);
        self.wait_from(asked)
    }

    /// Waits for the end.
    ///
    /// # Panics
    ///
    /// When it does not end.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        self.wait_from(Instant::now())
    }

    fn wait_from(&mut self, from: Instant) -> Ended {
        let give_up = Instant::now() + WITHIN;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    let took = from.elapsed();
                    return Ended {
                        code: status.code(),
                        took,
                        log: self.whole_log(),
                    };
                }
                Ok(None) => assert!(Instant::now() < give_up, "it did not end: {:#?}", self.log()),
                Err(error) => panic!("cannot wait for the daemon: {error}"),
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The log after the end: the reader may be a moment behind, and is done when nothing else comes.
    fn whole_log(&self) -> Vec<String> {
        let give_up = Instant::now() + Duration::from_secs(1);
        while Arc::strong_count(&self.log) > 1 && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(1));
        }
        self.log()
    }

    /// Writes its configuration anew.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn configure(&self, configuration: &str) {
        replace(&self.path("bedcheck.toml"), configuration.as_bytes());
    }
}

/// Sends a request over a connection and reads the whole answer.
///
/// # Errors
///
/// When there is none.
pub fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<Answer> {
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: daemon\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )?;
    stream.flush()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    answer(&bytes).ok_or_else(|| std::io::Error::other("no answer in HTTP"))
}

/// Replaces a file as a whole, by a rename.
///
/// # Panics
///
/// When it cannot be written.
pub fn replace(path: &Path, contents: &[u8]) {
    let beside = path.with_extension("new");
    crate::process::write(&beside, contents);
    fs::rename(&beside, path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some(Answer {
        status,
        head: head.to_owned(),
        body: if chunked {
            unchunked(body)?
        } else {
            body.to_owned()
        },
    })
}

/// The text of a chunked body (RFC 9112 section 7.1).
fn unchunked(mut body: &str) -> Option<String> {
    let mut text = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(text);
        }
        text.push_str(rest.get(..size)?);
        body = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let whole = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").expect("an answer");
        assert_eq!((whole.status, whole.body.as_str()), (200, "hi"));
        let chunks =
            b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3\r\n ho\r\n0\r\n\r\n";
        let whole = answer(chunks).expect("an answer");
        assert_eq!((whole.status, whole.body.as_str()), (404, "hi ho"));
    }
}
