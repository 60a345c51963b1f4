//! What the check needs of the host, as two traits, so that whole runs can be tested against a script. The
//! real ones are in `lib.rs`.

use bedcheck_sdk::{Failure, TlsInfo};

/// A connection to the server.
pub(crate) trait Transport {
    /// Waits for bytes. None at all mean that the server has ended the stream.
    fn receive(&mut self) -> Result<Vec<u8>, Failure>;

    /// Sends the fragments in one go.
    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure>;

    /// The length of a secret in bytes.
    fn secret_length(&self, name: &str) -> usize;

    /// Negotiates TLS, which the host records as the phase `tls`.
    fn start_tls(&mut self) -> Result<TlsInfo, Failure>;
}

/// A piece of what is sent, secrets by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// A secret as it is.
    Secret(String),
    /// The base64 form (RFC 4648 section 4) of all these joined. They hold no base64 themselves.
    Base64(Vec<Fragment>),
}

/// Where a run is recorded.
pub(crate) trait Recorder {
    /// Says which phases the run goes through.
    fn plan(&self, phases: &[Phase<'_>]) -> Result<(), Failure>;

    /// Goes through a phase; it ends as `body` ends.
    fn phase<T>(&self, phase: Phase<'_>, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure>;

    /// Keeps a measurement.
    fn measure(&self, name: &str, value: f64, unit: &str, attributes: &[(&str, &str)])
    -> Result<(), Failure>;

    /// Adds a line to the log, for whoever wants details.
    fn debug(&self, message: &str);
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
