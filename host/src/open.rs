//! What is open: runs, connections, tasks, each with where it was opened and since when, so that a shutdown
//! that drags on can say what it waits for.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::text::printable;

/// What is open in this process.
pub fn everywhere() -> &'static Register {
    static EVERYWHERE: LazyLock<Register> = LazyLock::new(Register::default);
    &EVERYWHERE
}

/// What is open now. Clones are the same register.
#[derive(Debug, Clone, Default)]
pub struct Register(Arc<Mutex<Things>>);

#[derive(Debug, Default)]
struct Things {
    next: u64,
    open: BTreeMap<u64, Thing>,
}

/// Something that is open.
#[derive(Debug, Clone)]
pub struct Thing {
    /// Of what kind.
    pub kind: Kind,
    /// Its name: a check, a peer's address.
    pub name: Arc<str>,
    /// Where it was opened.
    pub opened_at: &'static Location<'static>,
    /// When.
    pub since: Instant,
}

/// A kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A run of a check.
    Run,
    /// A connection.
    Connection,
    /// A task that is not supervised.
    Task,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Connection => "connection",
            Self::Task => "task",
        }
    }
}

/// Keeps its thing in the register until it is dropped.
#[must_use = "dropping it says that the thing is closed"]
pub struct Opened {
    register: Register,
    number: u64,
}

impl Register {
    /// Enters something that is opened by the caller.
    #[track_caller]
    pub fn open(&self, kind: Kind, name: impl Into<Arc<str>>) -> Opened {
        let thing = Thing {
            kind,
            name: name.into(),
            opened_at: Location::caller(),
            since: Instant::now(),
        };
        let mut things = self.things();
        let number = things.next;
        things.next += 1;
        things.open.insert(number, thing);
        Opened {
            register: self.clone(),
            number,
        }
    }

    /// How many things of a kind are open.
    pub fn count(&self, kind: Kind) -> usize {
        self.things()
            .open
            .values()
            .filter(|thing| thing.kind == kind)
            .count()
    }

    /// A line for each thing that is open: by kind, the oldest first, and at most `most`; a last line counts the
    /// others.
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut open: Vec<Thing> = self.things().open.values().cloned().collect();
        // The sort keeps the order of opening.
        open.sort_by_key(|thing| thing.kind);
        let mut lines: Vec<String> = open.iter().take(most).map(ToString::to_string).collect();
        if open.len() > most {
            lines.push(format!("and {} more", open.len() - most));
        }
        lines
    }

    fn things(&self) -> MutexGuard<'_, Things> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Opened({})", self.number)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.register.things().open.remove(&self.number);
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            opened_at,
            since,
        } = self;
        let (kind, name) = (kind.as_str(), printable(name));
        // To the millisecond: nobody waits for less.
        let open = Duration::from_millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        write!(
            formatter,
            "{kind} `{name}`: open for {open:?}, opened at {opened_at}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_listed_with_where_it_was_opened() {
        let register = Register::default();
        let line = line!() + 1;
        let connection = register.open(Kind::Connection, "192.0.2.1:443");
        let run = register.open(Kind::Run, "mail\x1b[2J");
        let lines = register.lines(10);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with(r"run `mail\u{1b}[2J`: open for "),
            "{lines:?}"
        );
        assert!(
            lines[1].ends_with(&format!("opened at {}:{line}:35", file!())),
            "{lines:?}"
        );
        assert_eq!(register.lines(1)[1], "and 1 more");
        drop(connection);
        assert_eq!(register.count(Kind::Connection), 0);
        assert_eq!(register.count(Kind::Run), 1);
        drop(run);
        assert!(register.lines(10).is_empty());
    }
}
