//! When a segment is closed, and which are removed. Pure.

use std::time::{Duration, SystemTime};

use super::Settings;

/// Into how many parts of its age the journal is cut at least, so that no report outlives it by more than one.
const PARTS: u32 = 16;
/// The journal has at least so many segments before size removes one: less than an eighth goes at once.
const LEAST_SEGMENTS: u64 = 8;

/// What is asked of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// When its newest report was written.
    pub(super) newest: SystemTime,
}

/// At how many bytes a segment is closed.
pub(super) fn segment_size(settings: &Settings) -> u64 {
    settings
        .segment_size
        .min(settings.max_size / LEAST_SEGMENTS)
        .max(1)
}

/// Whether the segment that was begun then is to be closed, with so many bytes and with so many to come.
pub(super) fn is_full(
    settings: &Settings,
    begun: SystemTime,
    bytes: u64,
    to_come: u64,
    now: SystemTime,
) -> bool {
    // One that was begun in the future, before the clock was set back, would else never be old.
    let age = now.duration_since(begun).unwrap_or_else(|ahead| ahead.duration());
    bytes > 0 && (bytes + to_come > segment_size(settings) || age > settings.max_age / PARTS)
}

/// How many of the oldest segments are to be removed before so many bytes are added. The oldest stands first.
pub(super) fn to_remove(settings: &Settings, segments: &[Age], to_come: u64, now: SystemTime) -> usize {
    let mut bytes = to_come + segments.iter().map(|segment| segment.bytes).sum::<u64>();
    let too_many = segments.iter().take_while(|segment| {
        let is_over = bytes > settings.max_size;
        bytes = bytes.saturating_sub(segment.bytes);
        is_over
    });
    let too_many = too_many.count();
    too_many.max(too_old(settings.max_age, segments, now))
}

/// How many of the oldest are too old. One from the future, written before the clock was set back, says nothing of its
/// age itself, but it is older than the one after it.
fn too_old(max_age: Duration, segments: &[Age], now: SystemTime) -> usize {
    let mut count = 0;
    for (before, segment) in segments.iter().enumerate() {
        match now.duration_since(segment.newest) {
            Ok(age) if age > max_age => count = before + 1,
            Ok(_) => break,
            Err(_) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn settings() -> Settings {
        Settings {
            max_size: 1000,
            segment_size: 100,
            max_age: Duration::from_secs(1600),
            ..Settings::default()
        }
    }

    fn segment(bytes: u64, age: u64) -> Age {
        Age {
            bytes,
            newest: NOW - Duration::from_secs(age),
        }
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        let removed = |sizes: &[u64], to_come| {
            let segments: Vec<_> = sizes.iter().map(|bytes| segment(*bytes, 0)).collect();
            to_remove(&settings(), &segments, to_come, NOW)
        };
        assert_eq!(removed(&[500, 400], 100), 0);
        assert_eq!(removed(&[500, 400], 101), 1);
        assert_eq!(removed(&[500, 400, 600], 0), 1);
        assert_eq!(removed(&[10, 10, 1000], 0), 2);
        assert_eq!(removed(&[10, 10], 2000), 2);
        assert_eq!(removed(&[], 2000), 0);
    }

    #[test]
    fn what_is_too_old_goes_with_everything_before_it_only() {
        let removed = |ages: &[u64]| {
            let segments: Vec<_> = ages.iter().map(|age| segment(1, *age)).collect();
            to_remove(&settings(), &segments, 0, NOW)
        };
        assert_eq!(removed(&[1601, 1601, 1600, 1601]), 2);
        assert_eq!(removed(&[1600]), 0);
    }

    #[test]
    fn what_is_from_the_future_goes_with_what_came_after_it() {
        let future = || Age {
            bytes: 1,
            newest: NOW + Duration::from_secs(5000),
        };
        let removed = |segments: &[Age]| to_remove(&settings(), segments, 0, NOW);
        let (old, young) = (|| segment(1, 1601), || segment(1, 1600));
        assert_eq!(removed(&[future(), old(), young()]), 2);
        assert_eq!(removed(&[old(), future(), future(), old(), future()]), 4);
        assert_eq!(removed(&[old(), future(), young(), old()]), 1);
        assert_eq!(removed(&[future(), future()]), 0);
    }

    #[test]
    fn a_segment_that_was_begun_far_in_the_future_is_closed() {
        let is_full = |ahead| super::is_full(&settings(), NOW + Duration::from_secs(ahead), 1, 1, NOW);
        assert!(!is_full(100) && is_full(101));
    }

    #[test]
    fn a_segment_is_closed_when_it_is_full_or_old_and_never_empty() {
        let is_full = |age, bytes, to_come| {
            super::is_full(&settings(), NOW - Duration::from_secs(age), bytes, to_come, NOW)
        };
        assert!(!is_full(0, 60, 40) && is_full(0, 61, 40));
        assert!(!is_full(100, 1, 1) && is_full(101, 1, 1));
        assert!(!is_full(5000, 0, 5000));
    }

    #[test]
    fn a_small_journal_has_small_segments() {
        let settings = Settings {
            max_size: 80,
            ..settings()
        };
        assert_eq!(segment_size(&settings), 10);
    }
}
