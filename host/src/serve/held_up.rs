//! What held the daemon's loop up: when runs are late, whether it was the loop's own doing. Pure.

use std::time::Duration;

/// What takes longer is why runs are late, and missed once the next one is due: half of the shortest interval.
const LONG: Duration = Duration::from_millis(50);

/// What the loop did since runs were begun last.
#[derive(Debug, Default)]
pub(super) struct HeldUp {
    longest: Option<(&'static str, Duration)>,
}

impl HeldUp {
    /// It did this for so long.
    pub(super) fn by(&mut self, what: &'static str, took: Duration) {
        if self.longest.is_none_or(|(_, longest)| longest < took) {
            self.longest = Some((what, took));
        }
    }

    /// Why runs that are begun now are late, in words.
    pub(super) fn why(&self) -> String {
        match self.longest.filter(|(_, took)| *took >= LONG) {
            Some((what, took)) => format!(
                "the daemon, or the machine meanwhile, spent {:.1} s with {what}",
                took.as_secs_f64()
            ),
            None => {
                "the process or the machine stood still, or no processor was free for the daemon".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_longest_is_why_if_it_took_long() {
        let mut held_up = HeldUp::default();
        held_up.by("beginning runs", Duration::from_millis(10));
        assert!(
            held_up
                .why()
                .starts_with("the process or the machine stood still")
        );
        held_up.by("beginning runs", Duration::from_millis(600));
        held_up.by("taking up a change", Duration::from_millis(2_300));
        held_up.by("ending a run", Duration::from_millis(60));
        let expected = "the daemon, or the machine meanwhile, spent 2.3 s with taking up a change";
        assert_eq!(held_up.why(), expected);
    }
}
