//! A module as it is shown to whoever debugs it: without credentials. Pure.

use serde_json::{Value, json};

use super::PreparedModule;
use crate::config::show_duration;
use crate::connection::Trust;

impl PreparedModule {
    /// It as an operator wrote it, for debugging. Secrets are in it by name only, and texts that stand where
    /// credentials are usual not at all.
    pub fn shown(&self) -> Value {
        let check = &self.template;
        let limits = check.limits;
        let patterns: Vec<_> = self.targets.iter().map(ToString::to_string).collect();
        let mut settings = Value::Object(check.settings.values().clone());
        hide_credentials(&mut settings, false);
        json!({
            "name": self.name(),
            "plugin": check.plugin,
            "targets": patterns,
            "budget": {
                "deadline": show_duration(limits.deadline),
                "grace": show_duration(limits.grace),
                "fuel": limits.fuel,
                "memory": limits.memory,
                "host_calls": limits.host_calls,
                "bytes": limits.bytes,
            },
            "attempts": check.retry.as_ref().map_or(1, |retry| retry.attempts),
            "tls": {
                "do_not_verify": check.tls.trust == Trust::DoNotVerify,
                "ca_file": match &check.tls.trust {
                    Trust::File(file) => Some(file.display().to_string()),
                    Trust::System | Trust::DoNotVerify => None,
                },
                "client_certificate": check.tls.client.as_ref().map(|client| client.certificate.display().to_string()),
                "server_name": check.tls.server_name,
            },
            "settings": settings,
        })
    }
}

/// Parts of keys under which people write credentials although they could refer to a secret.
const CREDENTIALS: [&str; 7] = ["auth", "cookie", "key", "passw", "secret", "token", "session"];

/// Hides the texts under such keys however deep they stand there, and in `all` of it.
fn hide_credentials(value: &mut Value, all: bool) {
    match value {
        Value::String(text) if all => "[hidden]".clone_into(text),
        Value::Array(array) => {
            array.iter_mut().for_each(|value| hide_credentials(value, all));
        }
        Value::Object(object) => {
            let refers = object.len() == 1 && object.get("secret").is_some_and(Value::is_string);
            for (key, value) in object.iter_mut().filter(|_| !refers) {
                let key = key.to_ascii_lowercase();
                let is_credential = CREDENTIALS.iter().any(|part| key.contains(part));
                hide_credentials(value, all || is_credential);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_under_the_key_of_a_credential_are_hidden_and_references_are_not() {
        let mut settings = json!({
            "tokens": ["hunter2", { "value": "hunter2" }, { "secret": "mail" }],
            "auth": { "value": "hunter2", "attempts": 2, "more": { "list": ["hunter2"] } },
            "headers": [{ "name": "accept", "cookie": "hunter2" }],
        });
        hide_credentials(&mut settings, false);
        assert_eq!(
            settings,
            json!({
                "tokens": ["[hidden]", { "value": "[hidden]" }, { "secret": "mail" }],
                "auth": { "value": "[hidden]", "attempts": 2, "more": { "list": ["[hidden]"] } },
                "headers": [{ "name": "accept", "cookie": "[hidden]" }],
            })
        );
    }
}
