//! A plugin, loaded: compiled, linked, asked what it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use super::code::{self, Ready};
use super::compiled::MAX_CODE;
use super::compiler::{MAX_COMPILING, MAX_MEMORY, MAX_PROCESSOR_TIME};
use super::{Description, Sandbox, attempt, said};
use crate::bindings::PluginPre;
use crate::bindings::exports::bedcheck::plugin::check;
use crate::budget::Limits;
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::hostcalls::RunState;
use crate::outcome::{PluginIdentity, hexadecimal};
use crate::tape::Tape;
use crate::text::told;

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
/// The longest message about a plugin, in bytes: the engine quotes names from the file.
const MAX_MESSAGE: usize = 1024;
const MAGIC: &[u8] = b"\0asm";
/// The header of a core module (version 1, layer 0) after the magic number.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// A plugin, ready to run.
pub struct Plugin {
    identity: PluginIdentity,
    description: Description,
    imports: Vec<String>,
    component: Bytes,
    notices: Vec<String>,
    loading: Loading,
    pub(super) pre: PluginPre<RunState>,
}

/// How a plugin was loaded.
#[derive(Debug, Clone, Copy)]
pub struct Loading {
    /// How long it took, from its bytes to its description.
    pub took: Duration,
    /// Whether its compiled code had been kept.
    pub was_kept: bool,
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
    #[error("it has more than {MAX_SIZE} bytes")]
    TooLarge,
    /// It takes too long to compile.
    #[error(
        "it was not compiled within {} s, or {} s of processor time, which no plugin needs",
        MAX_COMPILING.as_secs(), MAX_PROCESSOR_TIME.as_secs()
    )]
    CompilingTooLong,
    /// Compiling it ended with a panic of the compiler's.
    #[error("it cannot be compiled: the compiler failed")]
    CompilerFailed,
    /// Compiling it takes too much memory.
    #[error("it was not compiled within {} MiB of memory, which no plugin needs", MAX_MEMORY >> 20)]
    CompilingTooLarge,
    /// Its compiled code is too long.
    #[error("it compiles to more than {} MiB of code, which no plugin needs", MAX_CODE >> 20)]
    TooMuchCode,
    /// The compiler was ended from outside, or crashed.
    #[error("it cannot be compiled: the compiler was ended by signal {0}")]
    CompilerKilled(i32),
    /// The compiler's process cannot be had.
    #[error("it cannot be compiled: the compiler cannot be started: {0}")]
    NoCompiler(String),
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
    #[error("it does not export `bedcheck:plugin/check@1`, so it is no check plugin")]
    NoCheck,
    /// `describe` trapped, looped, or said something unusable.
    #[error("its description cannot be used: {0}")]
    Description(String),
}

impl Plugin {
    /// Compiles, links and inspects a plugin. Compiling is done aside from the runtime's own threads.
    ///
    /// # Errors
    ///
    /// When the bytes are no plugin, or one that breaks the contract.
    pub async fn load(sandbox: &Sandbox, bytes: &[u8]) -> Result<Self, LoadError> {
        let begun = Instant::now();
        recognise(bytes)?;
        let sha256 = hexadecimal(&Sha256::digest(bytes));
        Self::of(sandbox, Bytes::copy_from_slice(bytes), sha256, begun).await
    }

    /// The same for a component whose SHA-256 digest, in hexadecimal, is known: that of one which is part of the
    /// program is found when the program is built, for it takes longer than the rest of a start where the
    /// processor has no instructions for it.
    ///
    /// # Errors
    ///
    /// When the bytes are no plugin, or one that breaks the contract.
    pub(crate) async fn load_known(
        sandbox: &Sandbox,
        component: Bytes,
        sha256: String,
    ) -> Result<Self, LoadError> {
        let begun = Instant::now();
        recognise(&component)?;
        Self::of(sandbox, component, sha256, begun).await
    }

    async fn of(
        sandbox: &Sandbox,
        component: Bytes,
        sha256: String,
        begun: Instant,
    ) -> Result<Self, LoadError> {
        let mut notices = Vec::new();
        let mut code = code::of(sandbox, &component, &sha256, &mut notices).await?;
        let was_kept = code.was_kept;
        let mut asked = ask(sandbox, &mut code, sha256).await;
        // That of a component which is no plugin as well: a folder is looked at again and again.
        let note = asked.as_mut().map(|asked| std::mem::take(&mut asked.note));
        code.keep(sandbox, &note.unwrap_or_default(), &mut notices).await;
        let Asked {
            pre,
            imports,
            identity,
            description,
            ..
        } = asked?;
        Ok(Self {
            identity,
            description,
            imports,
            component,
            notices,
            loading: Loading {
                took: begun.elapsed(),
                was_kept,
            },
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

    /// The component, as it was loaded.
    pub fn component(&self) -> &[u8] {
        &self.component
    }

    /// How it was loaded.
    pub fn loading(&self) -> Loading {
        self.loading
    }

    /// What an operator should know about how it was loaded.
    pub fn notices(&self) -> &[String] {
        &self.notices
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
        return Err(LoadError::TooLarge);
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

/// What a component is, found out.
struct Asked {
    pre: PluginPre<RunState>,
    imports: Vec<String>,
    identity: PluginIdentity,
    description: Description,
    /// What it said, if it was asked just now.
    note: Vec<u8>,
}

/// Links a component and finds out what it is: it is asked, unless it was before.
async fn ask(sandbox: &Sandbox, code: &mut Ready, sha256: String) -> Result<Asked, LoadError> {
    let imports = imports(&sandbox.engine, &code.component)?;
    let pre = sandbox
        .link(&code.component, &imports)
        .and_then(PluginPre::new)
        .map_err(|error| invalid(&error))?;
    let (said, note) = match code.said.take() {
        Some(said) => (said, Vec::new()),
        None => {
            let said = describe(sandbox, &pre).await?;
            let note = said::to_bytes(&said);
            (said, note)
        }
    };
    let (identity, description) = Description::checked(said, sha256).map_err(LoadError::Description)?;
    Ok(Asked {
        pre,
        imports,
        identity,
        description,
        note,
    })
}

async fn describe(sandbox: &Sandbox, pre: &PluginPre<RunState>) -> Result<check::Description, LoadError> {
    let deadline = Deadline::new(
        Clock::live(),
        Tape::none(),
        DESCRIBE_LIMITS.deadline,
        DESCRIBE_LIMITS.grace,
    );
    attempt::describe(sandbox, pre, deadline, DESCRIBE_LIMITS)
        .await
        .map_err(|reason| LoadError::Description(told(&reason, MAX_MESSAGE)))
}

pub(super) fn invalid(error: &wasmtime::Error) -> LoadError {
    LoadError::Invalid(told(&format!("{error:#}"), MAX_MESSAGE))
}

/// The interfaces a component imports, all of which are ours to give.
fn imports(engine: &Engine, component: &Component) -> Result<Vec<String>, LoadError> {
    let component_type = component.component_type();
    let mut imports = Vec::new();
    for (name, _) in component_type.imports(engine) {
        match name.split_once('@') {
            Some((interface, version)) if interface.starts_with("bedcheck:plugin/") => {
                if !version.starts_with("1.") {
                    return Err(LoadError::OtherVersion(told(name, MAX_MESSAGE)));
                }
            }
            Some((interface, version)) if is_wasi(interface) && version.starts_with("0.2.") => {}
            _ => return Err(LoadError::ForeignImport(told(name, MAX_MESSAGE))),
        }
        imports.push(name.to_owned());
    }
    let mut checks = component_type
        .exports(engine)
        .filter(|(name, _)| name.starts_with("bedcheck:plugin/check@"));
    match checks.next() {
        Some((name, _)) if !name.starts_with("bedcheck:plugin/check@1.") => {
            Err(LoadError::OtherVersion(told(name, MAX_MESSAGE)))
        }
        Some(_) => Ok(imports),
        None => Err(LoadError::NoCheck),
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

/// A plugin that several checks share.
pub type SharedPlugin = Arc<Plugin>;
