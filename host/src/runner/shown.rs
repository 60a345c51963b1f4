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
        hide_credentials(&mut settings);
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

fn hide_credentials(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let refers = object.len() == 1 && object.get("secret").is_some_and(Value::is_string);
            for (key, value) in object.iter_mut().filter(|_| !refers) {
                let key = key.to_ascii_lowercase();
                if value.is_string() && CREDENTIALS.iter().any(|part| key.contains(part)) {
                    *value = "[hidden]".into();
                } else {
                    hide_credentials(value);
                }
            }
        }
        Value::Array(array) => array.iter_mut().for_each(hide_credentials),
        _ => {}
    }
}
