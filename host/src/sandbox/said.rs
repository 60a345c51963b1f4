//! What a plugin said of itself, as bytes that are kept beside its code: it says the same each time, so that it need not be
//! run to be asked again. It is checked each time as if it had just been said.

use serde::{Deserialize, Serialize};

use crate::bindings::exports::bedcheck::plugin::check;

/// As bytes; none if that is not possible, and the plugin is asked again.
pub(super) fn to_bytes(description: &check::Description) -> Vec<u8> {
    #[derive(Serialize)]
    struct Told<'d>(#[serde(with = "Description")] &'d check::Description);

    serde_json::to_vec(&Told(description)).unwrap_or_default()
}

/// From such bytes; none from any others.
pub(super) fn of_bytes(bytes: &[u8]) -> Option<check::Description> {
    #[derive(Deserialize)]
    struct Told(#[serde(with = "Description")] check::Description);

    serde_json::from_slice(bytes)
        .ok()
        .map(|Told(description)| description)
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "check::Description")]
struct Description {
    name: String,
    version: String,
    summary: String,
    phases: Vec<String>,
    settings_schema: String,
    capabilities: Vec<String>,
    #[serde(with = "Target")]
    target: check::Target,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "check::Target")]
enum Target {
    HostAndPort(#[serde(with = "HostAndPort")] check::HostAndPort),
    Url(String),
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "check::HostAndPort")]
struct HostAndPort {
    host: String,
    port: String,
    default_ports: Vec<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(target: check::Target) -> check::Description {
        check::Description {
            name: "name".into(),
            version: "1.0.0".into(),
            summary: "Says \"something\".".into(),
            phases: vec!["first".into(), "second".into()],
            settings_schema: "{}".into(),
            capabilities: vec!["net.connect".into()],
            target,
        }
    }

    #[test]
    fn what_was_said_is_the_same_afterwards() {
        let targets = [
            check::Target::HostAndPort(check::HostAndPort {
                host: "host".into(),
                port: "port".into(),
                default_ports: vec![1, 65_535],
            }),
            check::Target::Url("url".into()),
            check::Target::None,
        ];
        for target in targets {
            let said = description(target);
            let again = of_bytes(&to_bytes(&said)).expect("ours");
            assert_eq!(format!("{said:?}"), format!("{again:?}"));
        }
    }

    #[test]
    fn nothing_is_made_of_other_bytes() {
        let whole = to_bytes(&description(check::Target::None));
        for end in 0..whole.len() {
            assert!(of_bytes(&whole[..end]).is_none(), "{end}");
        }
        assert!(of_bytes(b"{}").is_none());
    }
}
