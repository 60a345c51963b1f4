//! From the samples of a row to its lines with figures, held against their goals. Pure.

use serde::Serialize;

use crate::row::{Goal, Line, Sample};
use crate::statistics::Summary;

/// What one side measured, round by round.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The side.
    pub side: String,
    /// A sample for each round; `None` where there was none.
    pub samples: Vec<Sample>,
}

/// A line with its figure.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The line.
    pub line: Line,
    /// The ratio, or the figure where the line is absolute.
    pub summary: Option<Summary>,
    /// The line's own figure by itself.
    pub own: Option<Summary>,
    /// The other side's.
    pub peer: Option<Summary>,
    /// Whether the goal is reached.
    pub verdict: Verdict,
}

/// Whether a goal is reached, and whether that is sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval is within the goal.
    Met,
    /// The whole interval misses the goal.
    Missed,
    /// The goal is inside the interval: measure longer, or on a quieter machine.
    WithinTheNoise,
    /// There is no goal.
    NoGoal,
    /// There is no figure.
    NotMeasured,
}

/// Holds a line against what was measured.
#[must_use]
pub fn judge(line: &Line, measured: &[Measured]) -> Judged {
    let own = figures(measured, &line.of, line);
    let peer = line.against.as_ref().map(|side| figures(measured, side, line));
    let summary = match &peer {
        Some(peer) => {
            let ratios: Vec<f64> = own.iter().zip(peer).map(|(own, peer)| own / peer).collect();
            Summary::of(&ratios)
        }
        None => Summary::of(&own),
    };
    Judged {
        line: line.clone(),
        verdict: summary.map_or(Verdict::NotMeasured, |summary| verdict(line.goal, summary)),
        own: Summary::of(&own),
        peer: peer.and_then(|figures| Summary::of(&figures)),
        summary,
    }
}

fn figures(measured: &[Measured], side: &str, line: &Line) -> Vec<f64> {
    let found = measured.iter().find(|measured| measured.side == side);
    let samples = found.map_or(&[][..], |measured| &measured.samples);
    samples
        .iter()
        .filter_map(|sample| sample.get(line.quantity))
        .collect()
}

fn verdict(goal: Goal, summary: Summary) -> Verdict {
    let (worst, best, goal) = match goal {
        Goal::None => return Verdict::NoGoal,
        Goal::AtMost(most) => (summary.high, summary.low, most),
        // The other way round, so that less is better in both cases.
        Goal::AtLeast(least) => (-summary.low, -summary.high, -least),
    };
    if worst <= goal {
        Verdict::Met
    } else if best > goal {
        Verdict::Missed
    } else {
        Verdict::WithinTheNoise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RATE;

    fn measured(side: &str, rates: &[f64]) -> Measured {
        Measured {
            side: side.into(),
            samples: rates.iter().map(|&rate| Sample::new().with(RATE, rate)).collect(),
        }
    }

    fn verdict_of(own: &[f64], peer: &[f64], goal: Goal) -> Verdict {
        let line = Line::ratio("rate", RATE, "ours", "theirs").goal(goal);
        judge(&line, &[measured("ours", own), measured("theirs", peer)]).verdict
    }

    #[test]
    fn ratios_are_made_round_by_round() {
        let line = Line::ratio("rate", RATE, "ours", "theirs");
        // Both are twice as slow in the second round, which their ratio does not show.
        let judged = judge(
            &line,
            &[measured("ours", &[10.0, 5.0]), measured("theirs", &[20.0, 10.0])],
        );
        let summary = judged.summary.expect("two rounds");
        assert!((summary.low - 0.5).abs() < 1e-9 && (summary.high - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_goal_is_met_only_by_the_whole_interval() {
        let peer = [10.0; 5];
        let own = [8.0, 9.0, 8.5, 8.6, 8.4];
        assert_eq!(verdict_of(&own, &peer, Goal::AtLeast(0.7)), Verdict::Met);
        assert_eq!(
            verdict_of(&own, &peer, Goal::AtLeast(0.85)),
            Verdict::WithinTheNoise
        );
        assert_eq!(verdict_of(&own, &peer, Goal::AtLeast(0.95)), Verdict::Missed);
        assert_eq!(verdict_of(&own, &peer, Goal::AtMost(0.95)), Verdict::Met);
        assert_eq!(verdict_of(&own, &peer, Goal::AtMost(0.5)), Verdict::Missed);
        assert_eq!(verdict_of(&own, &peer, Goal::None), Verdict::NoGoal);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert_eq!(verdict_of(&[1.0], &[], Goal::AtLeast(0.0)), Verdict::NotMeasured);
        assert_eq!(
            verdict_of(&[1.0], &[0.0], Goal::AtLeast(0.0)),
            Verdict::NotMeasured
        );
    }
}
