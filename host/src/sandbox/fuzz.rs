//! Fuzzing the loading of plugins: whatever the bytes are and whatever the component says of itself, loading ends
//! in time, with a plugin that keeps the contract or with a sentence.
//!
//! An input is either a component, bytes changed, or decisions about what `fuzz.wat` says and does.

use std::collections::BTreeSet;
use std::time::Duration;

use bedcheck_fuzz::{Bytes, Fuzz};

use super::{Compiling, EngineSettings, LoadError, Plugin, Purpose, Sandbox};
use crate::config::SettingsSchema;

/// How long loading may take: what `describe` is given, and compiling some kilobytes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where the description's record is in the memory of `fuzz.wat`.
const RECORD: u32 = 16;
/// How long it is, and where the texts begin: it has six pairs of address and length, and a variant.
const RECORD_LENGTH: u32 = 76;
/// The longest sentence about a plugin that is refused, in characters: the engine's chain of causes is in it.
const MAX_SENTENCE: usize = 2000;

const TEXTS: [&str; 16] = [
    "odd",
    "0.1.0",
    "{}",
    "{\"type\": \"object\"}",
    "resolve",
    "connect",
    "login",
    "net.connect",
    "net.tls",
    "",
    "Upper",
    "a\u{1b}[31mb",
    "\u{202e}",
    "{\"$ref\": \"http://h/\"}",
    "{\"pattern\": \"(\"}",
    "1.0.0-rc.1+b",
];
const IMPORTS: [&str; 7] = [
    "",
    "(import \"foo:bar/baz@1.0.0\" (instance))",
    "(import \"wasi:clocks/monotonic-clock@0.2.0\" (instance))",
    "(import \"wasi:sockets/tcp@0.2.9999999999999999999\" (instance))",
    "(import \"bedcheck:plugin/net@2.0.0\" (instance))",
    "(import \"bedcheck:plugin/net@1.7.0\" (instance (export \"go\" (func))))",
    "(import \"plain\" (func))",
];
/// What `describe` or the start function does first. The loops take a second or two, so they are rare.
const DEEDS: [&str; 8] = [
    "",
    "unreachable",
    "(drop (memory.grow (i32.const 60000)))",
    "(i32.store (i32.const 20) (i32.const -1))",
    "(i32.store (i32.const 16) (i32.const -9))",
    "(i32.store8 (i32.const 64) (i32.const 7))",
    "(drop (i32.load (i32.const -1)))",
    "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
];
const ENDLESS: &str = "(loop br 0)";

/// The component of an input.
pub(super) fn component(input: &[u8]) -> Option<Vec<u8>> {
    if input.starts_with(b"\0asm") {
        return Some(input.to_vec());
    }
    wat::parse_str(text(Bytes::new(input))).ok()
}

/// `fuzz.wat` by decisions.
fn text(mut bytes: Bytes<'_>) -> String {
    let imports = *bytes.pick(&IMPORTS);
    let mut deed = || match bytes.byte() {
        255 => ENDLESS,
        other if other < 160 => "",
        other => DEEDS[usize::from(other) % DEEDS.len()],
    };
    let (describe, start) = (deed(), deed());
    let memory: String = memory(bytes).iter().map(|byte| format!("\\{byte:02x}")).collect();
    include_str!("fuzz.wat")
        .replacen(";; IMPORTS", imports, 1)
        .replacen("(;DESCRIBE;)", describe, 1)
        .replacen("(;START;)", start, 1)
        .replacen("\"DATA\"", &format!("\"{memory}\""), 1)
}

/// The description as it stands in memory (canonical ABI of the component model).
fn memory(mut bytes: Bytes<'_>) -> Vec<u8> {
    let mut memory = Memory::default();
    let mut pairs: Vec<[u32; 2]> = Vec::new();
    for is_list in [false, false, false, true, false, true] {
        pairs.push(if is_list {
            let count = bytes.below(36);
            let texts: Vec<[u32; 2]> = (0..count).map(|_| memory.text(&mut bytes)).collect();
            memory.list(&texts)
        } else {
            memory.text(&mut bytes)
        });
    }
    let mut record: Vec<u8> = pairs.iter().flat_map(pair_bytes).collect();
    record.extend(u32::from(bytes.byte() % 4).to_le_bytes());
    for _ in 0..3 {
        record.extend(pair_bytes(&memory.text(&mut bytes)));
    }
    [record, memory.0].concat()
}

/// The texts behind the record.
#[derive(Default)]
struct Memory(Vec<u8>);

impl Memory {
    /// Puts a text in, known or free, and says where it is.
    fn text(&mut self, bytes: &mut Bytes<'_>) -> [u32; 2] {
        let text = match bytes.below(20) {
            16 => bytes.piece().to_vec(),
            17 => TEXTS[bytes.below(TEXTS.len())].repeat(50).into_bytes(),
            18 => return [u32::from(bytes.short()), u32::from(bytes.short())],
            19 => "x".repeat(bytes.below(256)).into_bytes(),
            known => TEXTS[known].into(),
        };
        let pair = [self.end(), u32::try_from(text.len()).unwrap_or(u32::MAX)];
        self.0.extend(text);
        pair
    }

    /// Puts a list of addresses and lengths in, aligned, and says where it is.
    fn list(&mut self, texts: &[[u32; 2]]) -> [u32; 2] {
        while !self.end().is_multiple_of(4) {
            self.0.push(0);
        }
        let pair = [self.end(), u32::try_from(texts.len()).unwrap_or(u32::MAX)];
        self.0.extend(texts.iter().flat_map(pair_bytes));
        pair
    }

    fn end(&self) -> u32 {
        RECORD + RECORD_LENGTH + u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

fn pair_bytes(pair: &[u32; 2]) -> Vec<u8> {
    pair.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What must hold of anything that is loaded.
fn judge(loaded: Result<Plugin, LoadError>) {
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(error) => {
            let sentence = error.to_string();
            assert!(!sentence.contains(char::is_control), "{sentence:?}");
            assert!(sentence.chars().count() <= MAX_SENTENCE, "{sentence:?}");
            return;
        }
    };
    let lower = |text: &str| text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'));
    let (identity, description) = (plugin.identity(), plugin.description());
    assert!(!identity.name.is_empty() && lower(&identity.name), "{identity:?}");
    assert!(
        !identity.version.is_empty() && identity.version.is_ascii(),
        "{identity:?}"
    );
    let phases: BTreeSet<_> = description.phases.iter().collect();
    assert!(
        phases.len() == description.phases.len() && phases.len() <= 32,
        "{phases:?}"
    );
    assert!(
        phases.iter().all(|phase| !phase.is_empty() && lower(phase)),
        "{phases:?}"
    );
    assert!(!description.summary.contains(char::is_control), "{description:?}");
    let is_ours = |name: &String| name.starts_with("bedcheck:plugin/") || name.starts_with("wasi:");
    assert!(plugin.imports().iter().all(is_ours), "{:?}", plugin.imports());
    // Whether it is a schema is found when a check uses it; that it is none is an error like others.
    if let Err(error) = SettingsSchema::parse(&description.schema) {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn components() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let settings = EngineSettings {
        concurrency: 2,
        memory: 1 << 20,
        compiling: Compiling::default(),
        purpose: Purpose::Runs,
    };
    let sandbox = Sandbox::new(&settings).expect("a sandbox");
    // name, version, summary, no phases, schema, no capabilities, no target.
    let sound = b"\0\0\0\x00\x01\x09\x00\x03\x00\x02";
    let phases = b"\0\0\0\x00\x01\x09\x03\x04\x05\x06\x03\x02\x07\x08\x01\x04\x05";
    let binary = component(sound).expect("`fuzz.wat` is sound");
    let is_loaded = runtime.block_on(Plugin::load(&sandbox, &binary)).is_ok();
    assert!(is_loaded, "what all inputs come from is a plugin");
    Fuzz::new("components")
        .seeds([
            sound.to_vec(),
            phases.to_vec(),
            binary,
            b"\0asm\x0d\0\x01\0".to_vec(),
        ])
        .patience(PATIENCE)
        .run(|input| {
            if let Some(component) = component(input) {
                judge(runtime.block_on(Plugin::load(&sandbox, &component)));
            }
        });
}
