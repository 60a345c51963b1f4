//! A sweep: every failure at every host call, and whether the plugin told the truth about each.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::{Error, Run};

/// A finished sweep.
#[derive(Debug, Clone)]
pub struct Sweep {
    cases: Vec<Case>,
    totals: Totals,
    notes: String,
    command: String,
    once: String,
}

/// One failure at one host call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Case {
    /// The host call, such as `net.read`.
    pub call: String,
    /// Which of its calls, from 1.
    pub nth: u64,
    /// The phase in which it is.
    pub phase: Option<String>,
    /// What was injected, as `--fault` takes it.
    pub fault: String,
    /// How the run ended.
    pub outcome: String,
    /// What the run called it.
    pub error_type: Option<String>,
    /// What is wrong with the run, in sentences. None when the plugin told the truth.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Totals {
    runs: u64,
    failures: u64,
}

impl Sweep {
    /// Reads the lines that a sweep printed: a case each, and the totals last. `once` is the command of a run
    /// without a fault.
    pub(super) fn parse(out: &str, notes: &str, command: &str, once: &str) -> Result<Self, Error> {
        let unreadable = |what: &str| {
            Error::new(format!(
                "found {what}, wanted the lines of a sweep\n{out}{notes}  repeat it: {command}"
            ))
        };
        let mut cases = Vec::new();
        let mut totals = None;
        for line in out.lines() {
            let value: Value = serde_json::from_str(line).map_err(|_| unreadable("what is no JSON"))?;
            if value.get("runs").is_some() {
                totals = Totals::deserialize(&value).ok();
            } else if value.get("attempts").is_some() {
                // The report of the run without a failure, which is all there is when that does not pass.
                let run = Run::parse(line, notes, once)?;
                return Err(Error::new(format!(
                    "nothing was swept: the run without a failure is not good\n{run}"
                )));
            } else {
                let case = Case::deserialize(&value);
                cases.push(case.map_err(|error| unreadable(&format!("a line that is no case ({error})")))?);
            }
        }
        Ok(Self {
            cases,
            totals: totals.ok_or_else(|| unreadable("no totals"))?,
            notes: notes.to_owned(),
            command: command.to_owned(),
            once: once.to_owned(),
        })
    }

    /// Every case, in order.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// How many runs there were.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.totals.runs
    }

    /// The plugin told the truth in every run, and there were some.
    ///
    /// # Panics
    ///
    /// When it did not: with what is wrong, and the commands that repeat it.
    #[track_caller]
    pub fn assert_clean(&self) -> &Self {
        let is_clean = self.totals.failures == 0 && self.cases.iter().all(|case| case.problems.is_empty());
        assert!(is_clean && !self.cases.is_empty(), "{self}");
        self
    }
}

/// What is wrong, and the commands that repeat it.
impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { runs, failures } = self.totals;
        writeln!(f, "{runs} runs, {failures} with something wrong")?;
        for case in self.cases.iter().filter(|case| !case.problems.is_empty()) {
            let phase = case
                .phase
                .as_deref()
                .map_or(String::new(), |phase| format!(" in {phase}"));
            let ended = case.error_type.as_deref().unwrap_or("no error");
            writeln!(f, "  {}{phase}: {} with {ended}", case.fault, case.outcome)?;
            for problem in &case.problems {
                writeln!(f, "    {problem}")?;
            }
            writeln!(
                f,
                "    repeat it: {} --fault '{}'",
                self.once,
                case.fault.replace('\'', r"'\''")
            )?;
        }
        for note in self.notes.lines() {
            writeln!(f, "  {note}")?;
        }
        write!(f, "  all of it: {}", self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = r#"{"call":"net.read","nth":1,"phase":"greeting","fault":"net.read#1=delay 1s","outcome":"pass","error_type":null,"problems":[]}"#;
    const WRONG: &str = r#"{"call":"net.read","nth":2,"phase":"login","fault":"net.read#2=connection-reset","outcome":"error","error_type":"plugin_trap","problems":["the phase `logout` has no status"]}"#;

    fn sweep(lines: &[&str]) -> Result<Sweep, Error> {
        let out = lines.join("\n");
        Sweep::parse(
            &out,
            "",
            "bedcheck plugin test a.wasm",
            "bedcheck plugin test a.wasm --once",
        )
    }

    #[test]
    fn a_sweep_without_problems_is_clean() {
        let sweep = sweep(&[CLEAN, r#"{"runs":2,"failures":0}"#]).unwrap();
        assert_eq!(sweep.assert_clean().runs(), 2);
        assert_eq!(sweep.cases()[0].fault, "net.read#1=delay 1s");
    }

    #[test]
    fn problems_are_told_with_the_commands_that_repeat_them() {
        let sweep = sweep(&[CLEAN, WRONG, r#"{"runs":3,"failures":1}"#]).unwrap();
        assert_eq!(
            sweep.to_string(),
            "3 runs, 1 with something wrong
  net.read#2=connection-reset in login: error with plugin_trap
    the phase `logout` has no status
    repeat it: bedcheck plugin test a.wasm --once --fault 'net.read#2=connection-reset'
  all of it: bedcheck plugin test a.wasm"
        );
    }

    #[test]
    #[should_panic(expected = "1 with something wrong")]
    fn a_sweep_with_problems_is_not_clean() {
        sweep(&[WRONG, r#"{"runs":2,"failures":1}"#])
            .unwrap()
            .assert_clean();
    }

    #[test]
    #[should_panic(expected = "1 runs, 0 with something wrong")]
    fn a_sweep_of_nothing_is_not_clean() {
        sweep(&[r#"{"runs":1,"failures":0}"#]).unwrap().assert_clean();
    }

    #[test]
    fn what_is_no_sweep_is_an_error() {
        for (lines, wanted) in [
            (&["panicked"][..], "found what is no JSON"),
            (&[r#"{"call":"net.read"}"#], "found a line that is no case"),
            (&[CLEAN], "found no totals"),
        ] {
            let error = sweep(lines).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }
    #[test]
    fn a_run_that_is_not_good_is_shown_instead() {
        let report = serde_json::json!({
            "plugin": {"name": "mail", "version": "0.1.0"}, "duration_s": 0.1, "deadline_s": 10.0,
            "deadline_exceeded": false, "outcome": "fail", "blame": "target",
            "error": {"type": "connection_closed", "message": "closed", "phase": null},
            "attempts": [{"phases": []}], "measurements": [], "log": [],
        });
        let error = sweep(&[&report.to_string()]).unwrap_err().to_string();
        for part in [
            "nothing was swept",
            "mail 0.1.0: fail after 0.1 s",
            "connection_closed: closed",
            "--once",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
