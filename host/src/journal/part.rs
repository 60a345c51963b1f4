//! What of the reports is written at once. Pure.

use super::{Sequence, Settings, record, retention, state::Incoming};

/// The most bytes that are written at once, if that are several reports: a disk that is nearly full takes what fits, and
/// little is removed in advance.
const AT_MOST: u64 = 256 * 1024;

/// Lines that are written whole or not at all.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    /// How many reports these are.
    pub(super) reports: usize,
    pub(super) lines: Vec<u8>,
    /// The checks whose reports cannot be put into words, and why.
    pub(super) unwritable: Vec<(String, String)>,
}

impl Part {
    /// How many bytes a part has at most: never more than a segment.
    pub(super) fn at_most(settings: &Settings) -> usize {
        usize::try_from(AT_MOST.min(retention::segment_size(settings))).unwrap_or(usize::MAX)
    }

    /// The first of these reports, at least one, and no more than so many bytes.
    pub(super) fn of(reports: &[Incoming], at_most: usize) -> Self {
        let mut part = Self {
            first: reports.first().map_or(Sequence::NONE, |first| first.sequence),
            last: Sequence::NONE,
            reports: 0,
            lines: Vec::new(),
            unwritable: Vec::new(),
        };
        for Incoming { sequence, report, .. } in reports {
            let before = part.lines.len();
            if let Err(error) = record::encode(&mut part.lines, *sequence, report) {
                part.unwritable.push((report.check.clone(), error.to_string()));
            }
            if part.reports > 0 && part.lines.len() > at_most {
                part.lines.truncate(before);
                break;
            }
            part.last = *sequence;
            part.reports += 1;
        }
        part
    }
}
