//! What is running now, as lines at the end of standard error that come and go. The only part of
//! this module that writes.
//!
//! One thread redraws the lines while there are any; telling it what happens costs a short lock.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use super::printable::{column, fit};
use super::units;
use crate::text::printable;

/// How often the lines are redrawn: often enough that tenths of a second seem to run.
const REDRAW: Duration = Duration::from_millis(100);
/// A check appears when it has run so long: quicker ones would only flicker.
const QUIET: Duration = Duration::from_millis(150);
/// The most checks that have a line: others are counted, so that the lines fit a terminal.
const MOST_LINES: usize = 12;
/// Columns of a check's name and of a phase's: with the times, a line fits 60 columns.
const NAME: usize = 22;
const PHASE: usize = 18;

/// Live progress on standard error.
#[derive(Debug, Clone)]
pub struct Progress {
    live: Option<Live>,
}

#[derive(Debug, Clone)]
struct Live {
    bar: ProgressBar,
    running: Arc<Mutex<Vec<Running>>>,
}

/// A check that runs.
#[derive(Debug, Clone)]
struct Running {
    check: String,
    phase: Option<String>,
    since: Instant,
    deadline: Duration,
}

impl Progress {
    /// Progress that is shown when `enabled` and standard error is a terminal that can move its
    /// cursor; otherwise every method does nothing.
    pub fn new(enabled: bool) -> Self {
        let target = if enabled {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let progress = Self::on(target);
        if let Some(live) = &progress.live {
            live.bar.enable_steady_tick(REDRAW);
        }
        progress
    }

    fn on(target: ProgressDrawTarget) -> Self {
        if target.is_hidden() {
            return Self { live: None };
        }
        let running = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&running);
        // The template is the one key, which is all that can fail about it.
        let style =
            ProgressStyle::with_template("{checks}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = style.with_key(
            "checks",
            move |_: &indicatif::ProgressState, lines: &mut dyn Write| {
                let _ = lines.write_str(&frame(&locked(&shown), Instant::now()));
            },
        );
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style)
            .with_finish(ProgressFinish::AndClear);
        Self {
            live: Some(Live { bar, running }),
        }
    }

    /// A check begins to run; its deadline, from now, is shown beside the time it has taken.
    pub fn started(&self, check: &str, deadline: Duration) {
        if let Some(live) = &self.live {
            let running = Running {
                check: check.to_owned(),
                phase: None,
                since: Instant::now(),
                deadline,
            };
            locked(&live.running).push(running);
        }
    }

    /// A running check is in this phase now. Of a check that does not run, nothing is said.
    pub fn phase(&self, check: &str, phase: &str) {
        if let Some(live) = &self.live
            && let Some(running) = locked(&live.running)
                .iter_mut()
                .find(|running| running.check == check)
        {
            running.phase = Some(phase.to_owned());
        }
    }

    /// A check has ended; its line goes away.
    pub fn finished(&self, check: &str) {
        if let Some(live) = &self.live {
            let mut running = locked(&live.running);
            if let Some(at) = running.iter().position(|running| running.check == check) {
                running.remove(at);
            }
        }
    }

    /// Takes the lines away, writes with `write` to standard output or standard error, and puts the
    /// lines back below. Everything written while checks run must go this way; `write` must not call
    /// `suspend`.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.live {
            Some(live) => live.bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the lines away for good.
    pub fn close(&self) {
        if let Some(live) = &self.live {
            live.bar.finish_and_clear();
        }
    }
}

fn locked(running: &Mutex<Vec<Running>>) -> MutexGuard<'_, Vec<Running>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lines for the checks that run, the longest running first; empty when there is nothing to show.
fn frame(running: &[Running], now: Instant) -> String {
    let elapsed = |running: &Running| now.saturating_duration_since(running.since);
    let shown: Vec<&Running> = running
        .iter()
        .filter(|running| elapsed(running) >= QUIET)
        .collect();
    let mut lines: Vec<String> = shown
        .iter()
        .take(MOST_LINES)
        .map(|running| line(running, elapsed(running)))
        .collect();
    let more = shown.len().saturating_sub(MOST_LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

fn line(running: &Running, elapsed: Duration) -> String {
    let phase = running.phase.as_deref().unwrap_or_default();
    format!(
        "{} {} {:.1} s of {}",
        column(&printable(&running.check), NAME, "..."),
        column(&fit(&printable(phase), PHASE, "..."), PHASE, ""),
        elapsed.as_secs_f64(),
        units::duration(running.deadline)
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::TermLike;

    use super::super::printable::columns;
    use super::*;

    /// A terminal that writes down what happens to it.
    #[derive(Debug, Clone, Default)]
    struct Recorder(Arc<Mutex<String>>);

    impl Recorder {
        fn note(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn take(&self) -> String {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl TermLike for Recorder {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.note(text)?;
            self.note("\n")
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.note(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.note("<clear>")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn running(check: &str, phase: Option<&str>, since: Instant) -> Running {
        Running {
            check: check.to_owned(),
            phase: phase.map(str::to_owned),
            since,
            deadline: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_line_tells_check_phase_and_time() {
        let since = Instant::now();
        let checks = [
            running("mail", None, since),
            running("web\x1b[2J", Some("processing"), since),
        ];
        assert_eq!(
            frame(&checks, since + Duration::from_millis(1234)),
            "mail                                      1.2 s of 5 s\n\
             web\\u{1b}[2J           processing         1.2 s of 5 s"
        );
    }

    #[test]
    fn what_is_quick_never_shows_and_what_is_too_much_is_counted() {
        let since = Instant::now();
        let checks = vec![running(&"n".repeat(99), Some(&"p".repeat(99)), since); 15];
        assert_eq!(frame(&checks, since + Duration::from_millis(149)), "");
        let lines = frame(&checks, since + Duration::from_secs(100));
        assert_eq!(lines.lines().count(), 13);
        assert!(lines.ends_with("\nand 3 more"));
        assert!(lines.lines().all(|line| columns(line) < 60), "{lines}");
    }

    #[test]
    fn lines_are_taken_away_while_something_else_is_written() {
        let terminal = Recorder::default();
        let progress = Progress::on(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
        let live = progress.live.as_ref().unwrap();
        locked(&live.running).push(running("mail", None, Instant::now() - Duration::from_secs(2)));
        progress.phase("mail", "login");
        progress.phase("unknown", "login");
        live.bar.tick();
        assert!(
            terminal
                .take()
                .contains("mail                   login              2.0 s of 5 s")
        );

        let seen = progress.suspend(|| terminal.take());
        assert!(seen.contains("<clear>") && !seen.contains("mail"), "{seen:?}");
        assert!(terminal.take().contains("mail"));

        progress.finished("mail");
        live.bar.tick();
        assert!(!terminal.take().contains("mail"));
    }

    #[test]
    fn switched_off_it_does_nothing_but_let_others_write() {
        let progress = Progress::new(false);
        assert!(progress.live.is_none());
        progress.started("mail", Duration::from_secs(5));
        progress.phase("mail", "login");
        assert_eq!(progress.suspend(|| 42), 42);
        progress.finished("mail");
        progress.close();
    }
}
