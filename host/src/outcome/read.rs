//! Reading a report back from its JSON: the forms that `report` writes. Fields that are not known are ignored, so that
//! the report of a newer version can be read. Pure.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::attributes::{AttributeValue, Attributes};
use super::{DeadlineWhile, Denial, DeniedCalls, ErrorReport, ErrorType, Outcome, Report, RunId, TraceId};
use crate::outcome::Blame;
use crate::phase::HostPhase;

/// The longest word that is read: the names of host calls and of attributes are much shorter.
const MAX_WORD: usize = 128;
/// The most words that are kept: there are about a hundred, and a newer version may have more.
const MOST_WORDS: usize = 4096;

/// The words that reports have where the program has constants; kept for good, and therefore bounded.
static WORDS: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(f64::deserialize(deserializer)?)
}

pub(super) fn optional_seconds<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    Option::deserialize(deserializer)?.map(duration).transpose()
}

/// A duration of whole microseconds, as it was written.
fn duration<E: Error>(seconds: f64) -> Result<Duration, E> {
    let duration = Duration::try_from_secs_f64(seconds);
    let duration = duration.map_err(|_| E::custom(format_args!("found `{seconds}`, expected seconds")))?;
    let microseconds = (duration.as_nanos() + 500) / 1000;
    let microseconds = u64::try_from(microseconds);
    microseconds
        .map(Duration::from_micros)
        .map_err(|_| E::custom(format_args!("found `{seconds}`, expected seconds")))
}

pub(super) fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    let moment = OffsetDateTime::parse(&text, &Rfc3339);
    moment
        .map(SystemTime::from)
        .map_err(|_| D::Error::custom(format_args!("found `{text}`, expected a time as in RFC 3339")))
}

pub(super) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    kept(&String::deserialize(deserializer)?)
}

pub(super) fn optional_word<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'static str>, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?;
    word.as_deref().map(kept).transpose()
}

pub(super) fn attributes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Attributes, D::Error> {
    let read = BTreeMap::<String, AttributeValue>::deserialize(deserializer)?;
    read.into_iter()
        .map(|(name, value)| Ok((kept(&name)?, value)))
        .collect()
}

/// The word, kept for good.
fn kept<E: Error>(word: &str) -> Result<&'static str, E> {
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    let words = words.get_or_insert_default();
    if let Some(kept) = words.get(word) {
        return Ok(kept);
    }
    if word.len() > MAX_WORD || words.len() >= MOST_WORDS {
        return Err(E::custom("found an unknown word, expected one that reports have"));
    }
    let kept: &'static str = Box::leak(word.into());
    words.insert(kept);
    Ok(kept)
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes(deserializer).map(Self)
    }
}

fn bytes<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || {
        D::Error::custom(format_args!(
            "found `{text}`, expected {} hexadecimal digits",
            N * 2
        ))
    };
    let digits = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits: Vec<u8> = digits.collect::<Option<_>>().ok_or_else(wrong)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low);
    let bytes: Vec<u8> = bytes.collect();
    match <[u8; N]>::try_from(bytes) {
        Ok(bytes) if rest.is_empty() => Ok(bytes),
        _ => Err(wrong()),
    }
}

/// A type that is not of the list is taken for one of a plugin's own.
impl<'de> Deserialize<'de> for ErrorType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let deadline = Self::DeadlineExceeded(DeadlineWhile::Waiting);
        let mut known = Self::NAMED.iter().chain([&deadline]);
        let found = known.find(|known| known.as_str() == word).cloned();
        Ok(found.unwrap_or(Self::Own(word)))
    }
}

/// Refusals of a kind that is not known are left out.
impl<'de> Deserialize<'de> for DeniedCalls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let of_kind = |kind: Denial| read.get(kind.as_str()).copied().unwrap_or_default();
        Ok(Self::of(Denial::ALL.map(of_kind)))
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Report {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The one that is derived: an inherent function goes before a trait's.
        let mut report = Self::deserialize(deserializer)?;
        report.tell_deadlines_apart();
        Ok(report)
    }
}

impl Report {
    /// `deadline_exceeded` is one word in a report, and three kinds of blame: they follow from whose fault the run
    /// was, from how each attempt ended and from its phase.
    fn tell_deadlines_apart(&mut self) {
        for attempt in &mut self.attempts {
            let outcome = attempt.outcome;
            let inner = attempt.phases.iter_mut().filter_map(|phase| phase.error.as_mut());
            for error in inner.chain(attempt.error.as_mut()) {
                let is_resolving = error.phase.as_deref() == Some(HostPhase::Resolve.as_str());
                error.set_deadline_while(match outcome {
                    Outcome::Error => DeadlineWhile::Computing,
                    _ if is_resolving => DeadlineWhile::Resolving,
                    _ => DeadlineWhile::Waiting,
                });
            }
        }
        if let Some(error) = &mut self.error {
            error.set_deadline_while(match self.blame {
                Some(Blame::Network) => DeadlineWhile::Resolving,
                Some(Blame::Plugin) => DeadlineWhile::Computing,
                _ => DeadlineWhile::Waiting,
            });
        }
    }
}

impl ErrorReport {
    fn set_deadline_while(&mut self, doing: DeadlineWhile) {
        if let ErrorType::DeadlineExceeded(known) = &mut self.error_type {
            *known = doing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    fn every_sample() -> Vec<Report> {
        vec![
            samples::pass(),
            samples::hang_after_banner(),
            samples::wrong_password(),
            samples::mailbox_missing(),
            samples::retry(),
            samples::injected(),
            samples::slow(),
            samples::trap(),
            samples::skipped(),
            samples::cancelled(),
            samples::hostile(),
        ]
    }

    #[test]
    fn a_report_that_is_read_back_is_the_same_and_is_written_the_same() {
        for report in every_sample() {
            let written = serde_json::to_string(&report).unwrap();
            let read: Report = serde_json::from_str(&written).unwrap();
            assert_eq!(read, report);
            assert_eq!(serde_json::to_string(&read).unwrap(), written);
        }
    }

    #[test]
    fn numbers_are_read_to_the_last_digit_and_times_to_the_microsecond() {
        let mut report = samples::pass();
        report.measurements[0].value = 0.1 + 0.2;
        report.attempts[0].phases[0].budget_share = Some(1.0 / 3.0);
        report.started += Duration::from_micros(123_457);
        report.duration = Duration::from_micros(8_640_000_000_001);
        let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(read, report);
    }

    #[test]
    fn who_is_to_blame_for_a_deadline_is_found_again() {
        for doing in [
            DeadlineWhile::Waiting,
            DeadlineWhile::Resolving,
            DeadlineWhile::Computing,
        ] {
            let mut report = samples::hang_after_banner();
            let error = ErrorType::DeadlineExceeded(doing);
            report.blame = Some(error.blame());
            if let Some(of_run) = &mut report.error {
                of_run.error_type = error.clone();
            }
            let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
            assert_eq!(read.error.map(|of_run| of_run.error_type), Some(error));
        }
    }

    #[test]
    fn what_a_newer_version_adds_is_ignored_and_what_it_takes_away_is_missed() {
        let mut value = serde_json::to_value(samples::wrong_password()).unwrap();
        value["added"] = 1.into();
        value["usage"]["denied_calls"]["net.teleport"] = 1.into();
        value["error"]["type"] = "tls.too_modern".into();
        let read: Report = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(
            read.error.unwrap().error_type,
            ErrorType::Own("tls.too_modern".to_owned())
        );
        value.as_object_mut().unwrap().remove("check");
        let refused = serde_json::from_value::<Report>(value).unwrap_err().to_string();
        assert!(refused.contains("`check`"), "{refused}");
    }

    #[test]
    fn what_is_no_id_time_or_duration_is_refused_with_what_was_found() {
        for (field, wrong) in [
            ("run_id", "48473bc99ec6cd9"),
            ("run_id", "48473bc99ec6cd9é"),
            ("trace_id", "48473bc99ec6cd93"),
            ("started", "yesterday"),
        ] {
            let mut value = serde_json::to_value(samples::pass()).unwrap();
            value[field] = wrong.into();
            let refused = serde_json::from_value::<Report>(value).unwrap_err().to_string();
            assert!(refused.contains(&format!("`{wrong}`")), "{refused}");
        }
        for wrong in [-1.0, 1e300] {
            let mut value = serde_json::to_value(samples::pass()).unwrap();
            value["lag_s"] = wrong.into();
            assert!(serde_json::from_value::<Report>(value).is_err(), "{wrong}");
        }
    }
}
