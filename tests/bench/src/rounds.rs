//! Measuring a stand: rounds in which every side has a turn, so that whatever else the machine does falls on all of
//! them alike. Every second round goes backwards: what a side leaves behind for the next falls on all as well.

use std::time::Duration;

use crate::row::{Rounds, Sample, Stand, Turn};
use crate::verdict::Measured;

/// How a run of the benchmark measures.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many rounds, at least 1.
    pub rounds: usize,
    /// How long a turn is, for sides that can choose.
    pub turn: Duration,
    /// Whether rows are to make do with little.
    pub is_quick: bool,
}

/// Nine rounds: the fewest whose interval leaves out the least and the most and still holds the median with 95 %.
pub const ROUNDS: usize = 9;
/// Five rounds: a figure in seconds, whose interval is from the least to the most.
pub const QUICK_ROUNDS: usize = 5;
/// Half a second: long against the scheduler's slices and against a tick of the clock that other processes are
/// measured by, short enough for a disturbance to fall on one turn.
pub const TURN: Duration = Duration::from_millis(500);
/// A fifth of that.
pub const QUICK_TURN: Duration = Duration::from_millis(100);

/// Measures all sides. What was measured before a side failed is kept.
///
/// # Errors
///
/// The sentence of the first side that could not be measured, with its name.
pub fn measure(stand: &mut Stand, plan: Plan, rounds: Rounds) -> (Vec<Measured>, Result<(), String>) {
    let mut measured: Vec<Measured> = stand
        .sides
        .iter()
        .map(|side| Measured {
            side: side.name.clone(),
            samples: Vec::new(),
        })
        .collect();
    let ended = measure_into(&mut measured, stand, plan, rounds);
    // A round in which a side failed is not whole; its figures have nothing to stand beside.
    let whole = measured
        .iter()
        .map(|measured| measured.samples.len())
        .min()
        .unwrap_or(0);
    for measured in &mut measured {
        measured.samples.truncate(whole);
    }
    (measured, ended)
}

fn measure_into(
    measured: &mut [Measured],
    stand: &mut Stand,
    plan: Plan,
    rounds: Rounds,
) -> Result<(), String> {
    let turn = Turn {
        length: plan.turn,
        is_quick: plan.is_quick,
    };
    let rounds = match rounds {
        Rounds::AsAsked => {
            for side in 0..stand.sides.len() {
                let warm_up = Turn {
                    length: plan.turn / 2,
                    ..turn
                };
                take(stand, side, &warm_up)?;
            }
            plan.rounds
        }
        Rounds::AtMost(most) => plan.rounds.min(most),
    };
    for round in 0..rounds {
        let forwards = 0..stand.sides.len();
        let order: Vec<usize> = if round % 2 == 0 {
            forwards.collect()
        } else {
            forwards.rev().collect()
        };
        for side in order {
            let sample = take(stand, side, &turn)?;
            measured[side].samples.push(sample);
        }
    }
    Ok(())
}

fn take(stand: &mut Stand, side: usize, turn: &Turn) -> Result<Sample, String> {
    let side = &mut stand.sides[side];
    (side.measure)(turn).map_err(|sentence| format!("{}: {sentence}", side.name))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::row::RATE;

    const PLAN: Plan = Plan {
        rounds: 3,
        turn: Duration::from_millis(2),
        is_quick: true,
    };

    /// A stand of two sides that note when they are measured; the first fails at that turn.
    fn noting(failing: usize) -> (Stand, Rc<RefCell<String>>) {
        let notes = Rc::new(RefCell::new(String::new()));
        let side = |name: char, failing: usize| {
            let (notes, mut turns) = (Rc::clone(&notes), 0);
            move |_: &Turn| {
                notes.borrow_mut().push(name);
                turns += 1;
                if turns == failing {
                    return Err("enough".to_owned());
                }
                Ok(Sample::new().with(RATE, 1.0))
            }
        };
        let stand = Stand::new().side("a", side('a', failing)).side("b", side('b', 0));
        (stand, notes)
    }

    #[test]
    fn rounds_alternate_after_one_to_warm_up() {
        let (mut stand, notes) = noting(0);
        let (measured, ended) = measure(&mut stand, PLAN, Rounds::AsAsked);
        assert_eq!(ended, Ok(()));
        assert_eq!(*notes.borrow(), "ababbaab");
        assert!(measured.iter().all(|measured| measured.samples.len() == 3));
    }

    #[test]
    fn a_row_of_long_turns_has_few_and_no_warm_up() {
        let (mut stand, notes) = noting(0);
        assert_eq!(measure(&mut stand, PLAN, Rounds::AtMost(1)).1, Ok(()));
        assert_eq!(*notes.borrow(), "ab");
    }

    #[test]
    fn a_side_that_fails_leaves_whole_rounds_behind() {
        let (mut stand, _) = noting(3);
        let (measured, ended) = measure(&mut stand, PLAN, Rounds::AsAsked);
        assert_eq!(ended, Err("a: enough".into()));
        assert_eq!(
            measured.iter().map(|m| m.samples.len()).collect::<Vec<_>>(),
            [1, 1]
        );
    }
}
