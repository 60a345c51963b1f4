//! A report as one line of a segment: JSON, so that any tool can read it, with a checksum of the rest of the line.
//! Pure.
//!
//! ```text
//! {"crc32":"1c291ca3","sequence":123,"report":{...}}
//! ```
//!
//! The checksum is the CRC-32 of Ethernet and gzip, of the bytes from `"sequence"` to the last brace. What is damaged
//! ends with its line, because no line break is within a report: JSON escapes them.

use serde::Deserialize;

use super::Sequence;
use crate::outcome::Report;
use crate::text::push_harmless_json;

/// The longest line, 16 MiB: a report with everything at its limits, as `SECURITY.md` lists them, is shorter.
pub(super) const MAX_RECORD: usize = 16 * 1024 * 1024;

const BEFORE_SUM: &[u8] = br#"{"crc32":""#;
const NO_SUM: &[u8] = b"00000000";
const AFTER_SUM: &[u8] = br#"","#;
const BEFORE_SEQUENCE: &[u8] = br#""sequence":"#;
const BEFORE_REPORT: &[u8] = br#","report":"#;
/// Where the part begins that the checksum is of.
const SUMMED: usize = BEFORE_SUM.len() + NO_SUM.len() + AFTER_SUM.len();

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin as a record, or is cut off.
    #[error("no whole record")]
    Cut,
    /// It is not what was written.
    #[error("its checksum is `{found:08x}`, the record says `{wanted:08x}`")]
    Checksum {
        /// That of the bytes.
        found: u32,
        /// That of the record.
        wanted: u32,
    },
    /// It is what was written, and no report of this version.
    #[error("no report that this version reads: {0}")]
    Report(String),
    /// It is all of a segment from there on.
    #[error("the rest of this file cannot be read, and is passed over: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
        /// The first report that may be there.
        from: Sequence,
        /// The last one; unknown of the newest segment.
        to: Option<Sequence>,
    },
}

/// Why a report cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritable {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it has {0} bytes, the most are {MAX_RECORD}")]
    TooLong(usize),
}

/// Adds the line of a report; nothing when it cannot be written.
pub(super) fn encode(lines: &mut Vec<u8>, sequence: Sequence, report: &Report) -> Result<(), Unwritable> {
    let begin = lines.len();
    let encoded = encode_at(lines, begin, sequence, report);
    if encoded.is_err() {
        lines.truncate(begin);
    }
    encoded
}

/// The line is written where it is to stay, and the checksum into its place when the rest is there.
fn encode_at(
    lines: &mut Vec<u8>,
    begin: usize,
    sequence: Sequence,
    report: &Report,
) -> Result<(), Unwritable> {
    for part in [BEFORE_SUM, NO_SUM, AFTER_SUM, BEFORE_SEQUENCE] {
        lines.extend_from_slice(part);
    }
    lines.extend_from_slice(sequence.to_string().as_bytes());
    lines.extend_from_slice(BEFORE_REPORT);
    push_harmless_json(lines, report)?;
    lines.push(b'}');
    let length = lines.len() - begin;
    if length + 1 > MAX_RECORD {
        return Err(Unwritable::TooLong(length));
    }
    let sum = format!("{:08x}", crc32fast::hash(&lines[begin + SUMMED..]));
    lines[begin + BEFORE_SUM.len()..][..NO_SUM.len()].copy_from_slice(sum.as_bytes());
    lines.push(b'\n');
    Ok(())
}

/// The number of a line's report, if the line is what was written. The line is without its break.
pub(super) fn check(line: &[u8]) -> Result<Sequence, Damage> {
    let summed = line.get(SUMMED..).ok_or(Damage::Cut)?;
    let wanted = checksum(line).ok_or(Damage::Cut)?;
    let found = crc32fast::hash(summed);
    if found != wanted {
        return Err(Damage::Checksum { found, wanted });
    }
    let digits = summed.strip_prefix(BEFORE_SEQUENCE).ok_or(Damage::Cut)?;
    let end = digits.iter().position(|byte| *byte == b',').ok_or(Damage::Cut)?;
    let number = std::str::from_utf8(&digits[..end])
        .ok()
        .and_then(|text| text.parse().ok());
    number.map(Sequence).ok_or(Damage::Cut)
}

/// The report of a line that was checked.
pub(super) fn report(line: &[u8]) -> Result<Report, Damage> {
    #[derive(Deserialize)]
    struct Line {
        report: Report,
    }
    let read = serde_json::from_slice::<Line>(line);
    read.map(|line| line.report)
        .map_err(|error| Damage::Report(error.to_string()))
}

fn checksum(line: &[u8]) -> Option<u32> {
    let rest = line.strip_prefix(BEFORE_SUM)?;
    let (digits, rest) = rest.split_at_checked(8)?;
    let digits = std::str::from_utf8(digits).ok()?;
    let is_form = rest.starts_with(AFTER_SUM)
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_form.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    fn line() -> Vec<u8> {
        let mut lines = Vec::new();
        encode(&mut lines, Sequence(7), &samples::wrong_password()).unwrap();
        assert_eq!(lines.pop(), Some(b'\n'));
        lines
    }

    #[test]
    fn a_record_is_one_line_of_json_with_the_report_as_it_is_shown() {
        let line = line();
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let shown = serde_json::to_value(samples::wrong_password()).unwrap();
        assert_eq!((&read["sequence"], &read["report"]), (&7.into(), &shown));
        assert!(!line.contains(&b'\n'));
    }

    #[test]
    fn a_record_is_read_back_as_it_was() {
        assert_eq!(check(&line()), Ok(Sequence(7)));
        assert_eq!(report(&line()), Ok(samples::wrong_password()));
    }

    #[test]
    fn whatever_is_flipped_or_cut_off_is_found() {
        let line = line();
        for end in 0..line.len() {
            assert!(check(&line[..end]).is_err(), "cut at {end}");
        }
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut flipped = line.clone();
                flipped[at] ^= 1 << bit;
                assert!(check(&flipped).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_whole_record_that_is_no_report_says_so() {
        let summed = br#""sequence":1,"report":{}}"#;
        let sum = format!(r#"{{"crc32":"{:08x}","#, crc32fast::hash(summed));
        let line = [sum.as_bytes(), summed].concat();
        assert_eq!(check(&line), Ok(Sequence(1)));
        assert!(matches!(report(&line), Err(Damage::Report(reason)) if reason.contains("check")));
    }
}
