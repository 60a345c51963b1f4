//! Fuzzing the host's side of the contract: a guest that makes any host calls in any order with any arguments, run
//! as a check is run, and what its report must say whatever it did.
//!
//! The guest is `tests/interpreter`, its program is made of an input's bytes in `fuzz_program.rs`. It talks to
//! peers on loopback, here, and to the servers of the demo for TLS.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bedcheck_fuzz::Fuzz;
use serde_json::Value;

use super::{DefaultGrant, Preparation, Prepared, Runner};
use crate::config::{Config, Source};
use crate::demo::Servers;
use crate::outcome::{AttributeValue, Outcome, Report};
use crate::phase::PhaseStatus;
use crate::render::{Charset, Look, Palette, json, nagios, waterfall};

#[path = "fuzz_program.rs"]
mod program;

/// What a run is given.
const DEADLINE: Duration = Duration::from_millis(60);
const GRACE: Duration = Duration::from_millis(20);
/// How much later a run may end on a busy machine. What is looked for are runs that do not end.
const BUSY: Duration = Duration::from_secs(5);
/// How many host calls a run has, and how many more until it is ended.
const HOST_CALLS: u64 = 300;
const CALLS_OVER_LIMIT: u64 = 1000;
/// The longest text of a report: a message and its mark of omission, and the words that the host puts before a
/// guest's.
const MAX_TEXT: usize = 2048;
/// What the guest has: with characters that are escaped on the way, and in the form of a measurement's name.
const SECRETS: [(&str, &str); 2] = [("odd", "p\"ä/s\\s+w ord&0"), ("dotted", "sesame.open_9.sesame")];
/// The phases that the interpreter declares.
const DECLARED: [&str; 6] = ["resolve", "connect", "tls", "first", "second", "third"];

/// A peer on loopback that does this with every connection, until the process ends.
fn peer(serve: fn(TcpStream) -> std::io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A peer that goes away is what guests do here.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    address
}

/// What one says it says as well.
fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(BUSY))?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

/// A peer that sends every datagram back.
fn datagram_echo() -> SocketAddr {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let mut buffer = [0; 65_535];
        loop {
            // An error is the refusal of an answer whose guest is gone.
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..length], from);
            }
        }
    });
    address
}

fn silent(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(BUSY))?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

fn hang_up(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"bye \x1b[31m\xff\r\n")
}

fn flood(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_write_timeout(Some(BUSY))?;
    loop {
        stream.write_all(&[b'x'; 4096])?;
    }
}

/// Everything that runs are made with.
struct World {
    runtime: tokio::runtime::Runtime,
    runner: Runner,
    prepared: std::cell::RefCell<Prepared>,
    ports: Vec<u16>,
    /// Kept for as long as there are runs.
    _servers: Servers,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let servers = runtime.block_on(Servers::start()).expect("the demo's servers");
        let of = |name: &str| {
            let scenario = servers.scenarios().iter().find(|scenario| scenario.name == name);
            scenario.map(|scenario| scenario.address.port())
        };
        let refused = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port");
        let mut ports: Vec<u16> = [peer(echo), peer(silent), peer(hang_up), peer(flood), refused]
            .iter()
            .map(SocketAddr::port)
            .collect();
        ports.extend(
            ["imap-healthy", "imap-starttls"]
                .iter()
                .filter_map(|name| of(name)),
        );
        ports.push(datagram_echo().port());
        std::fs::copy(interpreter(), folder.path().join("interpreter.wasm")).expect("the guest is copied");
        std::fs::write(folder.path().join("ca.pem"), servers.authority_pem()).expect("a file is written");
        for (name, secret) in SECRETS {
            std::fs::write(folder.path().join(name), secret).expect("a file is written");
        }
        let source = Source::new(&folder.path().join("checks.toml"), &configuration(&ports));
        let config = Config::parse(&source).unwrap_or_else(|problems| panic!("{problems}"));
        let preparation = Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, None);
        let preparation = runtime
            .block_on(preparation)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let prepared = preparation
            .checks
            .into_iter()
            .next()
            .and_then(std::sync::Arc::into_inner);
        let prepared = prepared.expect("one check");
        Self {
            runtime,
            runner: Runner::new(preparation.sandbox, 1),
            prepared: std::cell::RefCell::new(prepared),
            ports,
            _servers: servers,
            _folder: folder,
        }
    }

    fn run(&self, program: &Value) -> Report {
        self.prepared.borrow_mut().settings = program.to_string();
        self.runtime.block_on(self.runner.run(&self.prepared.borrow()))
    }
}

/// The guest, which `./justw guests` builds. Tests are in TARGET/PROFILE/deps.
fn interpreter() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let target = test.ancestors().nth(3).unwrap_or(Path::new("."));
    let path = target.join("wasm32-wasip2/guest/bedcheck_interpreter.wasm");
    assert!(
        path.exists(),
        "`{}` is missing: run `./justw guests`",
        path.display()
    );
    path
}

/// One check that is granted the peers, by address and, of some, by name.
fn configuration(ports: &[u16]) -> String {
    let granted: Vec<String> = ports
        .iter()
        .flat_map(|port| [format!("\"127.0.0.1:{port}\""), format!("\"localhost:{port}\"")])
        .collect();
    let (deadline, grace) = (DEADLINE.as_millis(), GRACE.as_millis());
    let [(odd, _), (dotted, _)] = SECRETS;
    format!(
        "plugins.dir = \".\"\n\
         resolver.servers = [\"127.0.0.1:{refused}\"]\n\
         [[check]]\n\
         name = \"fuzz\"\n\
         plugin = \"interpreter\"\n\
         allow = [{granted}, \"name.invalid:80\"]\n\
         tls.ca_file = \"ca.pem\"\n\
         trace_context = true\n\
         budget = {{ deadline = \"{deadline}ms\", grace = \"{grace}ms\", fuel = 20_000_000, memory = \"16MiB\", \
         host_calls = {HOST_CALLS}, bytes = \"64KiB\" }}\n\
         settings = {{ a = {{ secret = \"{odd}\" }}, b = {{ secret = \"{dotted}\" }} }}\n\
         [secrets]\n\
         {odd} = {{ file = \"{odd}\" }}\n\
         {dotted} = {{ file = \"{dotted}\" }}\n",
        granted = granted.join(", "),
        refused = ports[4],
    )
}

/// What a report must say, whatever the guest did.
fn judge(report: &Report, program: &Value) {
    assert_texts(report);
    assert!(
        report.duration <= DEADLINE + GRACE + BUSY,
        "it took {:?}",
        report.duration
    );
    // Those that waited for bytes do not count.
    assert!(
        report.usage.host_calls <= HOST_CALLS + CALLS_OVER_LIMIT + 1 + report.usage.bytes_read,
        "{:?}",
        report.usage
    );
    assert!(
        report.usage.memory_bytes <= 16 * 1024 * 1024,
        "{:?}",
        report.usage
    );
    assert!(
        report.measurements.len() <= 256,
        "{} measurements",
        report.measurements.len()
    );
    assert!(
        report
            .measurements
            .iter()
            .all(|measurement| measurement.value.is_finite())
    );
    assert_eq!(report.deadline_exceeded, report.deadline_hit.is_some());
    match &report.error {
        None => {
            assert_eq!((report.outcome, report.blame), (Outcome::Pass, None));
            // What is declared and was not needed is not reached; that a plan is kept to is tested elsewhere.
            let is_good = |status| matches!(status, PhaseStatus::Ok | PhaseStatus::NotReached);
            let bad = report.phases().iter().find(|phase| !is_good(phase.status));
            assert!(bad.is_none(), "passed with {bad:?}");
            assert!(!report.deadline_exceeded, "passed after the deadline");
        }
        Some(error) => {
            assert_eq!(report.outcome, error.error_type.outcome());
            assert_eq!(report.blame, Some(error.error_type.blame()));
        }
    }
    for attempt in &report.attempts {
        for phase in &attempt.phases {
            let end = phase.start.unwrap_or_default() + phase.duration.unwrap_or_default();
            assert!(
                end <= report.duration + Duration::from_millis(1),
                "{phase:?} ends after the run"
            );
            let has_begun = phase.status != PhaseStatus::NotReached;
            let is_denied = phase.status == PhaseStatus::Denied;
            assert!(phase.start.is_some() == has_begun || is_denied, "{phase:?}");
            let is_bad = !matches!(
                phase.status,
                PhaseStatus::Ok | PhaseStatus::NotReached | PhaseStatus::Interrupted
            );
            assert_eq!(phase.error.is_some(), is_bad, "{phase:?}");
        }
        let names: BTreeSet<&str> = attempt.phases.iter().map(|phase| phase.name.as_str()).collect();
        assert!(names.iter().all(|name| DECLARED.contains(name)), "{names:?}");
        if !plans(program) {
            assert_eq!(names.len(), DECLARED.len(), "only {names:?} have a status");
        }
    }
}

/// Whether the program replaces the declared phases, or tries to.
fn plans(program: &Value) -> bool {
    program["program"].to_string().contains("\"plan\"")
}

/// Every text is fit to be shown, bounded, and without secrets, in every form in which reports are given out.
fn assert_texts(report: &Report) {
    let line = json(report).expect("the report begins in this century");
    let value: Value = serde_json::from_str(&line).expect("a report is JSON");
    let mut texts = vec![line];
    gather(&value, &mut texts);
    for text in &texts[1..] {
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(text.len() <= MAX_TEXT, "a text of {} bytes", text.len());
    }
    texts.push(waterfall(
        report,
        &Look::new(None, Charset::Unicode, Palette::plain()),
    ));
    texts.push(nagios(std::slice::from_ref(report)));
    for text in &texts {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        for (name, secret) in SECRETS {
            assert!(!text.contains(secret), "the secret `{name}` is in {text:?}");
        }
    }
}

/// All texts of a JSON value, keys included.
fn gather(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| gather(value, texts)),
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            texts.push(key.clone());
            gather(value, texts);
        }),
        _ => {}
    }
}

#[test]
fn host_calls() {
    let world = World::new();
    let describe = serde_json::json!({"describe": [["url.full", {"text": "@read"}]]});
    let sound = world.run(&serde_json::json!({
        "program": [{"begin": ["first", null]}, "trace-parent", describe, "succeed"], "end": "pass",
    }));
    assert_eq!(sound.outcome, Outcome::Pass, "{sound:#?}");
    let mut facts = sound.phases().iter().flat_map(|phase| phase.attributes.iter());
    let is_parent =
        |value: &AttributeValue| matches!(value, AttributeValue::Text(text) if text.starts_with("00-"));
    assert!(
        facts.any(|(name, value)| name == "url.full" && is_parent(value)),
        "{sound:#?}"
    );
    Fuzz::new("host_calls")
        .generator(program::some)
        .seeds(program::seeds())
        .max_length(512)
        .reading(&|input| program::of(input, &world.ports).to_string())
        .run(|input| {
            let program = program::of(input, &world.ports);
            judge(&world.run(&program), &program);
        });
}
