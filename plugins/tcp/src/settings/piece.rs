//! What a step sends or expects byte by byte: texts, secrets, bytes, and their base64 form.

use bedcheck_sdk::SecretName;
use serde::Deserialize;

use super::groups::Groups;
use crate::template::Template;

/// A piece of what is sent.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A text with places for what was matched.
    Text(Template),
    /// These bytes.
    Bytes(Vec<u8>),
    /// A secret.
    Secret(SecretName),
    /// The base64 form of these, which hold no base64 themselves.
    Base64(Vec<Piece>),
}

/// Bytes as they are written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum WrittenBytes {
    Text(String),
    Hex(Hex),
}

/// Pieces as they are written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum WrittenPieces {
    One(WrittenPiece),
    Many(Vec<WrittenPiece>),
}

/// A piece as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum WrittenPiece {
    Text(String),
    Secret(SecretName),
    Hex(Hex),
    Base64(Base64),
}

/// Bytes as hexadecimal digits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hex {
    hex: String,
}

/// Pieces to be joined and encoded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Base64 {
    base64: Vec<WrittenPiece>,
}

impl WrittenBytes {
    /// The bytes, or why they are none.
    pub(super) fn finish(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Hex(hex) => unhex(&hex.hex),
        }
    }
}

impl WrittenPieces {
    /// The pieces, which may refer to these groups.
    pub(super) fn finish(self, groups: &Groups) -> Result<Vec<Piece>, String> {
        let pieces = match self {
            Self::One(piece) => vec![piece],
            Self::Many(pieces) => pieces,
        };
        pieces
            .into_iter()
            .map(|written| piece(written, groups, true))
            .collect()
    }
}

fn piece(written: WrittenPiece, groups: &Groups, is_outside: bool) -> Result<Piece, String> {
    Ok(match written {
        WrittenPiece::Text(text) => {
            let template = Template::parse(&text).and_then(|template| groups.known(template));
            Piece::Text(template.map_err(|error| format!("send: {error}"))?)
        }
        WrittenPiece::Secret(name) => Piece::Secret(name),
        WrittenPiece::Hex(hex) => Piece::Bytes(unhex(&hex.hex)?),
        WrittenPiece::Base64(Base64 { base64 }) if is_outside => {
            let inner = base64.into_iter().map(|written| piece(written, groups, false));
            Piece::Base64(inner.collect::<Result<_, _>>()?)
        }
        WrittenPiece::Base64(_) => return Err("send: `base64` within `base64`".into()),
    })
}

/// The bytes of pairs of hexadecimal digits, at least one, with spaces between pairs or without.
fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let byte = |pair: &[u8]| match pair {
        [high, low] => {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            Some((digit(*high)? << 4 | digit(*low)?) as u8)
        }
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text
        .split(' ')
        .flat_map(|group| group.as_bytes().chunks(2))
        .map(byte)
        .collect();
    bytes
        .filter(|bytes| !bytes.is_empty())
        .ok_or_else(|| format!("hex: `{text}` is not pairs of hexadecimal digits"))
}

/// The secrets in these pieces.
pub(crate) fn secrets(pieces: &[Piece]) -> Vec<&SecretName> {
    pieces
        .iter()
        .flat_map(|piece| match piece {
            Piece::Secret(name) => vec![name],
            Piece::Base64(inner) => secrets(inner),
            Piece::Text(_) | Piece::Bytes(_) => Vec::new(),
        })
        .collect()
}
