//! From the figures of several rounds to one and its spread. Pure.
//!
//! On a machine that others use as well, some rounds are disturbed, always in the same direction and sometimes by
//! much: means and standard deviations would tell of the disturbance. The median does not, and its confidence
//! interval by order statistics assumes nothing about how the figures are distributed (T. Hoefler and R. Belli,
//! "Scientific Benchmarking of Parallel Computing Systems", 2015, section 3.1.3).

use serde::Serialize;

/// The share of intervals that are to hold the median.
const CONFIDENCE: f64 = 0.95;

/// What several rounds come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// The lower end of the median's interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How probable it is that the interval holds the median, 0 to 1: 0.95 or more from six rounds on. Fewer cannot
    /// tell that; the interval is then from the least to the most.
    pub confidence: f64,
}

impl Summary {
    /// Sums figures up; `None` of no figures, or where one is not a number.
    #[must_use]
    pub fn of(figures: &[f64]) -> Option<Self> {
        if figures.is_empty() || figures.iter().any(|figure| !figure.is_finite()) {
            return None;
        }
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (below, confidence) = interval(sorted.len());
        let last = sorted.len() - 1;
        Some(Self {
            median: f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]),
            low: sorted[below],
            high: sorted[last - below],
            confidence,
        })
    }
}

/// How many figures are left out at each end, and how probably the rest holds the median: as many as confidence
/// allows. Each figure is below the median with probability a half, so how many are follows the binomial
/// distribution.
fn interval(number: usize) -> (usize, f64) {
    // The probability that exactly so many of the figures are below the median.
    let mut exactly = 0.5_f64.powi(i32::try_from(number).unwrap_or(i32::MAX));
    let mut outside = 2.0 * exactly;
    let mut below = 0;
    let mut confidence = 1.0 - outside;
    while 2 * (below + 1) < number {
        exactly *= (number - below) as f64 / (below + 1) as f64;
        outside += 2.0 * exactly;
        if 1.0 - outside < CONFIDENCE {
            break;
        }
        below += 1;
        confidence = 1.0 - outside;
    }
    (below, confidence.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let summary = Summary::of(&[3.0, 1.0, 2.0]).expect("figures");
        assert!((summary.median - 2.0).abs() < 1e-9);
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).expect("figures");
        assert!((summary.median - 2.5).abs() < 1e-9);
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    }

    /// The ranks and probabilities of the tables, for example in J.-Y. Le Boudec, "Performance Evaluation of
    /// Computer and Communication Systems", appendix A.
    #[test]
    fn the_interval_leaves_out_as_many_as_confidence_allows() {
        for (number, below, confidence) in [
            (1, 0, 0.0),
            (5, 0, 0.9375),
            (6, 0, 0.969),
            (9, 1, 0.961),
            (15, 3, 0.965),
            (30, 9, 0.957),
        ] {
            let (found, probability) = interval(number);
            assert_eq!(found, below, "{number}");
            assert!((probability - confidence).abs() < 1e-3, "{number}: {probability}");
        }
    }

    #[test]
    fn one_disturbed_round_of_nine_moves_neither_the_median_nor_the_interval() {
        let calm = [10.0, 10.1, 9.9, 10.2, 9.8, 10.0, 10.1, 9.9, 10.0];
        let mut disturbed = calm;
        disturbed[3] = 100.0;
        let (calm, disturbed) = (Summary::of(&calm), Summary::of(&disturbed));
        assert!((calm.expect("figures").median - disturbed.expect("figures").median).abs() < 0.1);
        assert!(disturbed.expect("figures").high < 11.0);
    }
}
