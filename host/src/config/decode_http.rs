//! The table `[http]`: what its keys are, what values they take, and their defaults.

use std::collections::BTreeSet;
use std::time::Duration;

use super::http::{Http, HttpTls};
use super::reader::{Table, Value};
use super::words::{nearest, quoted};
use crate::name::SecretName;

/// The endpoints; `secrets` are the names in `[secrets]`.
pub(super) fn http(table: &mut Table<'_>, secrets: &BTreeSet<String>) -> Option<Http> {
    let listen = match table.get("listen") {
        None => Some(Http::LISTEN),
        Some(value) => value.string().and_then(|text| {
            let address = text.parse().ok();
            address.or_else(|| value.unwanted("an address and a port, such as `\"127.0.0.1:9315\"`"))
        }),
    };
    let tls = table.table("tls", tls).flatten();
    let token = table.get("token");
    let token = token.and_then(|value| secret_reference(&value.conceal(), secrets));
    let offsets = Duration::ZERO..=Duration::from_secs(60);
    let offset = table
        .get("timeout_offset")
        .and_then(|value| value.duration(offsets));
    Some(Http {
        listen: listen?,
        tls,
        token,
        timeout_offset: offset.unwrap_or(Http::TIMEOUT_OFFSET),
    })
}

fn tls(table: &mut Table<'_>) -> Option<HttpTls> {
    let example = "certificate = \"certificate.pem\"";
    let certificate = table.require("certificate", example);
    let certificate = certificate.and_then(|value| value.path());
    let key = table.require("key", "key = \"key.pem\"");
    let key = key.and_then(|value| value.path());
    Some(HttpTls {
        certificate: certificate?,
        key: key?,
    })
}

/// `{ secret = "NAME" }` with a name that there is.
fn secret_reference(value: &Value<'_>, secrets: &BTreeSet<String>) -> Option<SecretName> {
    let wanted = "`{ secret = \"NAME\" }`; secrets never stand in the file";
    if !value.is_table() {
        return value.unwanted(wanted);
    }
    let name = value.table(|table| {
        let name = table.require("secret", "secret = \"api-token\"")?;
        name.string().map(str::to_owned)
    })??;
    if !secrets.contains(&name) {
        let near = nearest(&name, secrets.iter().map(String::as_str));
        let advice = near
            .map(|near| format!(", did you mean `{near}`?"))
            .unwrap_or_default();
        value.dangling(&format!(
            "no secret is called {} in `[secrets]`{advice}",
            quoted(&name)
        ));
        return None;
    }
    // A name that is none is a problem of `[secrets]` itself.
    name.parse().ok()
}
