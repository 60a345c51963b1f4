//! The guard: no run of a built-in check takes more than it did. What a run takes is counted where counts do not depend
//! on how fast the machine is or what else it does: allocations, fuel, host calls, system calls, page faults, and what a
//! run holds while it waits. The bounds are in `tests/bench/guard.txt`, with how they are made anew.
//!
//! This is a program of its own and no test harness: it has an allocator that counts, and is also the servers' process
//! and the one that is counted, which it traces.

mod allocations;
mod counting;
mod system_calls;
mod waiting;

use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bedcheck::sandbox::Cache;
use bedcheck_bench::bounds::{Bounds, Counts};
use bedcheck_bench::check::{self, Check, Written, at_a_time};
use bedcheck_bench::native::Peer;
use bedcheck_bench::row::{CPU, Turn};
use bedcheck_bench::statistics::Summary;
use bedcheck_bench::target::{self, Addresses, PASSWORD, Target, USER};
use bedcheck_tests::datagrams::DatagramPeer;
use bedcheck_tests::program::{guest_plugin, kept_code};
use counting::{RUNS, Took};
use system_calls::Traced;
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const BOUNDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guard.txt");
/// Makes the figures anew when it is set to something.
const BLESS: &str = "BEDCHECK_BLESS";
/// The subcommand that is the process which is counted.
const COUNT: &str = "count";
/// The checks that are counted, by the names in the file.
const ROWS: [&str; 6] = ["empty", "http", "https", "imap", "tcp", "dns"];
/// The counts that depend on how the kernel takes memory back from a run that is over.
const OF_MEMORY: [&str; 2] = ["page-faults", "system-calls"];
/// How often the CPU time of a run is held against that of a native client, and for how long each.
const ROUNDS: usize = 9;
const TURN: Turn = Turn {
    length: Duration::from_millis(100),
    is_quick: true,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [target::SUBCOMMAND] => target::serve().map_err(|error| error.to_string()),
        [COUNT, file] => counting::serve(Path::new(file), &kept_code()),
        [waiting::SUBCOMMAND, silent, password] => waiting::serve(silent, Path::new(password), &kept_code()),
        _ if is_wanted(&arguments) => guard(),
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("guard: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the arguments of `cargo test` mean this test: without any, or with a part of its name.
fn is_wanted(arguments: &[String]) -> bool {
    let mut filters = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    filters.peek().is_none() || filters.any(|filter| "guard".contains(filter.as_str()))
}

fn guard() -> Result<(), String> {
    let target = Target::start()?;
    let mut counts = count(target.addresses())?;
    let ratio = cpu_against_native(target.addresses())?;
    counts.insert(("http".into(), "native-cpu".into()), ratio);
    let held = waiting::weighed(target.addresses())?;
    counts.insert(("waiting".into(), "memory".into()), held);
    let text = fs::read_to_string(BOUNDS).map_err(|error| format!("`{BOUNDS}`: {error}"))?;
    let bounds = Bounds::parse(&text).map_err(|error| format!("`{BOUNDS}`: {error}"))?;
    if std::env::var_os(BLESS).is_some_and(|value| !value.is_empty()) {
        return fs::write(BOUNDS, bounds.anew(&counts).text())
            .map_err(|error| format!("`{BOUNDS}`: {error}"));
    }
    let bounds = if rewrites_pages() {
        bounds
    } else {
        eprintln!("guard: {OF_MEMORY:?} are not held: this kernel takes other steps to give memory back");
        counts.retain(|(_, count), _| !OF_MEMORY.contains(&count.as_str()));
        bounds.without(&OF_MEMORY)
    };
    let broken = bounds.broken_by(&counts);
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!(
        "a run takes more than it did:\n  {}\nIf that is meant, `./justw guard` writes the figures of this build to \
         tests/bench/guard.txt; the commit says why they grew.",
        broken.join("\n  ")
    ))
}

/// Whether the kernel tells which pages were written to (PAGEMAP_SCAN, Linux 6.7), so that the sandbox rewrites them.
fn rewrites_pages() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().ok());
    let version = (numbers.next().flatten(), numbers.next().flatten());
    version >= (Some(6), Some(7))
}

/// Counts what the runs of all checks take, in a process of their own.
fn count(addresses: &Addresses) -> Result<Counts, String> {
    let names = DatagramPeer::start(|query| vec![answer(query)], |_| Vec::new());
    let folder = Folder::new(addresses, names.port())?;
    let mut counted = Counted::start(&folder)?;
    let mut counts = Counts::new();
    for row in ROWS {
        let (took, system_calls) = counted.count(row)?;
        let figures = [
            ("allocations", took.allocations),
            ("bytes", took.bytes),
            ("fuel", took.fuel),
            ("host-calls", took.host_calls),
            ("page-faults", took.page_faults),
            ("system-calls", system_calls),
        ];
        for (count, figure) in figures {
            counts.insert((row.into(), count.into()), figure as f64 / RUNS as f64);
        }
    }
    Ok(counts)
}

/// The answer of a name server that knows no such records, and whose query this was (RFC 1035 section 4.1.1).
fn answer(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    if let Some(flags) = answer.get_mut(2) {
        *flags |= 0x80;
    }
    answer
}

/// The files of the checks that are counted.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new(addresses: &Addresses, name_server: u16) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let this = Self { folder };
        // `./justw guests` puts all plugins of the tests in one folder.
        let idle_plugin = guest_plugin().with_file_name("bedcheck_idle.wasm");
        let written = fs::write(this.file(), configuration(addresses, name_server))
            .and_then(|()| fs::write(this.folder.path().join("password"), PASSWORD))
            .and_then(|()| fs::copy(idle_plugin, this.folder.path().join("idle.wasm")));
        written.map_err(|error| format!("the files of the checks cannot be written: {error}"))?;
        Ok(this)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("guard.toml")
    }
}

fn configuration(addresses: &Addresses, name_server: u16) -> String {
    let Addresses {
        http,
        https,
        imap,
        authority,
        ..
    } = addresses;
    format!(
        r#"
        [plugins]
        dir = "."

        [[check]]
        name = "empty"
        plugin = "idle"

        [[check]]
        name = "http"
        plugin = "http"
        settings = {{ url = "http://{http}/" }}

        [[check]]
        name = "https"
        plugin = "http"
        tls.ca_file = '{}'
        settings = {{ url = "https://{https}/" }}

        [[check]]
        name = "imap"
        plugin = "imap"
        [check.settings]
        host = "{}"
        port = {}
        tls = "none"
        user = "{USER}"
        password = {{ secret = "password" }}

        [[check]]
        name = "tcp"
        plugin = "tcp"
        [check.settings]
        host = "{}"
        port = {}
        steps = [
          {{ expect = '^\* OK' }},
          {{ send = "a LOGOUT\r\n" }},
          {{ expect = '^a OK' }},
        ]

        [[check]]
        name = "dns"
        plugin = "dns"
        settings = {{ host = "127.0.0.1", port = {name_server}, query = {{ name = "example.org" }} }}

        [secrets]
        password = {{ file = "password" }}
        "#,
        authority.display(),
        imap.ip(),
        imap.port(),
        imap.ip(),
        imap.port(),
    )
}

/// The process whose runs are counted.
struct Counted {
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    traced: Traced,
}

impl Counted {
    fn start(folder: &Folder) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
        let mut child = Command::new(own)
            .arg(COUNT)
            .arg(folder.file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the process with the checks cannot be started: {error}"))?;
        let traced = Traced::first_thread_of(child.id())?;
        let output = child
            .stdout
            .take()
            .ok_or("the process with the checks has no output")?;
        Ok(Self {
            input: child.stdin.take(),
            output: BufReader::new(output).lines(),
            traced,
        })
    }

    /// What the runs of a check took, and how many system calls they made.
    fn count(&mut self, row: &str) -> Result<(Took, u64), String> {
        self.ask(row)?;
        let before = self.traced.so_far();
        let took = self.ask("go")?;
        let system_calls = self.traced.so_far() - before;
        let took = serde_json::from_str(&took).map_err(|error| format!("`{took}`: {error}"))?;
        Ok((took, system_calls))
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        if let Some(input) = &mut self.input {
            // One that has ended has said why.
            let _ = writeln!(input, "{line}");
        }
        let answer = self.output.next().and_then(Result::ok);
        answer.ok_or_else(|| "the process with the checks has ended".into())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // It ends with its input, which whoever traces it waits for.
        drop(self.input.take());
    }
}

/// The CPU time of a run of the check `http` against that of the same exchange by a native client, one at a time.
fn cpu_against_native(addresses: &Addresses) -> Result<f64, String> {
    let runtime = check::runtime(1)?;
    let written = Written {
        plugin: "http",
        set: &[format!("url=http://{}/", addresses.http)],
        compiled: Cache::new(&kept_code()).ok(),
        ..Written::default()
    };
    let check = Arc::new(Check::prepare(&written, &runtime)?);
    let native = Peer::plain(addresses.http);
    let ours = || {
        let check = Arc::clone(&check);
        at_a_time(1, &TURN, &runtime, move || {
            let check = Arc::clone(&check);
            async move { check.run().await }
        })
    };
    let theirs = || {
        let native = native.clone();
        at_a_time(1, &TURN, &runtime, move || {
            let native = native.clone();
            async move { native.fetch().await }
        })
    };
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (ours, theirs) = (ours()?.get(CPU), theirs()?.get(CPU));
        ratios.extend(ours.zip(theirs).map(|(ours, theirs)| ours / theirs));
    }
    let summary = Summary::of(&ratios).ok_or("the CPU time of runs cannot be told")?;
    Ok(summary.median)
}
