//! What came back: whether it answers the question, and what is in it. Pure.

use std::fmt::Display;

use bedcheck_sdk::Failure;
use hickory_proto::op::{self, Header, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use crate::mnemonics;
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
        let unasked = |questions: &[op::Query]| match questions {
            [] => stray("it repeats no question"),
            _ => stray("it answers another question"),
        };
        let unreadable = |error: &dyn Display| {
            Failure::unexpected_response(format!("the server's answer cannot be read: {error}"))
        };
        if is_datagram && flags & TRUNCATION != 0 {
            let begun = begin(&mut BinDecoder::new(bytes));
            let (header, questions) = begun.map_err(|error| unreadable(&error))?;
            return match query.is_answered_by(&header.metadata, &questions) {
                true => Ok(Received::CutOff),
                false => unasked(&questions),
            };
        }
        let message = Message::read(bytes).map_err(|error| unreadable(&error))?;
        if !query.is_answered_by(&message.metadata, &message.questions) {
            return unasked(&message.questions);
        }
        if let Some(empty) = message.records().find(|record| is_amiss(record)) {
            let kind = mnemonics::of_record_type(empty.record_type());
            return Err(unreadable(&format!("a record of type `{kind}` has no data")));
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

/// What a message holds.
#[derive(Debug)]
struct Message {
    metadata: Metadata,
    questions: Vec<op::Query>,
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
}

impl Message {
    /// Reads a message as the codec does, but for records without data, of which some types may have any: it takes them
    /// in updates only.
    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = BinDecoder::new(bytes);
        let (Header { mut metadata, counts }, questions) = begin(&mut decoder)?;
        let mut section = |count: u16, is_additional| {
            let mut section =
                op::Message::read_records(&mut decoder, count.into(), is_additional, OpCode::Update)?;
            section.0.iter_mut().for_each(bound_ttl);
            Ok::<_, DecodeError>(section)
        };
        let (answers, ..) = section(counts.answers, false)?;
        let (authorities, ..) = section(counts.authorities, false)?;
        let (additionals, extension, _) = section(counts.additionals, true)?;
        if let Some(extension) = extension {
            let code = ResponseCode::from(extension.rcode_high(), metadata.response_code.low());
            metadata.response_code = code;
        }
        Ok(Self {
            metadata,
            questions,
            answers,
            authorities,
            additionals,
        })
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        let sections = [&self.answers, &self.authorities, &self.additionals];
        sections.into_iter().flatten()
    }
}

/// A time to live with its top bit set is none (RFC 2181 section 8).
fn bound_ttl(record: &mut Record) {
    if record.ttl > i32::MAX as u32 {
        record.ttl = 0;
    }
}

/// Whether a record lacks data that its type always has. Of types that the codec does not know, nothing is known.
fn is_amiss(record: &Record) -> bool {
    match record.data {
        RData::Update0(kind) => !matches!(kind, RecordType::Unknown(_) | RecordType::NULL),
        _ => false,
    }
}

/// The header of a message, and its questions.
fn begin(decoder: &mut BinDecoder<'_>) -> Result<(Header, Vec<op::Query>), DecodeError> {
    let header = Header::read(decoder)?;
    let questions = (0..header.counts.queries).map(|_| op::Query::read(decoder));
    Ok((header, questions.collect::<Result<_, _>>()?))
}
