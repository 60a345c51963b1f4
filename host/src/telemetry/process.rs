//! What the operating system says of this process, as metrics under OpenTelemetry's names. On Linux from
//! `/proc`; elsewhere only the start is known, and the others are not there.

use std::fs;
use std::time::SystemTime;

use opentelemetry::KeyValue;

use super::metrics::{Owner, Registry, Value, catalogue};
use super::names;

/// The clock ticks in a second of `/proc/self/stat`: `USER_HZ`, a constant of Linux's interface on every
/// architecture it runs on today (proc(5)).
const TICKS: f64 = 100.0;

/// Makes the instruments, of a process that began then; `start` is the same in nanoseconds since 1970.
pub(super) fn observe(registry: &Registry, began: SystemTime, start: u64) {
    let started = registry.make(&catalogue::PROCESS_START);
    let cpu = registry.make(&catalogue::PROCESS_CPU);
    let memory = registry.make(&catalogue::PROCESS_MEMORY);
    let files = registry.make(&catalogue::PROCESS_FILES);
    let (process, began) = (Owner::nobody(start), Value::Real(seconds_since_1970(began)));
    registry.observe(move || {
        started.set(&process, &[], began.clone());
        for (mode, seconds) in cpu_time().into_iter().flatten() {
            let mode = KeyValue::new(names::CPU_MODE, mode);
            cpu.set(&process, &[mode], Value::Real(seconds));
        }
        if let Some(bytes) = resident_memory() {
            memory.set(&process, &[], Value::Whole(bytes));
        }
        if let Some(count) = open_files() {
            files.set(&process, &[], Value::Whole(count));
        }
    });
}

/// Seconds since 1970; zero for a clock that stands before.
pub(super) fn seconds_since_1970(moment: SystemTime) -> f64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn cpu_time() -> Option<[(&'static str, f64); 2]> {
    let [user, system] = ticks(&fs::read_to_string("/proc/self/stat").ok()?)?;
    Some([("user", user / TICKS), ("system", system / TICKS)])
}

/// Fields 14 and 15 of proc(5)'s `stat`, counted from behind the program's name, which may hold anything.
fn ticks(stat: &str) -> Option<[f64; 2]> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some([fields.next()?.parse().ok()?, fields.next()?.parse().ok()?])
}

fn resident_memory() -> Option<i64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
}

fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Less the one that looks.
fn open_files() -> Option<i64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(count.saturating_sub(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_spaces_and_parentheses() {
        let stat = "4242 (a ) b) S 1 4242 4242 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 4 0 99 1000 200";
        assert_eq!(ticks(stat), Some([250.0, 75.0]));
        assert_eq!(ticks("4242 (cut) S 1"), None);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(
            resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"),
            Some(1234 * 1024)
        );
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_files_and_processor_time() {
        assert!(resident_memory().is_some_and(|bytes| bytes > 1024 * 1024));
        assert!(open_files().is_some_and(|count| count >= 3));
        assert!(cpu_time().is_some());
    }
}
