//! What came back: whether it answers the question, and what is in it. Pure.

use std::fmt::Display;

use bedcheck_sdk::Failure;
use hickory_proto::op::{self, Header, Message, MessageType};
use hickory_proto::rr::{RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use crate::query::Query;

/// The bits of the third byte that say that a message is a response, and that it was cut off (RFC 1035 section 4.1.1).
const RESPONSE: u8 = 0x80;
const TRUNCATION: u8 = 0x02;

/// A message that came.
#[derive(Debug)]
pub(crate) enum Received {
    /// The answer.
    Answer(Answer),
    /// An answer that did not fit into the datagram. What of it did is not looked at: it may end within a record.
    CutOff,
    /// Something that does not answer the question, and why.
    Stray(String),
}

/// An answer to the question.
#[derive(Debug)]
pub(crate) struct Answer {
    message: Message,
    size: u16,
}

impl Answer {
    /// Reads a message, in a datagram or from a stream. What is not about the question is a stray.
    ///
    /// # Errors
    ///
    /// A message under the number of the question that cannot be read.
    pub(crate) fn read(query: &Query, bytes: &[u8], is_datagram: bool) -> Result<Received, Failure> {
        let stray = |why: &str| Ok(Received::Stray(why.to_owned()));
        // The number and the flags are told apart from the rest, so that whatever else comes is passed over.
        let Some((&[first, second, flags, _], _)) = bytes.split_first_chunk() else {
            return stray("it is too short for a message");
        };
        if u16::from_be_bytes([first, second]) != query.id() {
            return stray("its number is not that of the question");
        }
        if flags & RESPONSE == 0 {
            return stray("it is a question itself");
        }
        let unreadable = |error: &dyn Display| {
            Failure::unexpected_response(format!("the server's answer cannot be read: {error}"))
        };
        if is_datagram && flags & TRUNCATION != 0 {
            let (header, questions) = begin(bytes).map_err(|error| unreadable(&error))?;
            return match query.is_answered_by(&header.metadata, &questions) {
                true => Ok(Received::CutOff),
                false => stray("it answers another question"),
            };
        }
        let message = Message::from_vec(bytes).map_err(|error| unreadable(&error))?;
        debug_assert_eq!(message.metadata.message_type, MessageType::Response);
        if !query.is_answered_by(&message.metadata, &message.queries) {
            return stray("it answers another question");
        }
        Ok(Received::Answer(Self {
            message,
            size: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
        }))
    }

    /// Whether the server answers for the zone itself.
    pub(crate) fn is_authoritative(&self) -> bool {
        self.message.metadata.authoritative
    }

    /// The response code.
    pub(crate) fn code(&self) -> u16 {
        self.message.metadata.response_code.into()
    }

    /// The size of the message in bytes.
    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// The records of the answer section.
    pub(crate) fn answers(&self) -> &[Record] {
        &self.message.answers
    }

    /// The records of the authority section.
    pub(crate) fn authorities(&self) -> &[Record] {
        &self.message.authorities
    }

    /// The records of the additional section.
    pub(crate) fn additionals(&self) -> &[Record] {
        &self.message.additionals
    }

    /// The shortest time to live in the answer section, in seconds; none without records.
    pub(crate) fn min_ttl(&self) -> Option<u32> {
        self.answers().iter().map(|record| record.ttl).min()
    }

    /// The serial number of the first SOA record, of the answer or else of the authority section.
    pub(crate) fn soa_serial(&self) -> Option<u32> {
        let mut records = self.answers().iter().chain(self.authorities());
        records.find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        })
    }
}

/// The header of a message, and its questions.
fn begin(bytes: &[u8]) -> Result<(Header, Vec<op::Query>), DecodeError> {
    let mut decoder = BinDecoder::new(bytes);
    let header = Header::read(&mut decoder)?;
    let questions = (0..header.counts.queries).map(|_| op::Query::read(&mut decoder));
    Ok((header, questions.collect::<Result<_, _>>()?))
}
