//! Values counted in exponential buckets, as OpenTelemetry's data model has them (metrics data model, section
//! `ExponentialHistogram`): bucket `i` of a scale `s` has the values above `b^i` and up to `b^(i+1)`, with
//! `b = 2^(2^-s)`. Pure. Values are finite and not negative, so that there are no buckets for negative ones.

use serde::{Deserialize, Serialize};

/// The most buckets: what OpenTelemetry's SDKs have. Durations between 1 ms and 1 min are then told apart to 4 %.
pub(super) const MOST_BUCKETS: usize = 160;
/// The finest scale, and the one to begin with: OpenTelemetry's SDKs have the same.
const FINEST: i32 = 20;
/// The coarsest scale: all finite values are in two buckets.
const COARSEST: i32 = -10;
/// Bits of the fraction of a double.
const FRACTION: u32 = 52;
/// The exponent that stands for 0 in a double.
const BIAS: i32 = 1023;

/// What was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::telemetry) struct Exponential {
    scale: i32,
    /// The index of the first bucket.
    offset: i32,
    counts: Vec<u64>,
    zeros: u64,
    /// What the histogram had counted when these buckets began, if they began later than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Box<Before>>,
}

/// What was counted before, in other buckets only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::telemetry) struct Before {
    /// How many values.
    pub(super) count: u64,
    /// The bits of their sum, a double.
    sum: u64,
    /// When that ended, in nanoseconds since 1970.
    pub(super) end: u64,
}

impl Before {
    /// So many values of this sum, until then.
    pub(super) fn new(count: u64, sum: f64, end: u64) -> Self {
        let sum = sum.to_bits();
        Self { count, sum, end }
    }

    /// Their sum.
    pub(super) fn sum(&self) -> f64 {
        f64::from_bits(self.sum)
    }
}

impl Default for Exponential {
    fn default() -> Self {
        Self {
            scale: FINEST,
            offset: 0,
            counts: Vec::new(),
            zeros: 0,
            before: None,
        }
    }
}

impl Exponential {
    /// Nothing counted yet, of a histogram that has counted this.
    pub(super) fn after(before: Before) -> Self {
        Self {
            before: Some(Box::new(before)),
            ..Self::default()
        }
    }

    /// What the histogram had counted when these buckets began, if they began later than it.
    pub(super) fn before(&self) -> Option<&Before> {
        self.before.as_deref()
    }

    /// Began no later than this.
    pub(super) fn began_by(&mut self, now: u64) {
        if let Some(before) = &mut self.before {
            before.end = before.end.min(now);
        }
    }

    /// Counts a value, and makes the buckets coarser where there are too many of them.
    pub(super) fn record(&mut self, value: f64) {
        if value <= 0.0 {
            self.zeros = self.zeros.saturating_add(1);
            return;
        }
        let mut index = index(value, self.scale);
        while self.span_with(index) > MOST_BUCKETS && self.scale > COARSEST {
            self.coarsen();
            index = self::index(value, self.scale);
        }
        self.add(index, 1);
    }

    /// Each bucket of the next scale is two of this one.
    fn coarsen(&mut self) {
        let (offset, counts) = (self.offset, std::mem::take(&mut self.counts));
        self.scale -= 1;
        for (index, count) in (offset..).zip(counts) {
            if count > 0 {
                self.add(index >> 1, count);
            }
        }
    }

    fn add(&mut self, index: i32, more: u64) {
        if self.counts.is_empty() {
            self.offset = index;
        }
        while index < self.offset {
            self.counts.insert(0, 0);
            self.offset -= 1;
        }
        let at = usize::try_from(index - self.offset).unwrap_or_default();
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] = self.counts[at].saturating_add(more);
    }

    /// How many buckets there are with this one.
    fn span_with(&self, index: i32) -> usize {
        let length = i32::try_from(self.counts.len()).unwrap_or(i32::MAX);
        if length == 0 {
            return 1;
        }
        let (first, last) = (self.offset.min(index), (self.offset + length - 1).max(index));
        usize::try_from(i64::from(last) - i64::from(first) + 1).unwrap_or(usize::MAX)
    }

    /// How fine the buckets are.
    pub(in crate::telemetry) fn scale(&self) -> i32 {
        self.scale
    }

    /// The index of the first bucket.
    pub(in crate::telemetry) fn offset(&self) -> i32 {
        self.offset
    }

    /// How many values each bucket has.
    pub(in crate::telemetry) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many values were zero.
    pub(in crate::telemetry) fn zeros(&self) -> u64 {
        self.zeros
    }

    /// How many values there were.
    pub(in crate::telemetry) fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(self.zeros, |sum, count| sum.saturating_add(*count))
    }

    /// Whether one that was kept can be gone on with.
    pub(super) fn is_sound(&self) -> bool {
        (COARSEST..=FINEST).contains(&self.scale)
            && self.counts.len() <= MOST_BUCKETS
            && self.before().is_none_or(|before| before.sum().is_finite())
            && self.offset.checked_abs().is_some_and(|offset| offset <= 1 << 30)
    }
}

/// The bucket of a positive value. Subnormal ones are in that of the least normal one.
fn index(value: f64, scale: i32) -> i32 {
    let value = value.max(f64::MIN_POSITIVE);
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> FRACTION & 0x7ff).unwrap_or_default() - BIAS;
    let is_power_of_two = bits & ((1 << FRACTION) - 1) == 0;
    if is_power_of_two {
        // An upper bound belongs to its bucket; logarithms are not exact enough to tell.
        return if scale > 0 {
            (exponent << scale) - 1
        } else {
            (exponent - 1) >> -scale
        };
    }
    if scale <= 0 {
        return exponent >> -scale;
    }
    // Of the fraction alone, so that the result is as exact for very large values as for those near 1.
    let fraction = f64::from_bits(bits & ((1 << FRACTION) - 1) | 1023 << FRACTION);
    let steps = f64::from(1_u32 << scale);
    #[expect(clippy::cast_possible_truncation, reason = "less than 2^20")]
    let within = (fraction.log2() * steps).ceil().clamp(1.0, steps) as i32;
    (exponent << scale) + within - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(values: &[f64]) -> Exponential {
        let mut counted = Exponential::default();
        values.iter().for_each(|value| counted.record(*value));
        counted
    }

    /// The bounds of a bucket: above the first, up to the second.
    fn bounds(index: i32, scale: i32) -> (f64, f64) {
        let bound = |index: i32| (f64::from(index) * f64::from(-scale).exp2()).exp2();
        (bound(index), bound(index + 1))
    }

    #[test]
    fn every_value_is_between_the_bounds_of_its_bucket_at_every_scale() {
        for scale in COARSEST..=FINEST {
            for value in [1e-300, 0.000_123, 0.75, 1.0, 1.000_001, 3.7, 4.0, 1e9, 1e300] {
                let (above, up_to) = bounds(index(value, scale), scale);
                // The bounds are computed, and so not exact.
                assert!(
                    above <= value * (1.0 + 1e-12) && value <= up_to * (1.0 + 1e-12),
                    "{value} at {scale}: {above}..{up_to}"
                );
            }
        }
    }

    #[test]
    fn an_upper_bound_belongs_to_its_bucket() {
        for (value, scale, bucket) in [
            (1.0, 0, -1),
            (1.000_1, 0, 0),
            (2.0, 0, 0),
            (2.000_1, 0, 1),
            (4.0, 1, 3),
            (4.0, -1, 0),
            (4.000_1, -1, 1),
            (1.0, 20, -1),
            (f64::MIN_POSITIVE / 2.0, 0, -1023),
            (f64::MAX, 0, 1023),
            (f64::MAX, -10, 0),
            (f64::MIN_POSITIVE, -10, -1),
        ] {
            assert_eq!(index(value, scale), bucket, "{value} at {scale}");
        }
    }

    #[test]
    fn buckets_become_coarser_before_there_are_too_many_and_nothing_is_lost() {
        let values: Vec<f64> = (0..=10_000).map(|step| f64::from(step) / 100.0).collect();
        let counted = counted(&values);
        assert!(counted.counts().len() <= MOST_BUCKETS);
        assert_eq!((counted.count(), counted.zeros()), (10_001, 1));
        // 10^4 from the least to the largest: 13.3 powers of two, of which 160 buckets hold 8 steps each.
        assert_eq!(counted.scale(), 3);
        for (bucket, count) in (counted.offset()..).zip(counted.counts()) {
            let (above, up_to) = bounds(bucket, counted.scale());
            let inside = values
                .iter()
                .filter(|value| above + 1e-12 < **value && **value <= up_to + 1e-12);
            assert_eq!(inside.count() as u64, *count, "{above}..{up_to}");
        }
    }

    #[test]
    fn the_extremes_fit_together() {
        let counted = counted(&[f64::MAX, f64::MIN_POSITIVE, 5e-324, 1.0]);
        assert_eq!(counted.count(), 4);
        assert!(
            counted.counts().len() <= MOST_BUCKETS && counted.is_sound(),
            "{counted:?}"
        );
    }
}
