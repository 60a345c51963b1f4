//! What a fault does to a connection: an end ahead of time, bytes one by one, or no use any more. Pure.

use std::time::Duration;

use super::Error;

/// What is wrong with a connection on purpose; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Impairment {
    drip: Option<Duration>,
    reads: Option<(u64, Ending)>,
    writes: Option<u64>,
    broken: Option<Error>,
}

/// How a connection ends when its bytes are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer ends the stream.
    End,
    /// The peer resets the connection.
    Reset,
}

/// What a read may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Read so many bytes at most.
    UpTo(usize),
    /// The stream has ended.
    Ended,
}

impl Impairment {
    /// Reads give one byte each, after that pause.
    pub fn drip(&mut self, pause: Duration) {
        self.drip = Some(pause);
    }

    /// So many bytes can be read yet, then the connection ends.
    pub fn end_reads_after(&mut self, bytes: u64, ending: Ending) {
        self.reads = Some((bytes, ending));
    }

    /// So many bytes can be written yet, then the connection is reset.
    pub fn reset_writes_after(&mut self, bytes: u64) {
        self.writes = Some(bytes);
    }

    /// Every further use fails with that error.
    pub fn break_with(&mut self, error: Error) {
        self.broken.get_or_insert(error);
    }

    /// The pause before each read.
    pub fn pause(&self) -> Option<Duration> {
        self.drip
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    pub(super) fn room_to_read(&mut self, maximum: usize) -> Result<Room, Error> {
        self.check()?;
        let maximum = if self.drip.is_some() { 1 } else { maximum };
        match self.reads {
            None => Ok(Room::UpTo(maximum)),
            Some((0, Ending::End)) => Ok(Room::Ended),
            Some((0, Ending::Reset)) => {
                self.break_with(Error::Reset);
                Err(Error::Reset)
            }
            Some((left, _)) => Ok(Room::UpTo(
                maximum.min(usize::try_from(left).unwrap_or(usize::MAX)),
            )),
        }
    }

    pub(super) fn have_read(&mut self, bytes: usize) {
        if let Some((left, _)) = &mut self.reads {
            *left = left.saturating_sub(bytes as u64);
        }
    }

    /// How many of so many bytes can be written; fewer than all of them, and the connection is reset.
    pub(super) fn room_to_write(&mut self, bytes: usize) -> Result<usize, Error> {
        self.check()?;
        let Some(left) = &mut self.writes else {
            return Ok(bytes);
        };
        let room = bytes.min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= room as u64;
        if room < bytes {
            self.break_with(Error::Reset);
        }
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_end_where_they_are_made_to() {
        let mut impairment = Impairment::default();
        impairment.end_reads_after(3, Ending::End);
        assert_eq!(impairment.room_to_read(2), Ok(Room::UpTo(2)));
        impairment.have_read(2);
        assert_eq!(impairment.room_to_read(100), Ok(Room::UpTo(1)));
        impairment.have_read(1);
        assert_eq!(impairment.room_to_read(100), Ok(Room::Ended));
    }

    #[test]
    fn a_connection_that_is_reset_stays_so() {
        let mut impairment = Impairment::default();
        impairment.reset_writes_after(5);
        assert_eq!(impairment.room_to_write(4), Ok(4));
        assert_eq!(impairment.room_to_write(4), Ok(1));
        assert_eq!(impairment.room_to_write(1), Err(Error::Reset));
        assert_eq!(impairment.room_to_read(1), Err(Error::Reset));
    }

    #[test]
    fn dripping_reads_are_of_one_byte() {
        let mut impairment = Impairment::default();
        impairment.drip(Duration::from_millis(1));
        assert_eq!(impairment.room_to_read(100), Ok(Room::UpTo(1)));
    }
}
