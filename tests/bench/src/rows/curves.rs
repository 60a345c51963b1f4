//! How cost grows with the number of checks, of plugins and of phases, and with the size of a body: for each, the cost of
//! one at four sizes, and the exponent of the growth of all together. An exponent of 1 is a straight line; less is what a
//! fixed part in the cost comes to; 2 would be a square.
//!
//! Everything is CPU time of this process, which hardly depends on what else the machine does.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bedcheck::outcome::Outcome;
use bedcheck::sandbox::Cache;
use bedcheck_tests::component::Component;
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::check;
use crate::cpu;
use crate::crowd::{Crowd, write_http, write_imap, write_password};
use crate::row::{Goal, Line, Quantity, Rounds, Row, Sample, Stand, Unmeasured};
use crate::target::{Addresses, PASSWORD, USER};

/// The most that the exponent may be: a tenth above a straight line is what caches and trees come to.
const MOST_GROWTH: f64 = 1.1;
/// At how many sizes a cost is measured.
const SIZES: usize = 4;
/// How many checks there are.
const CHECKS: [u32; SIZES] = [500, 2_000, 8_000, 32_000];
/// How many plugins there are: fewer than the compiled code that is kept.
const PLUGINS: [u32; SIZES] = [4, 12, 36, 108];
/// How many mailboxes a mail check opens, each in a phase of its own beside five others; 50 is the most.
const MAILBOXES: [u32; SIZES] = [3, 8, 20, 50];
/// How long the body of a page is, in KiB.
const BODIES: [u32; SIZES] = [16, 64, 256, 1024];
/// Of how many checks each runs; of more, as many at even distances, and the cost of all is that of these many times.
const MOST_RUN: u32 = 1_000;
/// How many runs are measured together, where there is one check.
const RUNS: u32 = 50;
/// How often each figure is taken.
const TIMES: usize = 3;
/// More than any guest here has at once.
const AT_ONCE: usize = 16;

/// What one costs at each size.
const EACH: [Quantity; SIZES] = [each("1st"), each("2nd"), each("3rd"), each("4th")];
/// The exponent of the growth.
const EXPONENT: Quantity = Quantity {
    name: "exponent",
    unit: "",
};

const fn each(name: &'static str) -> Quantity {
    Quantity { name, unit: "us" }
}

/// The row.
pub(super) fn row() -> Row {
    Row {
        name: "curves",
        about: "CPU time against the number of checks, plugins and phases, and against the size of a body",
        rounds: Rounds::AtMost(3),
        set_up,
    }
}

fn set_up(bench: &Bench) -> Result<Stand, Unmeasured> {
    let target = bench.target()?;
    let ground = Rc::new(Ground {
        runtime: check::runtime(1)?,
        addresses: target.addresses().clone(),
        folder: bench.folder().join("curves"),
    });
    ground.write_files()?;
    let scale = if bench.is_quick() { 4 } else { 1 };
    let fewer = |sizes: [u32; SIZES]| sizes.map(|size| size / scale);
    let stand = Stand::new();
    let (loading, running) = (Rc::clone(&ground), Rc::clone(&ground));
    let stand = curve(stand, "loading checks", "check", fewer(CHECKS), move |number| {
        loading.load_checks(number)
    });
    let stand = curve(
        stand,
        "running each check",
        "check",
        fewer(CHECKS),
        move |number| running.run_checks(number),
    );
    let (loading, running) = (Rc::clone(&ground), Rc::clone(&ground));
    let stand = curve(stand, "loading plugins", "plugin", PLUGINS, move |number| {
        loading.load_plugins(number)
    });
    let stand = curve(stand, "running each plugin", "plugin", PLUGINS, move |number| {
        running.run_plugins(number)
    });
    let (mail, page) = (Rc::clone(&ground), ground);
    let stand = curve(stand, "mailboxes", "mailbox", MAILBOXES, move |number| {
        mail.open_mailboxes(number)
    });
    Ok(curve(stand, "body", "KiB", BODIES, move |number| {
        page.fetch(number)
    }))
}

/// Adds a curve: what so many cost, as a function of how many.
fn curve(
    stand: Stand,
    name: &'static str,
    unit: &str,
    sizes: [u32; SIZES],
    mut cost: impl FnMut(u32) -> Result<Duration, String> + 'static,
) -> Stand {
    let mut stand = stand.side(name, move |_| {
        let mut points = [(0.0, 0.0); SIZES];
        let mut sample = Sample::new();
        for ((size, point), quantity) in sizes.iter().zip(&mut points).zip(EACH) {
            let micros = cost(*size)?.as_secs_f64() * 1e6;
            *point = (f64::from(*size), micros);
            sample = sample.with(quantity, micros / f64::from(*size));
        }
        Ok(sample.with(EXPONENT, exponent(&points)))
    });
    for (size, quantity) in sizes.iter().zip(EACH) {
        stand = stand.line(Line::absolute(
            format!("{name}: each {unit} of {size}"),
            quantity,
            name,
        ));
    }
    stand.line(Line::absolute(format!("{name}: exponent"), EXPONENT, name).goal(Goal::AtMost(MOST_GROWTH)))
}

/// The exponent of the power of the size that costs grow with: the slope of the line through the logarithms which has
/// the least squares.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(size, cost)| (size.ln(), cost.ln())).collect();
    let number = logarithms.len() as f64;
    let mean_size = logarithms.iter().map(|(size, _)| size).sum::<f64>() / number;
    let mean_cost = logarithms.iter().map(|(_, cost)| cost).sum::<f64>() / number;
    let (mut together, mut alone) = (0.0, 0.0);
    for (size, cost) in logarithms {
        together += (size - mean_size) * (cost - mean_cost);
        alone += (size - mean_size).powi(2);
    }
    together / alone
}

/// What all curves are measured on.
struct Ground {
    runtime: Runtime,
    addresses: Addresses,
    folder: PathBuf,
}

impl Ground {
    /// Writes the password, and a folder for each number of plugins: all that is in a folder is loaded.
    fn write_files(&self) -> Result<(), String> {
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&self.folder)?;
            std::fs::write(self.password(), PASSWORD)?;
            for number in [1].into_iter().chain(PLUGINS) {
                let folder = self.plugins_folder(number);
                std::fs::create_dir_all(&folder)?;
                for plugin in 0..number {
                    let name = format!("plugin-{plugin}");
                    let component = Component::new().name(&name).build();
                    std::fs::write(folder.join(format!("{name}.wasm")), component)?;
                }
            }
            Ok(())
        };
        write().map_err(|error| format!("`{}` cannot be written: {error}", self.folder.display()))
    }

    fn plugins_folder(&self, number: u32) -> PathBuf {
        self.folder.join(format!("plugins-{number}"))
    }

    fn password(&self) -> PathBuf {
        self.folder.join("password")
    }

    fn load_checks(&self, number: u32) -> Result<Duration, String> {
        let (all, one) = (self.checks(number), self.checks(1));
        more_than(
            || self.crowd(&all, None).map(drop),
            || self.crowd(&one, None).map(drop),
        )
    }

    fn run_checks(&self, number: u32) -> Result<Duration, String> {
        let some = number.min(MOST_RUN);
        let crowd = self.crowd(&self.checks(number), None)?;
        Ok(self.run_each(&crowd, number / some)? * number / some)
    }

    fn checks(&self, number: u32) -> String {
        let mut text = String::new();
        for check in 0..number {
            write_http(
                &mut text,
                &format!("check-{check}"),
                "60s",
                self.addresses.http,
                "/",
            );
        }
        text
    }

    fn load_plugins(&self, number: u32) -> Result<Duration, String> {
        more_than(|| self.plugins(number).map(drop), || self.plugins(1).map(drop))
    }

    fn run_plugins(&self, number: u32) -> Result<Duration, String> {
        self.run_each(&self.plugins(number)?, 1)
    }

    /// A check of each plugin.
    fn plugins(&self, number: u32) -> Result<Crowd, String> {
        let text: String = (0..number)
            .map(|plugin| format!("[[check]]\nname = \"check-{plugin}\"\nplugin = \"plugin-{plugin}\"\n"))
            .collect();
        self.crowd(&text, Some(&self.plugins_folder(number)))
    }

    fn open_mailboxes(&self, number: u32) -> Result<Duration, String> {
        let mut text = String::new();
        write_password(&mut text, &self.password());
        let mailboxes = usize::try_from(number).unwrap_or(usize::MAX);
        write_imap(&mut text, "mail", self.addresses.imap, USER, mailboxes);
        self.again_and_again(&text)
    }

    fn fetch(&self, kibibytes: u32) -> Result<Duration, String> {
        let mut text = String::new();
        let path = format!("/bytes/{}", kibibytes * 1024);
        write_http(&mut text, "page", "60s", self.addresses.http, &path);
        self.again_and_again(&text)
    }

    /// What it costs to run checks once, those at such distances: measured over about as many runs whatever the number
    /// of checks is.
    fn run_each(&self, crowd: &Crowd, distance: u32) -> Result<Duration, String> {
        let number = u32::try_from(crowd.checks.len()).unwrap_or(u32::MAX) / distance;
        let times = (MOST_RUN / number.max(1)).max(1);
        // The first runs of an engine cost more than the others.
        self.run_every(crowd, distance)?;
        let all = least(|| (0..times).try_for_each(|_| self.run_every(crowd, distance)))?;
        Ok(all / times)
    }

    /// What a run of the only check costs.
    fn again_and_again(&self, text: &str) -> Result<Duration, String> {
        let crowd = self.crowd(text, None)?;
        let all = least(|| (0..RUNS).try_for_each(|_| self.run_every(&crowd, 1)))?;
        Ok(all / RUNS)
    }

    fn crowd(&self, text: &str, plugins: Option<&Path>) -> Result<Crowd, String> {
        let kept = Cache::new(&self.folder.join("kept")).map_err(|error| error.to_string())?;
        Crowd::prepare(text, plugins, Some(kept), AT_ONCE, &self.runtime)
    }

    /// Runs the checks at such distances, one after the other.
    fn run_every(&self, crowd: &Crowd, distance: u32) -> Result<(), String> {
        let distance = usize::try_from(distance).unwrap_or(1).max(1);
        let run = async |check: &Arc<_>| {
            let report = crowd.runner.run(check).await;
            match report.outcome {
                Outcome::Pass => Ok(()),
                _ => Err(report.error.map_or_else(String::new, |error| error.message)),
            }
        };
        self.runtime.block_on(async {
            for check in crowd.checks.iter().step_by(distance) {
                run(check).await?;
            }
            Ok(())
        })
    }
}

/// What some work costs more than other work: the other is what both have in common, such as making an engine.
fn more_than(
    work: impl FnMut() -> Result<(), String>,
    other: impl FnMut() -> Result<(), String>,
) -> Result<Duration, String> {
    let (work, other) = (least(work)?, least(other)?);
    // Less than a microsecond is none, and none has no logarithm.
    Ok(work.saturating_sub(other).max(Duration::from_micros(1)))
}

/// The least that some work costs: what else the machine does only ever adds to it.
fn least(mut work: impl FnMut() -> Result<(), String>) -> Result<Duration, String> {
    let mut least = Duration::MAX;
    for _ in 0..TIMES {
        let before = cpu::own();
        work()?;
        least = least.min(cpu::own() - before);
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_a_power_is_found() {
        let powers = |exponent: f64| [1.0_f64, 4.0, 16.0, 64.0].map(|size| (size, 3.0 * size.powf(exponent)));
        for wanted in [0.0, 1.0, 1.1, 2.0] {
            assert!((exponent(&powers(wanted)) - wanted).abs() < 1e-9, "{wanted}");
        }
        let with_a_fixed_part = [1.0_f64, 4.0, 16.0, 64.0].map(|size| (size, 100.0 + size));
        assert!(exponent(&with_a_fixed_part) < 0.5);
    }
}
