//! The time axis that all bars of a report share, and the deadline's mark on it. Pure.
//!
//! A run that used a good part of its time is drawn on the axis from 0 to the deadline, and the mark
//! stands where the deadline is. A short run would be a dot there, so it is drawn to its own scale:
//! the axis is then broken, and the mark behind the break is a dashed one.

use std::time::Duration;

use super::look::Charset;
use super::units;

/// The share of the deadline from which a run is drawn to the deadline's scale: below, half of the
/// columns or more would stay empty.
const TO_SCALE_FROM: f64 = 0.5;

/// Columns of the break in the axis.
const BREAK: usize = 2;

/// A time axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// Columns of time.
    columns: usize,
    /// What the last of them stands for.
    end: Duration,
    deadline: Duration,
    mark: Mark,
    glyphs: &'static Glyphs,
}

/// Where the deadline's mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// At its place in time: this column.
    ToScale(usize),
    /// Behind a break of the axis.
    BehindBreak,
}

#[derive(Debug)]
struct Glyphs {
    full: char,
    left_half: char,
    right_half: char,
    left_tick: char,
    right_tick: char,
    mark: char,
    broken_mark: char,
    line_break: &'static str,
}

const UNICODE: Glyphs = Glyphs {
    full: '█',
    left_half: '▌',
    right_half: '▐',
    left_tick: '▏',
    right_tick: '▕',
    mark: '│',
    broken_mark: '┊',
    line_break: "╱╱",
};

const ASCII: Glyphs = Glyphs {
    full: '#',
    left_half: '#',
    right_half: '#',
    left_tick: '.',
    right_tick: '.',
    mark: '|',
    broken_mark: ':',
    line_break: "//",
};

impl Axis {
    /// The axis of a run that ended after `duration`, so many columns wide.
    pub(super) fn new(duration: Duration, deadline: Duration, width: usize, charset: Charset) -> Self {
        let glyphs = match charset {
            Charset::Unicode => &UNICODE,
            Charset::Ascii => &ASCII,
        };
        let to_scale = duration.as_secs_f64() >= deadline.as_secs_f64() * TO_SCALE_FROM;
        if to_scale {
            let columns = width.saturating_sub(1).max(1);
            let at = as_index((position(deadline, duration.max(deadline)) * as_float(columns)).round());
            // A run that is over its deadline by less than a column ends at the mark.
            let end = if at == columns { deadline } else { duration };
            Self {
                columns,
                end,
                deadline,
                mark: Mark::ToScale(at),
                glyphs,
            }
        } else {
            let columns = width.saturating_sub(BREAK + 1).max(1);
            Self {
                columns,
                end: duration,
                deadline,
                mark: Mark::BehindBreak,
                glyphs,
            }
        }
    }

    /// A row: the bar from `start` to `end`, if there is one, and the deadline's mark.
    pub(super) fn row(&self, bar: Option<(Duration, Duration)>) -> String {
        let mut cells = vec![' '; self.columns];
        if let Some((start, end)) = bar {
            self.draw(&mut cells, start, end);
        }
        self.marked(cells, [' '; BREAK])
    }

    /// The row of the scale: 0, the end of a broken axis, the deadline with its value.
    pub(super) fn scale(&self) -> String {
        let mut cells = vec![' '; self.columns];
        cells[0] = '0';
        let mut gap = [' '; BREAK];
        if self.mark == Mark::BehindBreak {
            let label: Vec<char> = units::duration(self.end).chars().collect();
            // One column stays free between the zero and the label.
            if let Some(from) = self.columns.checked_sub(label.len()).filter(|from| *from > 1) {
                cells[from..].copy_from_slice(&label);
            }
            for (cell, glyph) in gap.iter_mut().zip(self.glyphs.line_break.chars()) {
                *cell = glyph;
            }
        } else if let Mark::ToScale(at) = self.mark {
            cells.truncate(at);
        }
        format!(
            "{} deadline {}",
            self.marked(cells, gap).trim_end(),
            units::duration(self.deadline)
        )
    }

    /// Whether a character of a row is the deadline's mark.
    pub(super) fn is_mark(&self, character: char) -> bool {
        character == self.glyphs.mark || character == self.glyphs.broken_mark
    }

    fn marked(&self, mut cells: Vec<char>, gap: [char; BREAK]) -> String {
        match self.mark {
            // The mark goes over a bar that passes the deadline, and behind one that ends at it.
            Mark::ToScale(at) if at < cells.len() => {
                cells[at] = self.glyphs.mark;
                cells.push(' ');
            }
            Mark::ToScale(_) => cells.push(self.glyphs.mark),
            Mark::BehindBreak => {
                cells.extend(gap);
                cells.push(self.glyphs.broken_mark);
            }
        }
        cells.into_iter().collect()
    }

    /// Draws a bar in half columns; one shorter than half a column is a thin line at its place.
    fn draw(&self, cells: &mut [char], start: Duration, end: Duration) {
        let halves = as_float(self.columns) * 2.0;
        let first = as_index((position(start, self.end) * halves).round());
        let behind = as_index((position(end, self.end) * halves).round());
        if behind <= first {
            let at = first.min(self.columns * 2 - 1);
            let tick = if at.is_multiple_of(2) {
                self.glyphs.left_tick
            } else {
                self.glyphs.right_tick
            };
            cells[at / 2] = tick;
            return;
        }
        let covered = first..behind;
        for (at, cell) in cells.iter_mut().enumerate() {
            *cell = match (covered.contains(&(at * 2)), covered.contains(&(at * 2 + 1))) {
                (true, true) => self.glyphs.full,
                (true, false) => self.glyphs.left_half,
                (false, true) => self.glyphs.right_half,
                (false, false) => ' ',
            };
        }
    }
}

/// Where a moment lies on an axis: 0 at its beginning, 1 at its end and behind. An axis of no time
/// is all end.
fn position(moment: Duration, end: Duration) -> f64 {
    if end.is_zero() {
        1.0
    } else {
        (moment.as_secs_f64() / end.as_secs_f64()).min(1.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "columns of a terminal")]
fn as_float(columns: usize) -> f64 {
    columns as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "columns of a terminal"
)]
fn as_index(columns: f64) -> usize {
    columns as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn axis(duration: u64, deadline: u64) -> Axis {
        Axis::new(at(duration), at(deadline), 21, Charset::Unicode)
    }

    #[test]
    fn a_run_that_hit_its_deadline_is_drawn_to_the_deadlines_scale() {
        let axis = axis(400, 400);
        assert_eq!(axis.row(Some((at(0), at(100)))), "█████               │");
        assert_eq!(axis.row(Some((at(100), at(400)))), "     ███████████████│");
        assert_eq!(axis.row(None), "                    │");
        assert_eq!(axis.scale(), "0                   │ deadline 400 ms");
    }

    #[test]
    fn the_mark_stays_at_the_deadline_when_the_run_ends_before_or_behind_it() {
        assert_eq!(
            axis(300, 400).row(Some((at(200), at(300)))),
            "          █████     │"
        );
        let over = axis(400, 300);
        assert_eq!(over.row(Some((at(0), at(400)))), "███████████████│████ ");
        assert_eq!(over.row(Some((at(0), at(100)))), "█████          │     ");
        assert_eq!(over.scale(), "0              │ deadline 300 ms");
        let hardly_over = Axis::new(at(301), at(300), 21, Charset::Unicode);
        assert_eq!(hardly_over.row(Some((at(150), at(301)))), "          ██████████│");
        assert_eq!(hardly_over.row(Some((at(300), at(301)))), "                   ▕│");
    }

    #[test]
    fn a_short_run_has_its_own_scale_and_the_deadline_behind_a_break() {
        let axis = axis(36, 5000);
        assert_eq!(axis.row(Some((at(0), at(36)))), "██████████████████  ┊");
        assert_eq!(axis.row(Some((at(18), at(19)))), "         ▌          ┊");
        assert_eq!(axis.scale(), "0            36 ms╱╱┊ deadline 5 s");
    }

    #[test]
    fn what_is_too_short_for_a_bar_is_a_line_at_its_place() {
        let axis = axis(400, 400);
        let tick = |moment| axis.row(Some((at(moment), at(moment) + Duration::from_micros(10))));
        assert_eq!(tick(0), "▏                   │");
        assert_eq!(tick(110), "     ▕              │");
        assert_eq!(tick(400), "                   ▕│");
    }

    #[test]
    fn half_columns_begin_and_end_bars() {
        assert_eq!(
            axis(400, 400).row(Some((at(50), at(130)))),
            "  ▐███▌             │"
        );
    }

    #[test]
    fn ascii_has_the_same_columns() {
        let axis = Axis::new(at(36), at(5000), 21, Charset::Ascii);
        assert_eq!(axis.row(Some((at(0), at(18)))), "#########           :");
        assert_eq!(axis.scale(), "0            36 ms//: deadline 5 s");
    }

    #[test]
    fn no_time_at_all_is_no_division_by_zero() {
        let axis = Axis::new(Duration::ZERO, Duration::ZERO, 5, Charset::Unicode);
        assert_eq!(axis.row(Some((Duration::ZERO, Duration::ZERO))), "   ▕│");
    }
}
