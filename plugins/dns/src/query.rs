//! The question, as it goes out. Pure.

use bedcheck_sdk::Failure;
use hickory_proto::op;
use hickory_proto::rr::{DNSClass, Name, RecordType};

use crate::rcode;

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The name, fully qualified.
    pub(crate) name: Name,
    /// The type of the records that are wanted.
    pub(crate) record_type: RecordType,
    /// Their class.
    pub(crate) class: DNSClass,
    /// Whether the server is to ask others.
    pub(crate) recursion_desired: bool,
}

/// A question with its number, ready to be sent.
#[derive(Debug)]
pub(crate) struct Query {
    id: u16,
    question: op::Query,
    bytes: Vec<u8>,
}

impl Query {
    /// The question, under this number.
    pub(crate) fn new(question: &Question, id: u16) -> Result<Self, Failure> {
        let mut message = op::Message::new(id, op::MessageType::Query, op::OpCode::Query);
        message.metadata.recursion_desired = question.recursion_desired;
        let mut asked = op::Query::query(question.name.clone(), question.record_type);
        asked.set_query_class(question.class);
        message.add_query(asked.clone());
        let bytes = message
            .to_vec()
            .map_err(|error| Failure::settings_invalid(format!("the question cannot be asked: {error}")))?;
        Ok(Self {
            id,
            question: asked,
            bytes,
        })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// The message.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a message that repeats these questions answers it.
    pub(crate) fn is_answered_by(&self, metadata: &op::Metadata, questions: &[op::Query]) -> bool {
        match questions {
            [asked] => self.asks(asked),
            // A server that could not read the question has nothing to repeat.
            [] => u16::from(metadata.response_code) != rcode::NOERROR,
            _ => false,
        }
    }

    /// Whether another question is the same; names do not differ by case (RFC 4343).
    fn asks(&self, other: &op::Query) -> bool {
        let asked = &self.question;
        asked.query_type() == other.query_type()
            && asked.query_class() == other.query_class()
            && asked.name().eq_ignore_root(other.name())
    }
}
