//! When runs began that somebody may want to send again, as `bedcheck journal` is told of it. Pure.

use std::fmt;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

/// What the options of the command are exact to.
const TICK: Duration = Duration::from_millis(1);

/// From the first run that began to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    first: SystemTime,
    last: SystemTime,
}

impl Period {
    /// Of runs that began at these moments; none without any.
    pub(super) fn of(began: impl IntoIterator<Item = SystemTime>) -> Option<Self> {
        let moments = began.into_iter().map(|moment| Self {
            first: moment,
            last: moment,
        });
        moments.reduce(Self::and)
    }

    /// Both, and what is between.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}

/// The options that choose its runs: a beginning, and an end that is not of it.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let told = |moment: SystemTime| {
            OffsetDateTime::from(moment)
                .format(format)
                .map_err(|_| fmt::Error)
        };
        write!(
            f,
            "--since {} --until {}",
            told(self.first)?,
            told(self.last + TICK)?
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::parse_moment;

    fn at(micros: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
    }

    #[test]
    fn its_options_choose_its_runs() {
        let period = Period::of([at(5_000_999), at(2_000_001), at(3_000_000)]).unwrap();
        let later = Period::of([at(7_999_999)]).unwrap();
        let told = period.and(later).to_string();
        assert_eq!(
            told,
            "--since 1970-01-01T00:00:02.000Z --until 1970-01-01T00:00:08.000Z"
        );
        let moments: Vec<_> = told.split(' ').filter(|word| word.ends_with('Z')).collect();
        let moment = |text: &str| parse_moment(text, SystemTime::now()).unwrap();
        assert!(moment(moments[0]) <= at(2_000_001) && moment(moments[1]) > at(7_999_999));
        assert_eq!(Period::of([]), None);
    }
}
