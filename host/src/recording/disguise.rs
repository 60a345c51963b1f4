//! Secrets in what was recorded give way to something else of the same length, in every form in which they
//! are found, so that a run can be repeated to the byte by somebody who does not know them. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::outcome::hexadecimal;
use crate::redactor::{Form, in_base64};
use crate::secret::Secret;
use crate::tape::{Answer, Data, Entry};

/// A secret that is shorter, in bytes, has a stand-in that may be part of other words.
const MIN_DISTINCT: usize = 8;
/// What fills the place of an escape: a character that no stand-in has.
const FILLER: u8 = b'x';

/// What stands for which secret.
pub(super) struct Disguise {
    pairs: Vec<Pair>,
    exact: bool,
}

/// A form of a secret, and the same form of what stands for it.
struct Pair {
    secret: Form,
    stand_in: Vec<u8>,
}

impl Disguise {
    /// A disguise of these secrets, and what stands for each by its name.
    pub(super) fn new(secrets: &BTreeMap<String, Secret>) -> (Self, BTreeMap<String, String>) {
        let mut disguise = Self {
            pairs: Vec::new(),
            exact: true,
        };
        let mut stand_ins = BTreeMap::new();
        for (name, secret) in secrets {
            let stand_in = stand_in(name, secret.expose().len());
            disguise.add(secret.expose(), stand_in.as_bytes());
            stand_ins.insert(name.clone(), stand_in);
        }
        // A form that is part of another one would spoil it: long ones first.
        let length = |pair: &Pair| pair.secret.bytes().len();
        disguise.pairs.sort_by_key(|pair| std::cmp::Reverse(length(pair)));
        (disguise, stand_ins)
    }

    /// Whether what was hidden can be told from everything else by its stand-in, and is as long as that however it is
    /// written.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    fn add(&mut self, secret: &[u8], stand_in: &[u8]) {
        let is_escaped_by_nobody = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        self.exact &= secret.len() >= MIN_DISTINCT && secret.iter().all(is_escaped_by_nobody);
        let forms = Form::all_of(secret).into_iter().zip(Form::all_of(stand_in));
        self.pairs.extend(forms.map(|(secret, other)| Pair {
            secret,
            stand_in: other.bytes().to_vec(),
        }));
    }

    /// Hides the secrets in everything of a run. What went over a connection is looked at as one stream: a
    /// secret may have come in pieces.
    pub(super) fn hide(&self, entries: &mut [Entry]) {
        if self.pairs.is_empty() {
            return;
        }
        let mut streams: BTreeMap<(u32, bool), Vec<&mut Vec<u8>>> = BTreeMap::new();
        for entry in entries {
            match entry {
                Entry::Sent(Data { connection, bytes }) => {
                    streams.entry((*connection, true)).or_default().push(bytes);
                }
                Entry::Answer(Answer::Received(Data { connection, bytes })) => {
                    streams.entry((*connection, false)).or_default().push(bytes);
                }
                Entry::Call { arguments: value, .. }
                | Entry::Answer(Answer::Ok(value) | Answer::Err(value)) => self.hide_in_value(value),
                // Attempts count their connections anew.
                Entry::End { .. } => {
                    std::mem::take(&mut streams)
                        .into_values()
                        .for_each(|pieces| self.hide_in_pieces(pieces));
                }
                Entry::At(_)
                | Entry::Awaited
                | Entry::Fault(_)
                | Entry::RetryDenied(_)
                | Entry::Answer(Answer::DeadlineExceeded) => {}
            }
        }
        streams
            .into_values()
            .for_each(|pieces| self.hide_in_pieces(pieces));
    }

    fn hide_in_pieces(&self, pieces: Vec<&mut Vec<u8>>) {
        let mut whole: Zeroizing<Vec<u8>> =
            Zeroizing::new(pieces.iter().flat_map(|piece| piece.iter().copied()).collect());
        self.hide_in_bytes(&mut whole);
        let mut from = 0;
        for piece in pieces {
            let to = from + piece.len();
            piece.copy_from_slice(&whole[from..to]);
            from = to;
        }
    }

    fn hide_in_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let mut bytes = std::mem::take(text).into_bytes();
                self.hide_in_bytes(&mut bytes);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide_in_value(value)),
            Value::Object(values) => values.iter_mut().for_each(|(_, value)| self.hide_in_value(value)),
            _ => {}
        }
    }

    fn hide_in_bytes(&self, bytes: &mut [u8]) {
        for pair in &self.pairs {
            let mut at = 0;
            while at < bytes.len() {
                let length = pair.secret.length_in(&bytes[at..]).unwrap_or_default();
                if length > 0 {
                    pair.replace(bytes, at, length);
                }
                at += length.max(1);
            }
        }
    }
}

impl Pair {
    /// Puts the stand-in there. The length stays as it is: what an escape is longer than what it stands for is filled.
    fn replace(&self, bytes: &mut [u8], at: usize, length: usize) {
        let mut filled = Vec::with_capacity(length);
        let mut rest = &self.stand_in[..];
        for piece in self.secret.spelled().pieces(&bytes[at..at + length]) {
            let (own, later) = rest.split_at(piece.wanted.min(rest.len()));
            filled.extend(own);
            filled.resize(filled.len() + piece.written - own.len(), FILLER);
            rest = later;
        }
        filled.resize(length, FILLER);
        bytes[at..at + length].copy_from_slice(&filled);
        if self.secret.is_base64() {
            // The characters next to it hold some of its bits.
            for beside in [at.checked_sub(1), Some(at + length)].into_iter().flatten() {
                if let Some(byte) = bytes.get_mut(beside).filter(|byte| in_base64(**byte)) {
                    *byte = b'A';
                }
            }
        }
    }
}

/// Something of that length that depends on nothing but the secret's name.
fn stand_in(name: &str, length: usize) -> String {
    let digest = hexadecimal(&Sha256::digest(name.as_bytes()));
    digest.chars().cycle().take(length).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const SECRET: &str = "correct horse battery";

    fn hidden(pieces: &[&[u8]]) -> Vec<u8> {
        let secrets = BTreeMap::from([("mail".to_owned(), Secret::new(SECRET.into()))]);
        let (disguise, stand_ins) = Disguise::new(&secrets);
        assert_eq!(stand_ins["mail"].len(), SECRET.len());
        let mut entries: Vec<Entry> = pieces
            .iter()
            .map(|bytes| {
                Entry::Answer(Answer::Received(Data {
                    connection: 0,
                    bytes: bytes.to_vec(),
                }))
            })
            .collect();
        disguise.hide(&mut entries);
        entries
            .into_iter()
            .flat_map(|entry| match entry {
                Entry::Answer(Answer::Received(data)) => data.bytes,
                _ => Vec::new(),
            })
            .collect()
    }

    #[test]
    fn a_secret_that_comes_in_pieces_is_hidden_and_the_length_stays() {
        let hidden = hidden(&[b"NO correct ho", b"rse bat", b"tery\r\n"]);
        let text = String::from_utf8(hidden).unwrap();
        assert!(text.starts_with("NO ") && text.ends_with("\r\n"), "{text}");
        assert_eq!(text.len(), 5 + SECRET.len());
        assert!(!text.contains("horse") && !text.contains("corr"), "{text}");
    }

    #[test]
    fn encoded_forms_are_hidden_wherever_they_begin() {
        for before in ["", "u", "us", "use"] {
            let encoded = STANDARD.encode(format!("{before}{SECRET}"));
            let hidden = hidden(&[encoded.as_bytes()]);
            let decoded = STANDARD.decode(&hidden).unwrap_or_default();
            let decoded = String::from_utf8_lossy(&decoded);
            assert_eq!(hidden.len(), encoded.len());
            assert!(!decoded.contains("horse"), "{decoded}");
        }
    }

    #[test]
    fn an_escaped_secret_is_hidden_in_its_length() {
        let secret = "pass\twörd 4711";
        let secrets = BTreeMap::from([("mail".to_owned(), Secret::new(secret.into()))]);
        let escaped = secret.as_bytes().escape_ascii().to_string();
        for written in [secret, &escaped, "pass%09w\\xc3\\xb6rd+4711"] {
            let (disguise, stand_ins) = Disguise::new(&secrets);
            let mut entries = [Entry::Answer(Answer::Ok(Value::from(format!("<{written}>"))))];
            disguise.hide(&mut entries);
            let [Entry::Answer(Answer::Ok(Value::String(hidden)))] = &entries else {
                panic!("{entries:?}");
            };
            assert_eq!(hidden.len(), written.len() + 2, "{hidden}");
            let shown: String = hidden.chars().filter(|c| !"<x>".contains(*c)).collect();
            assert_eq!(shown, stand_ins["mail"], "{hidden}");
        }
    }

    #[test]
    fn the_beginning_of_a_secret_at_the_end_is_hidden() {
        assert!(!String::from_utf8(hidden(&[b"corre"])).unwrap().contains("corr"));
    }
}
