//! Secrets: handles for the guest, bytes for the wire.

use wasmtime::component::Resource;
use zeroize::Zeroizing;

use super::RunState;
use crate::bindings::bedcheck::plugin::secrets::{Host, HostSecret, Part, Sendable};
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::fault::HostCall;
use crate::secret::Secret;

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
                let name = self.presentable(&name, 64);
                Ok(Err(CallError::SecretMissing(format!(
                    "the check's settings mention no secret `{name}`"
                ))))
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
    /// The bytes of all pieces joined. Forms in which a secret is sent are struck out from then on.
    pub(super) fn assemble(&mut self, pieces: Vec<Sendable>) -> wasmtime::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        for piece in pieces {
            match piece {
                Sendable::Plain(part) => {
                    self.append(&mut bytes, &part)?;
                }
                Sendable::Base64(parts) => {
                    let mut inner = Zeroizing::new(Vec::new());
                    let mut has_secret = false;
                    for part in &parts {
                        has_secret |= self.append(&mut inner, part)?;
                    }
                    let encoded = Zeroizing::new(base64_of(&inner));
                    if has_secret {
                        self.redactor.add(encoded.as_bytes());
                    }
                    bytes.extend_from_slice(encoded.as_bytes());
                }
            }
        }
        Ok(bytes)
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
