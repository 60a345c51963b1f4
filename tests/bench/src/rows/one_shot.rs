//! What `bedcheck run` costs as a process, from its start to its end, against a forked plugin of monitoring-plugins that
//! asks the same server the same: `one_shot`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::bench::Bench;
use crate::cpu;
use crate::row::{CPU, Goal, Line, Rounds, Row, Sample, Stand, Turn, Unmeasured, WALL};

/// The package of the plugins that are written in C.
const PACKAGE: &str = "monitoring-plugins-basic";
/// The most that the whole product may cost against a small program in C.
const GOAL: Goal = Goal::AtMost(2.5);

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "one_shot",
        about: "`bedcheck run` with its compiled code kept against a plugin in C, the whole process",
        rounds: Rounds::AsAsked,
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let target = bench.target()?;
    let (http, imap) = (target.addresses().http, target.addresses().imap);
    let cache = bench.folder().join("one-shot");
    // The status is asked for, and so many bytes of body read.
    let ours = run(
        bench.program(),
        &cache,
        ["--plugin", "http", "--set", &format!("url=http://{http}/")],
    );
    let theirs = bench.peer("check_http", PACKAGE).map(|program| {
        let port = http.port().to_string();
        let arguments = ["-I", "127.0.0.1", "-p", &port, "-u", "/", "-e", " 200 "];
        command(&program, &arguments)
    });
    let stand = compare(Stand::new(), ("http", ours), ("check_http", theirs));
    // Greeting, capabilities, and a polite end; the plugin in C does without the capabilities.
    let settings = [
        "host=127.0.0.1".to_owned(),
        format!("port={}", imap.port()),
        "tls=none".to_owned(),
    ];
    let settings = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
    let ours = run(
        bench.program(),
        &cache,
        ["--plugin", "imap"].into_iter().chain(settings),
    );
    let theirs = bench.peer("check_imap", PACKAGE).map(|program| {
        let port = imap.port().to_string();
        command(&program, &["-H", "127.0.0.1", "-p", &port])
    });
    Ok(compare(stand, ("imap", ours), ("check_imap", theirs))
        .side("nothing", many(command(Path::new("/bin/true"), &[])))
        .line(Line::absolute("a process that does nothing", CPU, "nothing")))
}

/// Puts a check and its counterpart side by side; or the check alone, where the counterpart is missing.
fn compare(
    stand: Stand,
    (name, ours): (&str, Command),
    (peer, theirs): (&str, Result<Command, Unmeasured>),
) -> Stand {
    let stand = stand.side(name, many(ours));
    let stand = match theirs {
        Ok(theirs) => stand
            .side(peer, many(theirs))
            .line(Line::ratio(format!("{name}, CPU"), CPU, name, peer).goal(GOAL))
            .line(Line::ratio(format!("{name}, time"), WALL, name, peer).goal(GOAL)),
        Err(Unmeasured::Missing(sentence) | Unmeasured::Failed(sentence)) => stand.note(sentence),
    };
    stand.line(Line::absolute(format!("{name}, CPU of one"), CPU, name))
}

/// `bedcheck run` of one check, with the output of a plugin in C.
fn run<'a>(program: &Path, cache: &Path, check: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = command(program, &["run", "--format", "nagios"]);
    command.args(check).env("BEDCHECK_CACHE", cache);
    command
}

fn command(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Runs a program again and again, one after the other, until the turn is over.
fn many(mut command: Command) -> impl FnMut(&Turn) -> Result<Sample, String> {
    move |turn| {
        let name = command.get_program().to_string_lossy().into_owned();
        let (begun, cpu) = (Instant::now(), cpu::children()?);
        let mut number: u32 = 0;
        while begun.elapsed() < turn.length {
            let status = command
                .status()
                .map_err(|error| format!("`{name}` cannot be started: {error}"))?;
            if !status.success() {
                return Err(format!("`{name}` ended with {status}"));
            }
            number += 1;
        }
        let took = begun.elapsed();
        let each = took.as_secs_f64() * 1e3 / f64::from(number);
        Ok(Sample::of_many(number.into(), took, cpu::children()? - cpu).with(WALL, each))
    }
}
