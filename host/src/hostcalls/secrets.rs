//! Secrets: handles for the guest, bytes for the wire.

use wasmtime::component::Resource;
use zeroize::Zeroizing;

use super::RunState;
use crate::bindings::bedcheck::plugin::secrets::{Host, HostSecret, Part, Sendable};
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::fault::HostCall;
use crate::secret::Secret;
use crate::text::told;

/// The most that one call sends, in bytes: no more than a guest can hand over in one call.
const MAX_SEND: usize = 4 * 1024 * 1024;
/// The longest base64 text with a secret in it: the longest line of authentication there is (RFC 4954
/// section 4).
const MAX_ENCODED: usize = 12_288;
/// How many times an attempt may send base64 text with a secret in it: once for each login of a long dialogue. Each
/// is looked for in all texts from then on.
const MAX_ENCODED_SECRETS: usize = 32;
/// How much of a name that no secret has the guest is told, in bytes.
const MAX_TOLD: usize = 64;

impl Host for RunState {}

impl HostSecret for RunState {
    fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Secret>, CallError>> {
        if let Err(error) = self.report_call(HostCall::SecretsOpen)? {
            return Ok(Err(error));
        }
        if let Err(error) = self.require(Capability::Secrets) {
            return Ok(Err(error));
        }
        match self.access.secrets.get(&name) {
            Some(secret) => Ok(Ok(self.table.push(secret.clone())?)),
            None => {
                // As it was said: what the host would strike out of it would tell the guest of secrets.
                let name = told(&name, MAX_TOLD);
                let message = format!("the check's settings mention no secret `{name}`");
                Ok(Err(self.refuse(CallError::SecretMissing(message))))
            }
        }
    }

    fn length(&mut self, secret: Resource<Secret>) -> wasmtime::Result<u32> {
        let _counted = self.report_call(HostCall::SecretsLength)?;
        Ok(u32::try_from(self.table.get(&secret)?.expose().len())?)
    }

    fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

impl RunState {
    /// The bytes of all pieces joined, if that is not too much: a few handles can stand for very many bytes.
    /// Forms in which a secret is sent are struck out from then on.
    pub(super) fn assemble(
        &mut self,
        pieces: Vec<Sendable>,
    ) -> wasmtime::Result<Result<Zeroizing<Vec<u8>>, CallError>> {
        let length = match self.assembled_length(&pieces)? {
            Ok(length) => length,
            Err(refused) => return Ok(Err(refused)),
        };
        // Room for all of it from the start: growing would leave copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        for piece in pieces {
            match piece {
                Sendable::Plain(part) => {
                    self.append(&mut bytes, &part)?;
                }
                Sendable::Base64(parts) => {
                    let mut inner = Zeroizing::new(Vec::with_capacity(self.joined_length(&parts)?));
                    let mut has_secret = false;
                    for part in &parts {
                        has_secret |= self.append(&mut inner, part)?;
                    }
                    let encoded = Zeroizing::new(base64_of(&inner));
                    if has_secret {
                        self.encoded_secrets += 1;
                        self.redactor.add(encoded.as_bytes());
                    }
                    bytes.extend_from_slice(encoded.as_bytes());
                }
            }
        }
        Ok(Ok(bytes))
    }

    /// How many bytes the pieces come to, if they may be sent.
    fn assembled_length(&self, pieces: &[Sendable]) -> wasmtime::Result<Result<usize, CallError>> {
        let mut length = 0_usize;
        let mut encoded_secrets = self.encoded_secrets;
        for piece in pieces {
            length = length.saturating_add(match piece {
                Sendable::Plain(part) => self.part_length(part)?,
                Sendable::Base64(parts) => {
                    let encoded = self.joined_length(parts)?.div_ceil(3).saturating_mul(4);
                    if parts.iter().any(|part| matches!(part, Part::Secret(_))) {
                        encoded_secrets += 1;
                        if encoded > MAX_ENCODED {
                            let message =
                                format!("base64 with a secret in it has at most {MAX_ENCODED} bytes");
                            return Ok(Err(CallError::Invalid(message)));
                        }
                    }
                    encoded
                }
            });
        }
        Ok(if encoded_secrets > MAX_ENCODED_SECRETS {
            Err(CallError::OverQuota("secrets in base64".into()))
        } else if length > MAX_SEND {
            Err(CallError::Invalid(format!(
                "one call sends at most {MAX_SEND} bytes"
            )))
        } else {
            Ok(length)
        })
    }

    fn joined_length(&self, parts: &[Part]) -> wasmtime::Result<usize> {
        parts.iter().try_fold(0_usize, |length, part| {
            Ok(length.saturating_add(self.part_length(part)?))
        })
    }

    fn part_length(&self, part: &Part) -> wasmtime::Result<usize> {
        Ok(match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::Secret(secret) => self.table.get(secret)?.expose().len(),
        })
    }

    /// Appends a part and says whether it is a secret.
    fn append(&self, bytes: &mut Vec<u8>, part: &Part) -> wasmtime::Result<bool> {
        match part {
            Part::Bytes(part) => {
                bytes.extend_from_slice(part);
                Ok(false)
            }
            Part::Secret(secret) => {
                bytes.extend_from_slice(self.table.get(secret)?.expose());
                Ok(true)
            }
        }
    }
}

/// Whether any of the pieces is, or contains, a secret.
pub(super) fn have_secret(pieces: &[Sendable]) -> bool {
    let is_secret = |part: &Part| matches!(part, Part::Secret(_));
    pieces.iter().any(|piece| match piece {
        Sendable::Plain(part) => is_secret(part),
        Sendable::Base64(parts) => parts.iter().any(is_secret),
    })
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
