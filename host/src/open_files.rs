//! How many files this process may have open, connections among them, and whether its runs find room in that. Knows the
//! operating system's limit and nothing of runs but their number.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside the connections of runs and of whoever asks the endpoints: the journal, the log, exports,
/// heartbeats, the sockets of look-ups.
const BESIDE_CONNECTIONS: u64 = 192;
/// How many connections whoever asks the endpoints always has: each scraper has one or two, and each probe one.
const FEWEST_CLIENTS: u64 = 64;
/// What is open beside the connections of runs, at the least.
const BESIDE_RUNS: u64 = BESIDE_CONNECTIONS + FEWEST_CLIENTS;

/// Raises the limit as far as this process may. What a shell or a service manager gives to begin with, 1024 as a rule, is
/// for programs that wait with `select`, which this one does not.
///
/// It never fails: where the limit stays as it is, [`shortage`] says what does not fit.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != raised.current {
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// What an operator should know when so many runs at once, each with one connection, do not find room in the limit;
/// nothing if they do.
pub fn shortage(concurrency: usize) -> Option<String> {
    shortage_in(getrlimit(Resource::Nofile).current, concurrency)
}

/// How many connections those who ask the endpoints may have at once, at most so many, so that so many runs find room
/// beside them.
pub fn room_for_clients(most: usize, concurrency: usize) -> usize {
    room_in(getrlimit(Resource::Nofile).current, most, concurrency)
}

fn room_in(limit: Option<u64>, most: usize, concurrency: usize) -> usize {
    let taken = u64::try_from(concurrency)
        .unwrap_or(u64::MAX)
        .saturating_add(BESIDE_CONNECTIONS);
    let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(taken));
    usize::try_from(left.max(FEWEST_CLIENTS))
        .unwrap_or(usize::MAX)
        .min(most)
}

fn shortage_in(limit: Option<u64>, concurrency: usize) -> Option<String> {
    let limit = limit?;
    let room = limit.saturating_sub(BESIDE_RUNS);
    let wanted = u64::try_from(concurrency).unwrap_or(u64::MAX);
    (wanted > room).then(|| {
        format!(
            "`runner.concurrency` is {concurrency}, and this process may have {limit} files open: with more than about \
             {room} connections at once, runs fail for want of one; raise the hard limit (`ulimit -Hn`, \
             `LimitNOFILE=`) to {} or more",
            wanted.saturating_add(BESIDE_RUNS)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_find_no_room_are_told_of() {
        assert_eq!(shortage_in(None, 10_000), None);
        assert_eq!(shortage_in(Some(10_256), 10_000), None);
        let told = shortage_in(Some(10_255), 10_000).expect("one is too many");
        assert!(told.contains("may have 10255 files open"), "{told}");
        assert!(told.contains("to 10256 or more"), "{told}");
        let told = shortage_in(Some(100), 64).expect("there is no room at all");
        assert!(told.contains("more than about 0 connections"), "{told}");
    }

    #[test]
    fn clients_leave_room_for_runs_and_have_some_themselves() {
        assert_eq!(room_in(None, 1_024, 10_000), 1_024);
        assert_eq!(room_in(Some(65_536), 1_024, 10_000), 1_024);
        assert_eq!(room_in(Some(1_024), 1_024, 64), 1_024 - 64 - 192);
        assert_eq!(room_in(Some(1_024), 1_024, 1_000), 64);
        // Where there is just no shortage, all find room.
        assert_eq!(
            (
                shortage_in(Some(10_256), 10_000),
                room_in(Some(10_256), 1_024, 10_000)
            ),
            (None, 64)
        );
    }
}
