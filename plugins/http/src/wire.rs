//! The SDK's side of the core: its connection as a transport, its phases and log as a network, secrets
//! by their names. No protocol.

use std::collections::BTreeMap;

use bedcheck_sdk::{
    CallError, Connection, Fact, Failure, Piece, Reason, Secret, SecretName, TlsInfo, TlsOptions,
};

use crate::exchange::Transport;
use crate::fetch::Network;
use crate::message::Fragment;
use crate::target::Target;

/// The secrets of a check, opened before anything is dialled, so that a missing one is found first.
pub(crate) struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// Opens the secrets of these names.
    pub(crate) fn open<'a>(names: impl IntoIterator<Item = &'a SecretName>) -> Result<Self, Failure> {
        let mut secrets = BTreeMap::new();
        for name in names {
            secrets.insert(name.as_str().to_owned(), name.open()?);
        }
        Ok(Self(secrets))
    }

    /// How long a secret is, in bytes.
    pub(crate) fn length(&self, name: &SecretName) -> usize {
        let secret = self.0.get(name.as_str());
        secret.map_or(0, |secret| usize::try_from(secret.length()).unwrap_or(usize::MAX))
    }

    fn get(&self, name: &str) -> Result<&Secret, Failure> {
        self.0
            .get(name)
            .ok_or_else(|| Failure::settings_invalid(format!("the secret `{name}` was not opened")))
    }
}

/// The network as the host grants it.
pub(crate) struct Host<'a> {
    /// What requests may hold.
    pub(crate) secrets: &'a Secrets,
}

impl<'a> Network for Host<'a> {
    type Connection = Wire<'a>;

    fn connect(&mut self, target: &Target) -> Result<(Wire<'a>, Option<TlsInfo>), Failure> {
        let mut connection = Connection::open(target.host(), target.port())?;
        let tls = if target.is_https() {
            let options = TlsOptions {
                server_name: None,
                alpn: vec!["http/1.1".into()],
            };
            Some(connection.start_tls(&options)?)
        } else {
            None
        };
        Ok((
            Wire {
                connection,
                is_encrypted: tls.is_some(),
                secrets: self.secrets,
            },
            tls,
        ))
    }

    fn phase<T>(
        &mut self,
        name: &str,
        detail: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match detail {
            Some(detail) => bedcheck_sdk::phase_of(name, detail, body),
            None => bedcheck_sdk::phase(name, body),
        }
    }

    fn note(&mut self, line: &str) {
        bedcheck_sdk::info(line);
    }
}

/// A connection that knows the secrets by name.
pub(crate) struct Wire<'a> {
    connection: Connection,
    is_encrypted: bool,
    secrets: &'a Secrets,
}

impl Transport for Wire<'_> {
    fn send(&mut self, message: &[Fragment]) -> Result<(), Failure> {
        // What is to be in base64 is made first, because pieces only borrow it.
        let encoded: Vec<(&Fragment, Vec<Piece<'_>>)> = message
            .iter()
            .map(|fragment| Ok((fragment, self.user_and_password(fragment)?)))
            .collect::<Result<_, Failure>>()?;
        let pieces = encoded
            .iter()
            .map(|(fragment, credentials)| {
                Ok(match fragment {
                    Fragment::Bytes(bytes) => Piece::Bytes(bytes),
                    Fragment::Secret(name) => Piece::Secret(self.secrets.get(name)?),
                    Fragment::BasicCredentials { .. } => Piece::Base64(credentials),
                })
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        self.connection.send(&pieces)
    }

    fn receive(&mut self, into: &mut Vec<u8>) -> Result<usize, Failure> {
        let mut received = self.connection.receive()?;
        let amount = received.len();
        // Where there is room, it is kept for what is to come.
        if into.capacity() == 0 {
            *into = received;
        } else {
            into.append(&mut received);
        }
        Ok(amount)
    }

    fn is_end_sound(&mut self) -> Result<bool, Failure> {
        if !self.is_encrypted {
            return Ok(true);
        }
        // The host tells the end first, and how it came about to those who ask on.
        match self.connection.receive() {
            Ok(_) => Ok(true),
            Err(failure) if matches!(failure.reason(), Reason::Call(CallError::ConnectionClosed)) => {
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    fn trace_parent(&mut self) -> Option<String> {
        bedcheck_sdk::trace_parent()
    }

    fn describe(&mut self, facts: &[(&str, Fact<'_>)]) -> Result<(), Failure> {
        bedcheck_sdk::describe(facts)
    }
}

impl<'a> Wire<'a> {
    /// `user:password`, of the fragment that is made of it.
    fn user_and_password<'f>(&self, fragment: &'f Fragment) -> Result<Vec<Piece<'f>>, Failure>
    where
        'a: 'f,
    {
        match fragment {
            Fragment::BasicCredentials { user, password } => Ok(vec![
                Piece::Bytes(user.as_bytes()),
                Piece::Bytes(b":"),
                Piece::Secret(self.secrets.get(password)?),
            ]),
            Fragment::Bytes(_) | Fragment::Secret(_) => Ok(Vec::new()),
        }
    }
}
