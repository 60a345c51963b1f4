//! Reading a journal from its files, in order, while it is being written: no lock is needed. A line that is not whole
//! yet is read again later; one that is damaged is told of and passed over, and so is a segment that cannot be read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::io::Errno;

use super::record::{self, Damage, MAX_RECORD};
use super::{Sequence, segments};
use crate::outcome::Report;

/// Reads the reports of a folder.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    after: Sequence,
    open: Option<OpenSegment>,
    /// Whether nothing after that segment is read, and it is not passed over.
    is_confined: bool,
    /// The last segment that was passed over, as it cannot be read.
    passed: Option<Sequence>,
    line: Vec<u8>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A record that is what was written; [`Reader::report`] has its report.
    Record(Sequence),
    /// Something that is no record.
    Damaged(Place, Damage),
    /// Nothing, until more is written.
    End,
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Its first byte, from 0.
    pub offset: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` at byte {}", self.file.display(), self.offset)
    }
}

#[derive(Debug)]
struct OpenSegment {
    first: Sequence,
    file: PathBuf,
    lines: BufReader<File>,
    /// Where the next line begins.
    offset: u64,
    /// Whether there is a segment after it, so that nothing more is written to it.
    is_closed: bool,
}

/// Why nothing could be read.
enum Failed {
    Folder(io::Error),
    Segment(Sequence, Place, io::Error),
}

/// How a line ended.
enum LineEnd {
    Break,
    File,
    TooLong,
}

impl Reader {
    /// Reads what comes after this report. The folder need not be there yet.
    pub fn new(dir: &Path, after: Sequence) -> Self {
        Self {
            dir: dir.to_owned(),
            after,
            open: None,
            is_confined: false,
            passed: None,
            line: Vec::new(),
        }
    }

    /// Reads from the first segment on that was written to at this moment or later.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn since(dir: &Path, moment: SystemTime) -> io::Result<Self> {
        let mut after = Sequence::NONE;
        for first in segments::list(dir)? {
            after = Sequence(first.0.saturating_sub(1));
            let modified = std::fs::metadata(segments::path(dir, first)).and_then(|found| found.modified());
            // Where a segment was removed meanwhile, the next one tells.
            if modified.is_ok_and(|modified| modified >= moment) {
                break;
            }
        }
        Ok(Self::new(dir, after))
    }

    /// Reads one segment; what is not whole at its end is not told of.
    pub(super) fn of_segment(dir: &Path, first: Sequence) -> io::Result<Self> {
        let mut reader = Self::new(dir, Sequence::NONE);
        reader.is_confined = true;
        let open = reader.open_segment(|segments| segments.contains(&first).then_some(first));
        reader.open = open.map_err(|failed| reader.error(failed))?;
        Ok(reader)
    }

    /// Where the next line begins in its segment.
    pub(super) fn offset(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.offset)
    }

    /// At the end: how many bytes there are of a record that is not whole, or not yet.
    pub fn unfinished(&self) -> usize {
        self.line.len()
    }

    /// Whether the folder has any segment.
    pub(super) fn has_segments(&self) -> io::Result<bool> {
        Ok(!segments::list(&self.dir)?.is_empty())
    }

    /// The last report that was read, or after which it began.
    pub fn position(&self) -> Sequence {
        self.after
    }

    /// The next record, of those after the last one.
    ///
    /// # Errors
    ///
    /// When something cannot be read, and may be the next time.
    pub fn read_next(&mut self) -> io::Result<Next> {
        match self.try_next() {
            Ok(next) => Ok(next),
            Err(Failed::Segment(first, place, error)) if !self.is_confined && is_lasting(&error) => {
                let (from, to) = self.pass_over(first)?;
                let reason = error.to_string();
                Ok(Next::Damaged(place, Damage::Unreadable { reason, from, to }))
            }
            Err(failed) => Err(self.error(failed)),
        }
    }

    fn try_next(&mut self) -> Result<Next, Failed> {
        loop {
            let Some(open) = &mut self.open else {
                if self.is_confined {
                    return Ok(Next::End);
                }
                self.open = self.first_segment()?;
                match &self.open {
                    Some(_) => continue,
                    None => return Ok(Next::End),
                }
            };
            let place = open.place();
            let line = open.read_line(&mut self.line);
            match line.map_err(|error| Failed::Segment(open.first, place.clone(), error))? {
                LineEnd::Break => match record::check(&self.line) {
                    Ok(sequence) if sequence <= self.after => {}
                    Ok(sequence) => {
                        self.after = sequence;
                        return Ok(Next::Record(sequence));
                    }
                    Err(damage) => return Ok(Next::Damaged(place, damage)),
                },
                LineEnd::TooLong => return Ok(Next::Damaged(place, Damage::Cut)),
                LineEnd::File if self.is_confined => return Ok(Next::End),
                LineEnd::File => {
                    let was_closed = open.is_closed;
                    let first = open.first;
                    let Some(next) = self.segment_after(first)? else {
                        return Ok(Next::End);
                    };
                    if !was_closed {
                        // What was written between the end that was seen and the next segment is read first.
                        self.open.iter_mut().for_each(|open| open.is_closed = true);
                        continue;
                    }
                    self.open = Some(next);
                    if !self.line.is_empty() {
                        return Ok(Next::Damaged(place, Damage::Cut));
                    }
                }
            }
        }
    }

    /// The report of the record that was read last.
    ///
    /// # Errors
    ///
    /// When it is not one of this version.
    pub fn report(&self) -> Result<Report, Damage> {
        record::report(&self.line)
    }

    /// Goes on behind a segment; from and to which report there may be any in it that were not read.
    fn pass_over(&mut self, first: Sequence) -> io::Result<(Sequence, Option<Sequence>)> {
        let segments = segments::list(&self.dir)?;
        let from = self.after.next().max(first);
        let next = segments.into_iter().find(|next| *next > first);
        let to = next.map(|next| Sequence(next.0.saturating_sub(1)));
        self.after = self.after.max(to.unwrap_or_default());
        self.passed = Some(first);
        self.open = None;
        self.line.clear();
        Ok((from, to))
    }

    /// The segment in which the next report is, if there is one.
    fn first_segment(&self) -> Result<Option<OpenSegment>, Failed> {
        let wanted = self.after.next();
        let choose = |segments: &[Sequence]| {
            let passed = segments.partition_point(|first| Some(*first) <= self.passed);
            let segments = &segments[passed..];
            let before = segments.iter().rev().find(|first| **first <= wanted);
            before.or(segments.first()).copied()
        };
        self.open_segment(choose)
    }

    fn segment_after(&self, previous: Sequence) -> Result<Option<OpenSegment>, Failed> {
        self.open_segment(|segments| segments.iter().find(|first| **first > previous).copied())
    }

    fn open_segment(
        &self,
        choose: impl Fn(&[Sequence]) -> Option<Sequence>,
    ) -> Result<Option<OpenSegment>, Failed> {
        let mut missing = None;
        loop {
            let Some(first) = choose(&segments::list(&self.dir).map_err(Failed::Folder)?) else {
                return Ok(None);
            };
            let file = segments::path(&self.dir, first);
            match File::open(&file) {
                // It was removed meanwhile; unless it is still there, and leads nowhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound && missing != Some(first) => {
                    missing = Some(first);
                }
                Err(error) => return Err(Failed::Segment(first, Place { file, offset: 0 }, error)),
                Ok(opened) => {
                    return Ok(Some(OpenSegment {
                        first,
                        lines: BufReader::with_capacity(64 << 10, opened),
                        file,
                        offset: 0,
                        is_closed: false,
                    }));
                }
            }
        }
    }

    /// The error; with the file, unless whoever reads has named it.
    fn error(&self, failed: Failed) -> io::Error {
        match failed {
            Failed::Segment(_, place, error) if !self.is_confined => {
                io::Error::new(error.kind(), format!("{place}: {error}"))
            }
            Failed::Segment(.., error) | Failed::Folder(error) => error,
        }
    }
}

/// Whether it will be the same the next time: a bad sector, somebody else's file, what is no file. Others, such as too
/// many open files, are worth another try.
pub(super) fn is_lasting(error: &io::Error) -> bool {
    const LASTING: [Errno; 8] = [
        Errno::IO,
        Errno::BADMSG,
        Errno::NXIO,
        Errno::ACCESS,
        Errno::PERM,
        Errno::ISDIR,
        Errno::LOOP,
        Errno::NOENT,
    ];
    Errno::from_io_error(error).is_some_and(|errno| LASTING.contains(&errno))
}

impl OpenSegment {
    fn place(&self) -> Place {
        Place {
            file: self.file.clone(),
            offset: self.offset,
        }
    }

    /// Reads a line without its break. One that is not whole is read again the next time, one that is too long is
    /// passed over.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<LineEnd> {
        line.clear();
        let mut is_too_long = false;
        let mut read = 0;
        loop {
            let available = match self.lines.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.lines.seek(SeekFrom::Start(self.offset))?;
                    return Err(error);
                }
                Ok(available) => available,
            };
            if available.is_empty() {
                self.lines.seek(SeekFrom::Start(self.offset))?;
                return Ok(LineEnd::File);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(available.len());
            is_too_long |= line.len() + taken > MAX_RECORD;
            if !is_too_long {
                line.extend_from_slice(&available[..taken]);
            }
            let consumed = taken + usize::from(end.is_some());
            self.lines.consume(consumed);
            read += consumed as u64;
            if end.is_some() {
                self.offset += read;
                return Ok(if is_too_long {
                    LineEnd::TooLong
                } else {
                    LineEnd::Break
                });
            }
        }
    }
}
