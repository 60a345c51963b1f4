//! The process whose runs wait for a server that says nothing, half of them of the check `http` and half of `imap`: it says
//! what each of them holds meanwhile.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bedcheck::open::{self, Kind};
use bedcheck::outcome::Report;
use bedcheck::runner::Prepared;
use bedcheck::sandbox::Cache;
use bedcheck_bench::check::runtime;
use bedcheck_bench::crowd::{Crowd, write_http, write_imap, write_password};
use bedcheck_bench::memory;
use bedcheck_bench::target::USER;
use tokio::task::JoinSet;

/// How many wait before any is weighed: what the first of them take for all is there then.
const FIRST: usize = 200;
/// How many more are weighed.
const WEIGHED: usize = 400;
/// How often it is looked whether all wait.
const PACE: Duration = Duration::from_millis(5);

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
