//! A plugin, loaded: compiled, linked, asked what it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use super::{Sandbox, attempt};
use crate::bindings::PluginPre;
use crate::bindings::exports::bedcheck::plugin::check;
use crate::budget::Limits;
use crate::capability::Capability;
use crate::deadline::Deadline;
use crate::hostcalls::RunState;
use crate::outcome::{PluginIdentity, hexadecimal};
use crate::phase::MAX_DECLARED;

/// The largest component that is loaded: twice what an interpreter compiled to one takes.
pub const MAX_SIZE: usize = 64 * 1024 * 1024;
/// What a plugin may spend to describe itself.
pub(super) const DESCRIBE_LIMITS: Limits = Limits {
    deadline: Duration::from_secs(2),
    grace: Duration::ZERO,
    fuel: 1_000_000_000,
    memory: 64 * 1024 * 1024,
    host_calls: 100,
    bytes: 0,
};
/// How much of a name is shown that a plugin is refused for, in characters: longer ones are no names.
const MAX_SHOWN: usize = 80;
/// How much of what the engine says about a component is shown, in characters.
const MAX_WORDS: usize = 600;
const MAGIC: &[u8] = b"\0asm";
/// The header of a core module (version 1, layer 0) after the magic number.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// A plugin, ready to run.
pub struct Plugin {
    identity: PluginIdentity,
    description: Description,
    imports: Vec<String>,
    pub(super) pre: PluginPre<RunState>,
}

/// What a plugin says it is, found to be sound.
#[derive(Debug, Clone)]
pub struct Description {
    /// One sentence.
    pub summary: String,
    /// The phases of a run, in order.
    pub phases: Vec<String>,
    /// The JSON Schema of the settings: JSON, and not yet held to be a schema.
    pub schema: String,
    /// What it needs.
    pub capabilities: BTreeSet<Capability>,
    /// Where the settings name the target.
    pub target: Target,
}

/// Where the settings name the target.
#[derive(Debug, Clone)]
pub enum Target {
    /// Keys of a host and a port, and the ports that may be dialled when the settings name none.
    HostAndPort {
        /// The host's key.
        host: String,
        /// The port's key.
        port: String,
        /// The ports without that key.
        default_ports: Vec<u16>,
    },
    /// The key of a URL.
    Url(String),
    /// The settings do not tell.
    None,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly.
    #[error("it is not a WebAssembly component")]
    NotWebAssembly,
    /// A module instead of a component.
    #[error(
        "it is a core WebAssembly module, not a component; build it with `cargo build --target wasm32-wasip2`"
    )]
    CoreModule,
    /// Machine code.
    #[error("it is machine code compiled ahead of time, which is never loaded from a plugin file")]
    Precompiled,
    /// Larger than [`MAX_SIZE`].
    #[error("it has {0} bytes, and at most {MAX_SIZE} are loaded")]
    TooLarge(usize),
    /// The engine refuses it.
    #[error("it is not a valid component: {0}")]
    Invalid(String),
    /// It imports something else than the contract and WASI 0.2.
    #[error(
        "it imports `{0}`, which bedcheck does not provide; a plugin may import `bedcheck:plugin@1` and the clocks, random numbers and standard streams of WASI 0.2"
    )]
    ForeignImport(String),
    /// It is made for another major version of the contract.
    #[error("it is made for `{0}`, and this bedcheck provides version 1 of the contract")]
    OtherVersion(String),
    /// It does not export the contract's interface.
    #[error("it does not export `bedcheck:plugin/check@1.0.0`, so it is no check plugin")]
    NoCheck,
    /// `describe` trapped, looped, or said something unusable.
    #[error("its description cannot be used: {0}")]
    Description(String),
}

impl Plugin {
    /// Compiles, links and inspects a plugin. Compiling takes CPU time: call it aside from the runtime.
    ///
    /// # Errors
    ///
    /// When the bytes are no plugin, or one that breaks the contract.
    pub async fn load(sandbox: &Sandbox, bytes: &[u8]) -> Result<Self, LoadError> {
        recognise(bytes)?;
        let component = Component::from_binary(&sandbox.engine, bytes).map_err(|error| invalid(&error))?;
        let imports = imports(&sandbox.engine, &component)?;
        let pre = sandbox
            .linker
            .instantiate_pre(&component)
            .and_then(PluginPre::new)
            .map_err(|error| invalid(&error))?;
        let deadline = Deadline::new(Instant::now(), DESCRIBE_LIMITS.deadline, DESCRIBE_LIMITS.grace);
        let said = attempt::describe(sandbox, &pre, deadline, DESCRIBE_LIMITS)
            .await
            .map_err(LoadError::Description)?;
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        let identity = identity(&said, sha256).map_err(LoadError::Description)?;
        let description = Description::checked(said).map_err(LoadError::Description)?;
        Ok(Self {
            identity,
            description,
            imports,
            pre,
        })
    }

    /// Name, version and digest.
    pub fn identity(&self) -> &PluginIdentity {
        &self.identity
    }

    /// What it says it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The interfaces it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Whether the bytes are a component at all, by their first eight.
fn recognise(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > MAX_SIZE {
        return Err(LoadError::TooLarge(bytes.len()));
    }
    if Engine::detect_precompiled(bytes)
        .is_some_and(|kind| matches!(kind, Precompiled::Module | Precompiled::Component))
    {
        return Err(LoadError::Precompiled);
    }
    match bytes.strip_prefix(MAGIC) {
        None => Err(LoadError::NotWebAssembly),
        Some(rest) if rest.starts_with(CORE_MODULE) => Err(LoadError::CoreModule),
        Some(_) => Ok(()),
    }
}

/// The interfaces a component imports, all of which are ours to give.
fn imports(engine: &Engine, component: &Component) -> Result<Vec<String>, LoadError> {
    let component_type = component.component_type();
    let mut imports = Vec::new();
    for (name, _) in component_type.imports(engine) {
        match name.split_once('@') {
            Some((interface, version)) if interface.starts_with("bedcheck:plugin/") => {
                if !version.starts_with("1.") {
                    return Err(LoadError::OtherVersion(shown(name)));
                }
            }
            Some((interface, version)) if is_wasi(interface) && version.starts_with("0.2.") => {}
            _ => return Err(LoadError::ForeignImport(shown(name))),
        }
        imports.push(name.to_owned());
    }
    let mut checks = component_type
        .exports(engine)
        .filter(|(name, _)| name.starts_with("bedcheck:plugin/check@"));
    match checks.next() {
        Some((name, _)) if !name.starts_with("bedcheck:plugin/check@1.") => {
            Err(LoadError::OtherVersion(shown(name)))
        }
        Some(_) => Ok(imports),
        None => Err(LoadError::NoCheck),
    }
}

/// The engine's words on one line: it has some of several, and they quote names of the file.
fn invalid(error: &wasmtime::Error) -> LoadError {
    let words = format!("{error:#}");
    let words: Vec<&str> = words.split_whitespace().collect();
    LoadError::Invalid(cut(&words.join(" "), MAX_WORDS))
}

/// A name out of the file, fit to be shown.
fn shown(name: &str) -> String {
    cut(name, MAX_SHOWN)
}

/// At most so many characters of a text, those escaped that could steer a terminal.
fn cut(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).flat_map(harmless).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// The character, escaped unless it can be printed.
fn harmless(character: char) -> Vec<char> {
    match character {
        '"' | '\'' | '\\' => vec![character],
        other => other.escape_debug().collect(),
    }
}

fn is_wasi(interface: &str) -> bool {
    [
        "wasi:io/",
        "wasi:cli/",
        "wasi:clocks/",
        "wasi:random/",
        "wasi:filesystem/",
        "wasi:sockets/",
    ]
    .iter()
    .any(|package| interface.starts_with(package))
}

fn identity(said: &check::Description, sha256: String) -> Result<PluginIdentity, String> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &said.name;
    if name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(letters) {
        return Err(format!(
            "the name `{}` is not made of lower case letters, digits and hyphens, starting with a letter",
            shown(name)
        ));
    }
    let version = &said.version;
    let printable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    if version.is_empty() || version.len() > 64 || !version.chars().all(printable) {
        return Err(format!("`{}` is not a version", shown(version)));
    }
    Ok(PluginIdentity {
        name: name.clone(),
        version: version.clone(),
        sha256,
    })
}

impl Description {
    fn checked(said: check::Description) -> Result<Self, String> {
        if said.phases.len() > MAX_DECLARED {
            return Err(format!(
                "it declares {} phases, and at most {MAX_DECLARED} are allowed",
                said.phases.len()
            ));
        }
        let mut seen = BTreeSet::new();
        for phase in &said.phases {
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if phase.is_empty() || phase.len() > 64 || !phase.chars().all(letters) {
                return Err(format!(
                    "the phase `{}` is not made of lower case letters, digits and hyphens",
                    shown(phase)
                ));
            }
            if !seen.insert(phase) {
                return Err(format!("the phase `{phase}` is declared twice"));
            }
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&said.settings_schema)
            .map_err(|error| format!("the schema of its settings is not JSON: {error}"))?;
        let capabilities = said
            .capabilities
            .iter()
            .map(|name| {
                name.parse().map_err(|_| {
                    format!(
                        "it needs the capability `{}`, which this bedcheck does not have",
                        shown(name)
                    )
                })
            })
            .collect::<Result<_, _>>()?;
        let target = match said.target {
            check::Target::HostAndPort(keys) => Target::HostAndPort {
                host: keys.host,
                port: keys.port,
                default_ports: keys.default_ports,
            },
            check::Target::Url(key) => Target::Url(key),
            check::Target::None => Target::None,
        };
        let summary = said
            .summary
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        Ok(Self {
            summary,
            phases: said.phases,
            schema: said.settings_schema,
            capabilities,
            target,
        })
    }
}

/// A plugin that several checks share.
pub type SharedPlugin = Arc<Plugin>;
