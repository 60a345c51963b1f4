//! Who exports: the attributes of everything that leaves this process. What the file and the environment say wins over
//! what we found out by ourselves. Reading is apart from concluding, which is pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use opentelemetry_proto::tonic::resource::v1::Resource;
use sha2::{Digest, Sha256};

use super::machine::Machine;
use super::values::Attributes;
use crate::outcome::hexadecimal;

/// The attribute by which processes of one service are told apart.
const INSTANCE: &str = "service.instance.id";
/// This process, for want of anything that outlives it: random, as the conventions recommend, because two processes
/// must never look like one.
static RANDOM_INSTANCE: LazyLock<String> = LazyLock::new(|| uuid(rand::random(), 4));

/// What we know of ourselves, with what the environment and the file say over it.
pub(super) fn resource(said: &BTreeMap<String, String>) -> Resource {
    let said = attributes(said);
    let mut gathered = Attributes::default();
    for (name, value) in &said {
        match value {
            Said::Text(text) => gathered.set(name, text),
            Said::Number(number) => gathered.set(name, *number),
        }
    }
    let (attributes, dropped_attributes_count) = gathered.finish();
    Resource {
        attributes,
        dropped_attributes_count,
        ..Resource::default()
    }
}

/// Says which instance this is, unless the attributes do: the one that keeps its journal in this folder.
pub fn name_instance(attributes: &mut BTreeMap<String, String>, journal: &Path) {
    attributes
        .entry(INSTANCE.to_owned())
        .or_insert_with(|| instance_of_journal(journal));
}

/// The `service.instance.id` of the daemon that keeps its journal in this folder. It is the same after a restart, so
/// that counters which go on after it go on as the same series. On a machine no two processes have it at a time, because
/// one at a time writes a journal; containers that share the names of their host and have a folder each, under one path,
/// have to be told apart by what the file or the environment says.
fn instance_of_journal(directory: &Path) -> String {
    let machine = Machine::read();
    // However it was written: a path without its parts that say nothing, from the root.
    let absolute = std::path::absolute(directory);
    let directory: PathBuf = absolute.as_deref().unwrap_or(directory).components().collect();
    let digest = Sha256::new()
        .chain_update(machine.id.unwrap_or_default())
        .chain_update([0])
        .chain_update(machine.name.unwrap_or_default())
        .chain_update([0])
        .chain_update(directory.as_os_str().as_encoded_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Version 8: of our own making (RFC 9562, section 5.8).
    uuid(bytes, 8)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Text(String),
    Number(i64),
}

fn attributes(said: &BTreeMap<String, String>) -> BTreeMap<String, Said> {
    let mut attributes = of_program();
    let found = Machine::read().attributes();
    attributes.extend(
        found
            .into_iter()
            .map(|(name, text)| (name.to_owned(), Said::Text(text))),
    );
    let said = said.iter();
    attributes.extend(said.map(|(name, value)| (name.clone(), Said::Text(value.clone()))));
    attributes
}

fn of_program() -> BTreeMap<String, Said> {
    let texts = [
        ("service.name", "bedcheck"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        (INSTANCE, RANDOM_INSTANCE.as_str()),
        ("telemetry.sdk.name", "bedcheck"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
        ("process.executable.name", "bedcheck"),
        ("os.type", os_type()),
        ("host.arch", host_arch()),
    ];
    let texts = texts.map(|(name, text)| (name.to_owned(), Said::Text(text.to_owned())));
    let mut attributes = BTreeMap::from(texts);
    let pid = Said::Number(std::process::id().into());
    attributes.insert("process.pid".to_owned(), pid);
    attributes
}

/// OpenTelemetry's names of operating systems differ from Rust's in one.
fn os_type() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// OpenTelemetry's names of architectures differ from Rust's in some.
fn host_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// A UUID of this version (RFC 9562) with these bytes where it leaves them free.
fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = hexadecimal(&bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    use super::*;

    #[test]
    fn what_is_said_wins_over_what_we_know_and_is_the_same_again() {
        let said = BTreeMap::from([("service.name".to_owned(), "probes".to_owned())]);
        let resource = resource(&said);
        let value = |name: &str| {
            let pair = resource.attributes.iter().find(|pair| pair.key == name)?;
            pair.value.as_ref()?.value.clone()
        };
        assert_eq!(
            value("service.name"),
            Some(Value::StringValue("probes".to_owned()))
        );
        let version = env!("CARGO_PKG_VERSION").to_owned();
        assert_eq!(value("service.version"), Some(Value::StringValue(version)));
        let process = i64::from(std::process::id());
        assert_eq!(value("process.pid"), Some(Value::IntValue(process)));
        assert!(matches!(value("service.instance.id"), Some(Value::StringValue(id)) if id.len() == 36));
        assert_eq!(resource, super::resource(&said));
    }

    #[test]
    fn the_instance_of_a_journal_is_always_the_same_and_no_other_journals() {
        let of = |path: &str| instance_of_journal(Path::new(path));
        assert_eq!(of("/var/lib/a"), of("/var/lib/a"));
        assert_ne!(of("/var/lib/a"), of("/var/lib/b"));
        assert_eq!(of("/var/lib/a").as_bytes()[14], b'8');
    }

    #[test]
    fn a_folder_is_the_same_however_it_is_written_and_another_one_elsewhere() {
        let here = std::env::current_dir().unwrap();
        for written in ["j", "./j", "j/", "./j/."] {
            let of_relative = instance_of_journal(Path::new(written));
            assert_eq!(of_relative, instance_of_journal(&here.join("j")), "{written}");
            assert_ne!(
                of_relative,
                instance_of_journal(&here.join("elsewhere/j")),
                "{written}"
            );
        }
    }

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        assert_eq!(uuid([0xff; 16], 4), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16], 8), "00000000-0000-8000-8000-000000000000");
    }
}
