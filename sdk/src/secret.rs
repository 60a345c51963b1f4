//! Secrets: a plugin can have one sent, and never holds its bytes.

use serde::Deserialize;

use crate::Failure;
use crate::bindings::bedcheck::plugin::secrets::{self, Part, Sendable};

/// A reference to a secret in the settings: `{"secret": "NAME"}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretName {
    secret: String,
}

impl SecretName {
    /// The name in the check's configuration.
    pub fn as_str(&self) -> &str {
        &self.secret
    }

    /// Opens the secret.
    ///
    /// # Errors
    ///
    /// When the check's configuration has no such secret or it could not be read.
    pub fn open(&self) -> Result<Secret, Failure> {
        Ok(Secret(secrets::Secret::open(&self.secret)?))
    }
}

/// An open secret.
#[derive(Debug)]
pub struct Secret(secrets::Secret);

impl Secret {
    /// The length in bytes.
    pub fn length(&self) -> u32 {
        self.0.length()
    }
}

/// A piece of what [`Connection::send`](crate::Connection::send) writes.
#[derive(Debug)]
pub enum Piece<'a> {
    /// Bytes of the plugin's own.
    Bytes(&'a [u8]),
    /// The bytes of a secret.
    Secret(&'a Secret),
    /// The base64 form (RFC 4648 section 4) of all these pieces joined; nested base64 counts as
    /// nothing.
    Base64(&'a [Piece<'a>]),
}

impl<'a> Piece<'a> {
    pub(crate) fn to_sendable(&self) -> Sendable<'a> {
        match self {
            Self::Base64(pieces) => Sendable::Base64(pieces.iter().filter_map(Piece::to_part).collect()),
            Self::Bytes(bytes) => Sendable::Plain(Part::Bytes(bytes.to_vec())),
            Self::Secret(secret) => Sendable::Plain(Part::Secret(&secret.0)),
        }
    }

    fn to_part(&self) -> Option<Part<'a>> {
        match self {
            Self::Bytes(bytes) => Some(Part::Bytes(bytes.to_vec())),
            Self::Secret(secret) => Some(Part::Secret(&secret.0)),
            Self::Base64(_) => None,
        }
    }
}
