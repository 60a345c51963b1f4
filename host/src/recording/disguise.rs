//! Secrets in what was recorded give way to something else of the same length, in every form in which they
//! are found, so that a run can be repeated to the byte by somebody who does not know them. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::outcome::hexadecimal;
use crate::redactor::{self, Form};
use crate::secret::Secret;
use crate::tape::{Answer, Data, Entry};

/// A secret that is shorter, in bytes, has a stand-in that may be part of other words.
const MIN_DISTINCT: usize = 8;
/// How much of the beginning of a form is hidden where the rest is missing, in bytes.
const MIN_BEGINNING: usize = 8;
/// The same, where the stream ends right behind it.
const MIN_CUT_OFF: usize = 3;

/// What stands for which secret.
pub(super) struct Disguise {
    pairs: Vec<Pair>,
    exact: bool,
}

struct Pair {
    secret: Zeroizing<Vec<u8>>,
    stand_in: Vec<u8>,
    in_base64: bool,
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
        disguise
            .pairs
            .sort_by_key(|pair| std::cmp::Reverse(pair.secret.len()));
        (disguise, stand_ins)
    }

    /// Whether what was hidden can be told from everything else by its stand-in.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    fn add(&mut self, secret: &[u8], stand_in: &[u8]) {
        self.exact &= secret.len() >= MIN_DISTINCT;
        self.pairs.push(Pair {
            secret: Zeroizing::new(secret.to_vec()),
            stand_in: stand_in.to_vec(),
            in_base64: false,
        });
        let forms = redactor::forms(secret).into_iter().zip(redactor::forms(stand_in));
        for (form, other) in forms {
            let mut stand_in = other.text().as_bytes().to_vec();
            self.exact &= stand_in.len() == form.text().len();
            stand_in.resize(form.text().len(), b'x');
            self.pairs.push(Pair {
                secret: Zeroizing::new(form.text().as_bytes().to_vec()),
                stand_in,
                in_base64: Form::in_base64(&form),
            });
        }
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
                let length = pair.found_at(&bytes[at..]);
                if length > 0 {
                    pair.replace(bytes, at, length);
                }
                at += length.max(1);
            }
        }
    }
}

impl Pair {
    /// How much of the secret's form the text begins with, if that is enough to be hidden.
    fn found_at(&self, text: &[u8]) -> usize {
        let common = self
            .secret
            .iter()
            .zip(text)
            .take_while(|(one, other)| one == other)
            .count();
        let is_cut_off = common == text.len() && common >= MIN_CUT_OFF;
        let is_enough = common == self.secret.len() || common >= MIN_BEGINNING || is_cut_off;
        if is_enough { common } else { 0 }
    }

    fn replace(&self, bytes: &mut [u8], at: usize, length: usize) {
        bytes[at..at + length].copy_from_slice(&self.stand_in[..length]);
        if !self.in_base64 {
            return;
        }
        // The characters next to it hold some of its bits.
        for beside in [at.checked_sub(1), Some(at + length)].into_iter().flatten() {
            if let Some(byte) = bytes.get_mut(beside)
                && (byte.is_ascii_alphanumeric() || b"+/-_".contains(byte))
            {
                *byte = b'A';
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
    fn the_beginning_of_a_secret_at_the_end_is_hidden() {
        assert!(!String::from_utf8(hidden(&[b"corre"])).unwrap().contains("corr"));
    }
}
