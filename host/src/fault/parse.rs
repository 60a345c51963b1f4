//! The grammar of faults: text to finished types, and what is wrong with it in a sentence. Where a fault
//! happens is read in `place`. Pure.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::place::split_outside_brackets;
use super::{Chance, Fault, FaultKind, InjectedError, InvalidFault, Limits};
use crate::units::{parse_duration, parse_size, show_duration};
use crate::words::{alternatives, nearest, quoted};

/// How long a fault may wait: no run has more time than an hour.
const PAUSES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
/// The pause of `drip` without one: an answer of some hundred bytes takes seconds, which is slow enough
/// to be seen and to meet most deadlines.
const DEFAULT_DRIP: Duration = Duration::from_millis(10);
/// The words of the kinds that are no errors.
const OTHER_KINDS: [&str; 5] = ["delay", "drip", "reset-after", "truncate", "memory-pressure"];
/// What may follow a kind.
const OPTIONS: [&str; 4] = ["times", "for", "probability", "seed"];

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (place, after) = split_outside_brackets(text, |character| character == '=');
        let Some(what) = after.strip_prefix('=') else {
            let found = quoted(text);
            return Err(InvalidFault(if place.contains('[') && text.contains('=') {
                format!("found {found}, wanted a `]` at the end of the phase's detail")
            } else {
                format!("found {found}, wanted a place and a kind, such as `net.read#3=reset`")
            }));
        };
        let mut words = Words::of(what);
        let kind = words.kind()?;
        let limits = words.limits()?;
        Self::new(place.parse()?, kind, limits)
    }
}

impl FromStr for FaultKind {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let mut words = Words::of(text);
        let kind = words.kind()?;
        match words.next() {
            None => Ok(kind),
            Some(more) => Err(InvalidFault(format!(
                "found {} after `{kind}`, wanted nothing more",
                quoted(more)
            ))),
        }
    }
}

impl Limits {
    /// Sets one of the options by its name.
    ///
    /// # Errors
    ///
    /// When there is no such option, or the value is not one of it.
    fn set(&mut self, option: &str, value: &str) -> Result<(), InvalidFault> {
        match option {
            "times" => self.times = Some(times(value)?),
            "for" => self.window = Some(window(value)?),
            "probability" => {
                let seed = self.chance.map_or(0, |chance| chance.seed);
                self.chance = Some(Chance {
                    probability: probability(value)?,
                    seed,
                });
            }
            _ => {
                let chance = self.chance.as_mut().ok_or_else(|| {
                    InvalidFault(
                        "found `seed` without `probability` before it, wanted both or neither".into(),
                    )
                })?;
                chance.seed = seed(value)?;
            }
        }
        Ok(())
    }
}

fn times(text: &str) -> Result<NonZeroU64, InvalidFault> {
    text.parse().map_err(|_| {
        InvalidFault(format!(
            "found {} for `times`, wanted a whole number from 1, such as `times 3`",
            quoted(text)
        ))
    })
}

fn window(text: &str) -> Result<Duration, InvalidFault> {
    let window = parse_duration(text).map_err(|error| InvalidFault(format!("`for`: {error}")))?;
    if Limits::WINDOWS.contains(&window) {
        return Ok(window);
    }
    let [shortest, longest] = [Limits::WINDOWS.start(), Limits::WINDOWS.end()].map(|end| show_duration(*end));
    Err(InvalidFault(format!(
        "found {} for `for`, wanted a duration from {shortest} to {longest}",
        quoted(text)
    )))
}

fn probability(text: &str) -> Result<f64, InvalidFault> {
    let number = text.parse().ok();
    number.filter(|&number: &f64| number > 0.0 && number <= 1.0).ok_or_else(|| {
        InvalidFault(format!(
            "found {} for `probability`, wanted a number above 0 and at most 1, such as `probability 0.5`",
            quoted(text)
        ))
    })
}

fn seed(text: &str) -> Result<u64, InvalidFault> {
    text.parse().map_err(|_| {
        InvalidFault(format!(
            "found {} for `seed`, wanted a whole number from 0, such as `seed 7`",
            quoted(text)
        ))
    })
}

/// What stands after the `=`, word by word.
struct Words<'t>(std::iter::Peekable<std::str::SplitWhitespace<'t>>);

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        Self(text.split_whitespace().peekable())
    }

    fn next(&mut self) -> Option<&'t str> {
        self.0.next()
    }

    fn kind(&mut self) -> Result<FaultKind, InvalidFault> {
        let word = self
            .next()
            .ok_or_else(|| InvalidFault("found no kind, wanted one, such as `reset` or `delay 3s`".into()))?;
        match word {
            "delay" => {
                let delay = self.pause("delay 3s")?;
                if delay.is_zero() {
                    return Err(InvalidFault(
                        "found `delay 0s`, wanted some time, such as `delay 3s`".into(),
                    ));
                }
                Ok(FaultKind::Delay(delay))
            }
            "drip" => {
                let has_pause = self.0.peek().is_some_and(|next| !OPTIONS.contains(next));
                let pause = if has_pause {
                    self.pause("drip 10ms")?
                } else {
                    DEFAULT_DRIP
                };
                Ok(FaultKind::Drip(pause))
            }
            "reset" if self.0.next_if_eq(&"after").is_some() => self.reset_after(),
            "reset-after" => self.reset_after(),
            "truncate" => Ok(FaultKind::Truncate(self.size("truncate 100B")?)),
            "memory-pressure" => Ok(FaultKind::MemoryPressure),
            word => error_named(word).map(FaultKind::Error),
        }
    }

    fn reset_after(&mut self) -> Result<FaultKind, InvalidFault> {
        match self.size("reset-after 100B")? {
            0 => Err(InvalidFault(
                "found `reset-after 0B`, wanted at least `1B`; `reset` resets at once".into(),
            )),
            bytes => Ok(FaultKind::ResetAfter(bytes)),
        }
    }

    fn pause(&mut self, example: &str) -> Result<Duration, InvalidFault> {
        let text = self.argument("a duration", example)?;
        let pause = parse_duration(text).map_err(InvalidFault)?;
        if PAUSES.contains(&pause) {
            Ok(pause)
        } else {
            Err(InvalidFault(format!(
                "found {}, wanted at most `1h`, which is all that a run can have",
                quoted(text)
            )))
        }
    }

    fn size(&mut self, example: &str) -> Result<u64, InvalidFault> {
        let text = self.argument("a size", example)?;
        parse_size(text).map_err(InvalidFault)
    }

    fn argument(&mut self, wanted: &str, example: &str) -> Result<&'t str, InvalidFault> {
        let word = example.split(' ').next().unwrap_or(example);
        self.next().ok_or_else(|| {
            InvalidFault(format!(
                "found `{word}` alone, wanted {wanted} after it, such as `{example}`"
            ))
        })
    }

    fn limits(&mut self) -> Result<Limits, InvalidFault> {
        let mut limits = Limits::default();
        let mut seen: Vec<&str> = Vec::new();
        while let Some(option) = self.next() {
            if !OPTIONS.contains(&option) {
                return Err(InvalidFault(unknown("an option", option, &OPTIONS)));
            }
            if seen.contains(&option) {
                return Err(InvalidFault(format!(
                    "found `{option}` twice, wanted it once at most"
                )));
            }
            seen.push(option);
            let value = self.next().ok_or_else(|| {
                InvalidFault(format!("found `{option}` at the end, wanted its value after it"))
            })?;
            limits.set(option, value)?;
        }
        Ok(limits)
    }
}

fn error_named(word: &str) -> Result<InjectedError, InvalidFault> {
    let named = |error: &InjectedError| error.as_str() == word || error.short() == Some(word);
    InjectedError::ALL.into_iter().find(named).ok_or_else(|| {
        let shorts = InjectedError::ALL.into_iter().filter_map(InjectedError::short);
        let names = InjectedError::ALL.into_iter().map(InjectedError::as_str);
        let words: Vec<&str> = names.chain(shorts).chain(OTHER_KINDS).collect();
        InvalidFault(unknown("a kind of fault", word, &words))
    })
}

fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let quoted = quoted(found);
    match nearest(found, known.iter().copied()) {
        Some(near) => format!("found {quoted}, did you mean `{near}`?"),
        None => format!(
            "found {quoted}, wanted {what}: {}",
            alternatives(known.iter().copied())
        ),
    }
}
