//! The CPU time of this process, of its thread, and of others: user and system together.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The unit of the times in `/proc/PID/stat`: the kernel's interface has this many ticks a second on every
/// architecture, whatever the kernel itself counts in.
const TICKS_PER_SECOND: u32 = 100;
/// Where user time is among the fields of `/proc/PID/stat` that follow the name (proc_pid_stat(5), field 14); system
/// time is the next, then those of children that have ended and were waited for.
const USER_TIME: usize = 11;

/// What this process has used, all threads.
#[must_use]
pub fn own() -> Duration {
    time(ClockId::ProcessCPUTime)
}

/// What this thread has used.
#[must_use]
pub fn thread() -> Duration {
    time(ClockId::ThreadCPUTime)
}

/// What another process has used, with children that have ended and were waited for, in hundredths of a second.
///
/// # Errors
///
/// A sentence when there is no such process.
pub fn of(process: u32) -> Result<Duration, String> {
    let [own, children] = stat(&process.to_string())?;
    Ok(own + children)
}

/// What children of this process have used that have ended and were waited for, in hundredths of a second. The sum is
/// exact but for that, so that a turn of many short processes tells what one of them takes.
///
/// # Errors
///
/// A sentence when `/proc` is missing.
pub fn children() -> Result<Duration, String> {
    let [_, children] = stat("self")?;
    Ok(children)
}

fn time(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

/// What a process and its children have used.
fn stat(process: &str) -> Result<[Duration; 2], String> {
    let file = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&file).map_err(|error| format!("`{file}` cannot be read: {error}"))?;
    parse(&text).ok_or_else(|| format!("`{file}` is not as expected"))
}

fn parse(stat: &str) -> Option<[Duration; 2]> {
    // The name is in parentheses and may hold any of them.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(USER_TIME).map(str::parse::<u32>);
    let mut both = || {
        let ticks = times.next()?.ok()? + times.next()?.ok()?;
        Some(Duration::from_secs(ticks.into()) / TICKS_PER_SECOND)
    };
    Some([both()?, both()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 20 10 20 0 1 0 12345 0 0";
        let expected = [Duration::from_secs(2), Duration::from_millis(300)];
        assert_eq!(parse(stat), Some(expected));
        assert_eq!(parse("7 (short) S 1"), None);
    }

    #[test]
    fn computing_is_seen_in_every_clock() {
        let before = (own(), thread());
        // A tick and a half, so that the coarse clock has seen it as well.
        while thread() < before.1 + Duration::from_millis(15) {
            std::hint::black_box(before);
        }
        assert!(own() >= before.0 + Duration::from_millis(15));
        assert!(of(std::process::id()).expect("ourselves") >= Duration::from_millis(10));
    }
}
