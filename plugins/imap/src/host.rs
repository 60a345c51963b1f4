//! What the check needs of the host, as two traits, so that whole runs can be tested against a script.
//! The real ones are in `lib.rs`.

use bedcheck_sdk::Failure;

/// A connection to the server, and the password, which only the host can see.
pub(crate) trait Transport {
    /// Waits for bytes. None at all mean that the server has ended the stream.
    fn receive(&mut self) -> Result<Vec<u8>, Failure>;

    /// Sends the parts in one go.
    fn send(&mut self, parts: &[Part]) -> Result<(), Failure>;

    /// Negotiates TLS.
    fn start_tls(&mut self) -> Result<(), Failure>;

    /// The length of the password in bytes.
    fn password_length(&self) -> usize;
}

/// A part of what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The password.
    Password,
    /// The base64 form (RFC 4648 section 4) of these bytes with the password after them.
    Base64WithPassword(Vec<u8>),
}

/// Where a run is recorded.
pub(crate) trait Recorder {
    /// Says which phases the run goes through.
    fn plan(&self, phases: &[Phase<'_>]) -> Result<(), Failure>;

    /// Goes through a phase; it ends as `body` ends.
    fn phase<T>(&self, phase: Phase<'_>, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure>;

    /// Keeps a number of messages of a mailbox.
    fn measure(&self, name: &str, messages: u32, mailbox: &str) -> Result<(), Failure>;

    /// Adds a line to the log, for whoever wants details.
    fn debug(&self, message: &str);

    /// Adds a line to the log: something odd that does not fail the check.
    fn warning(&self, message: &str);
}

/// A phase: its name, and which one where several have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase<'a> {
    /// One of the names in the description.
    pub(crate) name: &'static str,
    /// Which one.
    pub(crate) detail: Option<&'a str>,
}

impl<'a> Phase<'a> {
    /// The phase of this name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, detail: None }
    }

    /// One of several phases of this name.
    pub(crate) fn of(name: &'static str, detail: &'a str) -> Self {
        Self {
            name,
            detail: Some(detail),
        }
    }
}
