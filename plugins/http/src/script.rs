//! A scripted peer for tests: it knows no protocol, only the bytes that the test wrote down.

use std::collections::VecDeque;

use bedcheck_sdk::{CallError, Certificate, Fact, Failure, TlsInfo};

use crate::exchange::Transport;
use crate::fetch::Network;
use crate::message::Fragment;
use crate::request::Request;
use crate::settings::Settings;
use crate::target::Target;

/// A peer that says all of this in portions, whatever it is sent, and then hangs up.
pub(crate) struct Peer {
    says: VecDeque<u8>,
    portion: usize,
    /// What it was sent, secrets as `<name>`.
    pub(crate) heard: String,
    /// What it may be told of the trace.
    pub(crate) trace_parent: Option<String>,
    /// What was said of the phase, `name=value`.
    pub(crate) facts: Vec<String>,
    /// What sending to it fails with.
    pub(crate) refuses: Option<CallError>,
    /// Whether it hangs up without TLS's farewell.
    pub(crate) is_cut: bool,
}

impl Peer {
    /// Says `bytes`, at most `portion` at a time.
    pub(crate) fn new(bytes: impl AsRef<[u8]>, portion: usize) -> Self {
        Self {
            says: bytes.as_ref().iter().copied().collect(),
            portion,
            heard: String::new(),
            trace_parent: None,
            facts: Vec::new(),
            refuses: None,
            is_cut: false,
        }
    }
}

impl Transport for Peer {
    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure> {
        for fragment in message {
            self.heard += &match fragment {
                Fragment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Fragment::Secret(name) => format!("<{name}>"),
                Fragment::BasicCredentials { user, password } => format!("base64({user}:<{password}>)"),
            };
        }
        self.refuses.clone().map_or(Ok(()), |error| Err(error.into()))
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> Result<usize, Failure> {
        let amount = self.portion.min(self.says.len());
        into.extend(self.says.drain(..amount));
        Ok(amount)
    }

    fn is_end_sound(&mut self) -> Result<bool, Failure> {
        Ok(!self.is_cut)
    }

    fn trace_parent(&mut self) -> Option<String> {
        self.trace_parent.clone()
    }

    fn describe(&mut self, facts: &[(&str, Fact<'_>)]) -> Result<(), Failure> {
        self.facts.extend(facts.iter().map(|(name, value)| match value {
            Fact::Text(text) => format!("{name}={text}"),
            Fact::Integer(number) => format!("{name}={number}"),
        }));
        Ok(())
    }
}

/// Servers that each answer one connection, in the order of the script.
pub(crate) struct Servers {
    script: VecDeque<(&'static str, Vec<u8>)>,
    /// What happened: connections, phases and notes.
    pub(crate) events: Vec<String>,
    /// What each server was sent.
    pub(crate) heard: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
    /// What each server may be told of the trace.
    pub(crate) trace_parent: Option<String>,
}

/// A connection to one of [`Servers`].
pub(crate) struct Visited {
    peer: Peer,
    heard: std::rc::Rc<std::cell::RefCell<Vec<String>>>,
}

impl Servers {
    /// Servers by `host:port`, with what each says.
    pub(crate) fn new<S: Into<Vec<u8>>>(script: impl IntoIterator<Item = (&'static str, S)>) -> Self {
        Self {
            script: script
                .into_iter()
                .map(|(server, says)| (server, says.into()))
                .collect(),
            events: Vec::new(),
            heard: Default::default(),
            trace_parent: None,
        }
    }
}

impl Network for Servers {
    type Connection = Visited;

    fn connect(&mut self, target: &Target) -> Result<(Visited, Option<TlsInfo>), Failure> {
        let dialled = format!("{}:{}", target.host(), target.port());
        self.events.push(format!("connect {dialled}"));
        match self.script.pop_front() {
            Some((address, says)) if address == dialled => {
                let visited = Visited {
                    peer: Peer {
                        trace_parent: self.trace_parent.clone(),
                        ..Peer::new(says, 7)
                    },
                    heard: self.heard.clone(),
                };
                Ok((visited, target.is_https().then(|| tls_info("1.3", 0))))
            }
            _ => Err(CallError::GrantDenied(format!("`{dialled}` is not granted")).into()),
        }
    }

    fn phase<T>(
        &mut self,
        name: &str,
        detail: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.events.push(format!("{name} {}", detail.unwrap_or("-")));
        body()
    }

    fn note(&mut self, line: &str) {
        self.events.push(line.to_owned());
    }
}

impl Transport for Visited {
    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure> {
        self.peer.send(message)?;
        self.heard.borrow_mut().push(self.peer.heard.clone());
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> Result<usize, Failure> {
        self.peer.receive(into)
    }

    fn is_end_sound(&mut self) -> Result<bool, Failure> {
        self.peer.is_end_sound()
    }

    fn trace_parent(&mut self) -> Option<String> {
        self.peer.trace_parent()
    }

    fn describe(&mut self, facts: &[(&str, Fact<'_>)]) -> Result<(), Failure> {
        self.peer.describe(facts)
    }
}

/// A TLS session of this version, with a certificate that ends at `not_after`.
pub(crate) fn tls_info(version: &str, not_after: i64) -> TlsInfo {
    TlsInfo {
        version: version.into(),
        cipher: "TLS13_AES_128_GCM_SHA256".into(),
        alpn: None,
        certificate: Certificate {
            subject: "CN=example.org".into(),
            issuer: "CN=authority".into(),
            names: vec!["example.org".into()],
            not_before: 0,
            not_after,
            sha256: String::new(),
        },
    }
}

/// The first request of these settings.
pub(crate) fn request(settings: &serde_json::Value) -> Request {
    let settings: Settings = serde_json::from_str(&settings.to_string()).expect("settings");
    settings.request
}
