//! Values counted in buckets with given bounds, with the newest exemplar of each bucket. Pure.
//!
//! The newest, not the largest: whoever looks at a graph asks about what happens now, and the trace of an outage
//! last month would hide it. The largest is the newest one of the highest bucket that has any.

use super::Exponential;
use super::exemplar::Exemplar;
use super::exponential::Before;

/// What a histogram has counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::telemetry) struct Histogram {
    /// How many values each bucket has; the last one has no upper bound.
    counts: Box<[u64]>,
    sum: f64,
    /// The newest of each bucket that has one, in the order of the buckets.
    exemplars: Vec<(usize, Exemplar)>,
    exponential: Option<Box<Exponential>>,
}

impl Histogram {
    /// Nothing counted yet in buckets of so many bounds; in exponential ones as well if these are asked for.
    pub(super) fn new(bounds: usize, is_exponential: bool) -> Self {
        Self {
            counts: vec![0; bounds + 1].into(),
            exponential: is_exponential.then(Box::default),
            ..Self::default()
        }
    }

    /// One that was counted before; none if its parts do not fit together.
    pub(in crate::telemetry) fn restored(
        counts: Box<[u64]>,
        sum: f64,
        exponential: Option<Box<Exponential>>,
    ) -> Option<Self> {
        let restored = Self {
            counts,
            sum,
            exemplars: Vec::new(),
            exponential,
        };
        let exponential = restored.exponential.as_ref();
        let agrees = exponential.is_none_or(|exponential| {
            let before = exponential.before().map_or(0, |before| before.count);
            exponential.count().saturating_add(before) == restored.count()
        });
        (restored.sum.is_finite() && agrees).then_some(restored)
    }

    /// Has it count in exponential buckets as well from then on, or no longer. Whether exponential ones began.
    pub(super) fn becomes(&mut self, is_exponential: bool, then: u64) -> bool {
        if is_exponential == self.exponential.is_some() {
            return false;
        }
        let before = Before::new(self.count(), self.sum, then);
        self.exponential = is_exponential.then(|| Box::new(Exponential::after(before)));
        is_exponential
    }

    /// Its exponential buckets began no later than this.
    pub(super) fn began_by(&mut self, now: u64) {
        if let Some(exponential) = &mut self.exponential {
            exponential.began_by(now);
        }
    }

    /// Counts a value, which is finite and not negative, in the bucket whose upper bound it does not exceed.
    pub(super) fn record(&mut self, value: f64, bounds: &[f64], exemplar: Option<Exemplar>) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
        self.sum += value;
        if let Some(exponential) = &mut self.exponential {
            exponential.record(value);
        }
        let Some(exemplar) = exemplar else { return };
        match self.exemplars.binary_search_by_key(&bucket, |(of, _)| *of) {
            Ok(at) => self.exemplars[at].1 = exemplar,
            Err(at) => {
                if self.exemplars.is_empty() {
                    // Many never have another.
                    self.exemplars.reserve_exact(1);
                }
                self.exemplars.insert(at, (bucket, exemplar));
            }
        }
    }

    /// How many values each bucket has.
    pub(in crate::telemetry) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many values there were.
    pub(in crate::telemetry) fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// All values together.
    pub(in crate::telemetry) fn sum(&self) -> f64 {
        self.sum
    }

    /// The exemplars, each with its bucket.
    pub(in crate::telemetry) fn exemplars(&self) -> &[(usize, Exemplar)] {
        &self.exemplars
    }

    /// The same values in exponential buckets, if they are counted so too.
    pub(in crate::telemetry) fn exponential(&self) -> Option<&Exponential> {
        self.exponential.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [f64; 2] = [0.5, 10.0];

    fn exemplar(value: f64, time: u64) -> Exemplar {
        Exemplar {
            trace_id: [1; 16],
            span_id: [2; 8],
            value,
            time,
        }
    }

    #[test]
    fn a_value_is_in_the_bucket_whose_upper_bound_it_does_not_exceed() {
        let mut histogram = Histogram::new(BOUNDS.len(), false);
        for value in [0.0, 0.5, 0.500_001, 10.0, 11.0] {
            histogram.record(value, &BOUNDS, None);
        }
        assert_eq!(histogram.counts(), [2, 2, 1]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 22.000_001));
        assert_eq!(histogram.exponential(), None);
    }

    #[test]
    fn the_newest_exemplar_of_each_bucket_is_kept() {
        let mut histogram = Histogram::new(BOUNDS.len(), false);
        for (value, time) in [(11.0, 1), (0.1, 2), (99.0, 3), (0.2, 4)] {
            histogram.record(value, &BOUNDS, Some(exemplar(value, time)));
        }
        assert_eq!(
            histogram.exemplars(),
            [(0, exemplar(0.2, 4)), (2, exemplar(99.0, 3))]
        );
    }

    #[test]
    fn parts_that_do_not_fit_together_are_not_restored() {
        let restored = |sum, exponential| Histogram::restored(Box::from([1, 0, 2]), sum, exponential);
        assert!(restored(3.0, None).is_some());
        assert!(restored(f64::NAN, None).is_none());
        assert!(restored(3.0, Some(Box::default())).is_none());
    }
}
