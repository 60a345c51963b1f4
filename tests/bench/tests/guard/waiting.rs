//! What a run holds while it waits for a server that says nothing: weighed in a process of its own, half of whose runs are
//! of the check `http` and half of `imap`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bedcheck::open::{self, Kind};
use bedcheck::outcome::Report;
use bedcheck::runner::Prepared;
use bedcheck::sandbox::Cache;
use bedcheck_bench::check::runtime;
use bedcheck_bench::crowd::{Crowd, write_http, write_imap, write_password};
use bedcheck_bench::memory;
use bedcheck_bench::target::{Addresses, PASSWORD, USER};
use tempfile::NamedTempFile;
use tokio::task::JoinSet;

/// The subcommand that is this process.
pub(crate) const SUBCOMMAND: &str = "wait";
/// How many wait before any is weighed: what the first of them take for all is there then.
const FIRST: usize = 200;
/// How many more are weighed.
const WEIGHED: usize = 400;
/// How often it is looked whether all wait.
const PACE: Duration = Duration::from_millis(5);

/// How many bytes each run holds, by a process of its own.
///
/// # Errors
///
/// A sentence when that cannot be started, or has said nothing; it tells itself why.
pub(crate) fn weighed(addresses: &Addresses) -> Result<f64, String> {
    let own = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let password = NamedTempFile::new().and_then(|mut file| {
        file.write_all(PASSWORD.as_bytes())?;
        Ok(file)
    });
    let password = password.map_err(|error| format!("no file for a password: {error}"))?;
    let output = Command::new(own)
        .args([SUBCOMMAND, &addresses.silent.to_string()])
        .arg(password.path())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("the process whose runs wait cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim()
        .parse()
        .map_err(|_| format!("the process whose runs wait said `{}`", said.trim()))
}

/// Says in a line how many bytes each run holds.
///
/// # Errors
///
/// A sentence when a check cannot run, or does not wait.
pub(crate) fn serve(silent: &str, password: &Path, kept_code: &Path) -> Result<(), String> {
    let silent = silent
        .parse()
        .map_err(|_| format!("found `{silent}`, wanted the address of a server"))?;
    let runtime = runtime(1)?;
    let kept_code = Cache::new(kept_code).map_err(|error| error.to_string())?;
    let text = configuration(silent, password);
    let crowd = Crowd::prepare(&text, None, Some(kept_code), FIRST + WEIGHED, &runtime)?;
    println!("{}", runtime.block_on(weigh(&crowd))?);
    Ok(())
}

fn configuration(silent: SocketAddr, password: &Path) -> String {
    let mut text = String::from("[defaults.budget]\ndeadline = \"60s\"\n");
    write_password(&mut text, password);
    for check in 0..FIRST + WEIGHED {
        let name = format!("waiting-{check}");
        match check % 2 {
            0 => write_http(&mut text, &name, "60s", silent, "/"),
            _ => write_imap(&mut text, &name, silent, USER, 1),
        }
    }
    text
}

async fn weigh(crowd: &Crowd) -> Result<u64, String> {
    let (first, weighed) = crowd.checks.split_at(FIRST);
    let mut runs = JoinSet::new();
    hang(crowd, first, &mut runs).await?;
    let before = memory::own()?.proportional;
    hang(crowd, weighed, &mut runs).await?;
    let held = memory::own()?.proportional.saturating_sub(before);
    Ok(held / weighed.len() as u64)
}

/// Begins runs until all of them wait. There is one thread: whoever is connected has gone on until it waits for an answer
/// when anybody else looks.
async fn hang(crowd: &Crowd, checks: &[Arc<Prepared>], runs: &mut JoinSet<Report>) -> Result<(), String> {
    let connected = || open::everywhere().count(Kind::Connection);
    let wanted = connected() + checks.len();
    for check in checks {
        let (runner, check) = (Arc::clone(&crowd.runner), Arc::clone(check));
        runs.spawn(async move { runner.run(&check).await });
    }
    while connected() < wanted {
        if let Some(ended) = runs.try_join_next() {
            let report = ended.map_err(|error| format!("a run panicked: {error}"))?;
            let message = report.error.map(|error| error.message).unwrap_or_default();
            return Err(format!("a run was to wait and did not: {message}"));
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}
