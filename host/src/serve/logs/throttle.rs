//! Holds back lines that repeat themselves. Pure but for the moments it is given.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How many lines about the same are written in a window: enough to see that it is not one accident.
pub(super) const FIRST: u64 = 5;
/// How long a window is. Then a line counts what was held back.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// How many kinds are told apart. Lines of more are written as they come.
const MAX_KINDS: usize = 1024;

/// The kinds of lines of the last window.
#[derive(Debug)]
pub(super) struct Throttle<K>(HashMap<K, Window>);

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u64,
    at_most: u64,
    sample: String,
}

/// Lines that were held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    /// How many.
    pub(super) lines: u64,
    /// What the last one said.
    pub(super) sample: String,
}

impl<K: Eq + Hash> Throttle<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Whether a line of this kind is written now, of which at most so many are.
    pub(super) fn admits(&mut self, kind: K, at_most: u64, message: &str, now: Instant) -> bool {
        if self.0.len() >= MAX_KINDS && !self.0.contains_key(&kind) {
            return true;
        }
        let window = self.0.entry(kind).or_insert_with(|| Window {
            began: now,
            lines: 0,
            at_most,
            sample: String::new(),
        });
        window.lines += 1;
        if window.lines <= window.at_most {
            return true;
        }
        message.clone_into(&mut window.sample);
        false
    }

    /// What was held back in windows that are over; those are then forgotten.
    pub(super) fn over(&mut self, now: Instant) -> Vec<HeldBack> {
        self.taken(|window| now.saturating_duration_since(window.began) >= WINDOW)
    }

    /// What was held back, whether its window is over or not; all is then forgotten.
    pub(super) fn all(&mut self) -> Vec<HeldBack> {
        self.taken(|_| true)
    }

    fn taken(&mut self, is_over: impl Fn(&Window) -> bool) -> Vec<HeldBack> {
        let ended = self.0.extract_if(|_, window| is_over(window));
        ended
            .filter(|(_, window)| window.lines > window.at_most)
            .map(|(_, window)| HeldBack {
                lines: window.lines - window.at_most,
                sample: window.sample,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_are_written_and_the_others_counted() {
        let begun = Instant::now();
        let mut throttle = Throttle::new();
        let admitted = (0..100)
            .filter(|_| throttle.admits("refused", FIRST, "connection refused", begun))
            .count();
        assert_eq!(admitted as u64, FIRST);
        assert!(throttle.admits("another", FIRST, "", begun));
        assert!(throttle.over(begun + WINDOW / 2).is_empty());
        let held_back = throttle.over(begun + WINDOW);
        assert_eq!(
            held_back,
            [HeldBack {
                lines: 95,
                sample: "connection refused".to_owned()
            }]
        );
        assert!(throttle.admits("refused", FIRST, "again", begun + WINDOW));
    }

    #[test]
    fn no_more_kinds_are_kept_than_fit() {
        let now = Instant::now();
        let mut throttle = Throttle::new();
        for kind in 0..MAX_KINDS * 2 {
            assert!(throttle.admits(kind, FIRST, "", now));
        }
        assert_eq!(throttle.0.len(), MAX_KINDS);
    }
}
