//! Whether single threads of this process are stopped, which somebody outside does: a debugger, a tracer. The runtime
//! cannot tell a worker that was stopped in its sleep from one that sleeps. Where the system does not tell the
//! states of threads (`/proc`), nothing is found.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::runtime::Stuck;
use super::trouble::Whom;

/// Where Linux tells of the threads of the process that asks.
const THREADS: &str = "/proc/self/task";

/// The watch over the threads.
#[derive(Debug, Default)]
pub(super) struct ThreadWatch {
    /// The threads that are stopped, by their ids, and since when they are seen so.
    stopped: BTreeMap<u32, Duration>,
}

impl ThreadWatch {
    /// The threads that have been stopped for longer than `bound`. To be asked again and again.
    pub(super) fn look(&mut self, now: Duration, bound: Duration) -> Vec<Stuck> {
        self.take(stopped(Path::new(THREADS)), now, bound)
    }

    fn take(&mut self, stopped: BTreeMap<u32, String>, now: Duration, bound: Duration) -> Vec<Stuck> {
        self.stopped.retain(|id, _| stopped.contains_key(id));
        let mut stuck = Vec::new();
        for (id, name) in stopped {
            let since = *self.stopped.entry(id).or_insert(now);
            let time = now.saturating_sub(since);
            if time > bound {
                let whom = Whom::Thread { id, name };
                stuck.push(Stuck { whom, time });
            }
        }
        stuck
    }
}

/// The ids and names of the threads that are stopped.
fn stopped(threads: &Path) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(threads).into_iter().flatten().flatten();
    let stopped = entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        // It may have just ended.
        let state = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((id, name_of_stopped(&state)?))
    });
    stopped.collect()
}

/// The name of a thread by its line of state (proc(5)), if that is a stopped one: `T` by a signal, `t` by a tracer.
fn name_of_stopped(line: &str) -> Option<String> {
    // A name may have parentheses of its own.
    let (before, after) = line.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let state = after.trim_start().chars().next()?;
    matches!(state, 'T' | 't').then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_stands_after_the_name_whatever_that_is() {
        assert_eq!(name_of_stopped("7 (a) b) t 1 2").as_deref(), Some("a) b"));
        assert_eq!(name_of_stopped("7 (worker) T 1").as_deref(), Some("worker"));
        for other in [
            "7 (worker) S 1",
            "7 (worker (t) R 1",
            "7 worker t",
            "",
            "7 (worker)",
        ] {
            assert_eq!(name_of_stopped(other), None, "{other}");
        }
    }

    #[test]
    fn a_thread_is_stuck_when_it_was_stopped_for_longer_than_the_bound() {
        let (second, bound) = (Duration::from_secs(1), Duration::from_secs(5));
        let one = || BTreeMap::from([(7, "worker".to_owned())]);
        let mut watch = ThreadWatch::default();
        assert!(watch.take(one(), second, bound).is_empty());
        assert!(watch.take(one(), 6 * second, bound).is_empty());
        let stuck = watch.take(one(), 7 * second, bound);
        assert_eq!(stuck.len(), 1);
        assert_eq!(stuck[0].time, 6 * second);
        let words = stuck[0].whom.to_string();
        assert_eq!(
            words,
            "the thread `worker` (7), which somebody outside has stopped,"
        );
        // It went on in between.
        assert!(watch.take(BTreeMap::new(), 8 * second, bound).is_empty());
        assert!(watch.take(one(), 9 * second, bound).is_empty());
    }

    #[test]
    fn no_thread_of_a_process_that_runs_is_stopped() {
        assert!(stopped(Path::new(THREADS)).is_empty());
        assert!(stopped(Path::new("/nothing/here")).is_empty());
    }
}
