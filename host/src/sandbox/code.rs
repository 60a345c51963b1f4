//! From a component to code that runs: kept code, if there is any and it is whole, else compiled. With the code is kept
//! what the plugin said of itself.

use std::hash::{Hash, Hasher};

use twox_hash::XxHash3_128;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiled::{Code, CodeFolder, Found, MAGIC};
use super::compiler::{Compiler, MAX_COMPILING, compile_aside};
use super::load_error::{LoadError, invalid};
use super::{Sandbox, said};
use crate::bindings::exports::bedcheck::plugin::check;
use crate::outcome::hexadecimal;

/// The code of a component, ready to be linked.
pub(super) struct Ready {
    /// The component, runnable.
    pub(super) component: Component,
    /// Whether its code was kept.
    pub(super) was_kept: bool,
    /// What the plugin said of itself when its code was first kept.
    pub(super) said: Option<check::Description>,
    /// What was compiled just now.
    new: Option<New>,
}

/// Code that is not kept yet.
struct New {
    name: String,
    code: Vec<u8>,
}

/// The code of a component with this digest. What an operator should know about the kept code goes to the notices.
pub(super) async fn of(
    sandbox: &Sandbox,
    bytes: &[u8],
    sha256: &str,
    notices: &mut Vec<String>,
) -> Result<Ready, LoadError> {
    let name = match sandbox.kept() {
        None => None,
        Some(kept) => {
            let name = format!("{sha256}-{}", compatibility(&sandbox.engine));
            match kept_code(sandbox, kept, &name).await {
                Ok(Some(ready)) => return Ok(ready),
                Ok(None) => {}
                Err(why) => notices.push(format!(
                    "the kept code of a plugin is damaged ({why}); the plugin was compiled anew"
                )),
            }
            Some(name)
        }
    };
    let code = compile(sandbox, bytes).await?;
    let component = runnable(&sandbox.engine, &code).map_err(|error| invalid(&error))?;
    Ok(Ready {
        component,
        was_kept: false,
        said: None,
        new: name.map(|name| New { name, code }),
    })
}

/// The kept code of that name, if there is any; or why it cannot be used.
async fn kept_code(sandbox: &Sandbox, kept: &CodeFolder, name: &str) -> Result<Option<Ready>, &'static str> {
    let code = match read(sandbox, kept, name).await {
        Found::Nothing => return Ok(None),
        Found::Damaged(why) => return Err(why),
        Found::Code(code) => code,
    };
    let said = said::of_bytes(code.note());
    let component = runnable_file(&sandbox.engine, code).map_err(|_| "it is not for this engine")?;
    Ok(Some(Ready {
        component,
        was_kept: true,
        said,
        new: None,
    }))
}

impl Ready {
    /// Keeps the code if it is new, with a note of what the plugin said of itself.
    pub(super) async fn keep(self, sandbox: &Sandbox, note: &[u8], notices: &mut Vec<String>) {
        let (Some(kept), Some(New { name, code })) = (sandbox.kept(), self.new) else {
            return;
        };
        if let Err(error) = write(kept, name, code, note.to_vec()).await {
            notices.push(format!(
                "the compiled code of a plugin cannot be kept, so it is compiled again next time: {error}"
            ));
        }
    }
}

/// Files are read and written aside from the runtime's threads, because a disk can be slow; but for reading as long as
/// there are no runs, because then everybody waits for it.
async fn read(sandbox: &Sandbox, kept: &CodeFolder, name: &str) -> Found {
    if !sandbox.has_runs() {
        return kept.read(name);
    }
    let (kept, name) = (kept.clone(), name.to_owned());
    let reading = tokio::task::spawn_blocking(move || kept.read(&name));
    reading.await.unwrap_or(Found::Nothing)
}

async fn write(kept: &CodeFolder, name: String, code: Vec<u8>, note: Vec<u8>) -> std::io::Result<()> {
    let kept = kept.clone();
    let writing = tokio::task::spawn_blocking(move || kept.write(&name, &code, &note));
    writing.await.map_err(std::io::Error::other)?
}

async fn compile(sandbox: &Sandbox, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    match sandbox.compiler() {
        Compiler::Here => compile_here(&sandbox.engine, bytes.to_vec()).await,
        Compiler::Aside => compile_aside(bytes, sandbox.reservation, false).await,
        Compiler::BesideRuns => compile_aside(bytes, sandbox.reservation, true).await,
    }
}

/// Compiles in this process. What takes too long is left behind: a thread cannot be ended from outside.
async fn compile_here(engine: &Engine, bytes: Vec<u8>) -> Result<Vec<u8>, LoadError> {
    let engine = engine.clone();
    let compiling = tokio::task::spawn_blocking(move || engine.precompile_component(&bytes));
    match tokio::time::timeout(MAX_COMPILING, compiling).await {
        Ok(Ok(compiled)) => compiled.map_err(|error| invalid(&error)),
        Ok(Err(_)) => Err(LoadError::CompilerFailed),
        Err(_) => Err(LoadError::CompilingTooLong),
    }
}

/// Makes compiled code runnable. This and the next are the only places where this program trusts bytes to be machine
/// code: they must come from its own compiler, just now, or from a [`CodeFolder`], verified.
#[expect(
    unsafe_code,
    reason = "running code that was compiled in another process needs it, and the engine has no safe way"
)]
fn runnable(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were made by `Engine::precompile_component` of this program: by itself, by its own
    // child process over a pipe that nobody else has, or by one of those before, kept in a folder that nobody
    // else can write to and found unchanged by its checksum. The engine holds version, target and settings against
    // its own and refuses what differs.
    unsafe { Component::deserialize(engine, code) }
}

/// Makes kept code runnable where it is: its file is mapped, so that only what runs is ever in memory. Where a file
/// system forbids to run what is on it, it is copied.
#[expect(
    unsafe_code,
    reason = "loading code that was compiled before is what makes a start fast, and the engine has no safe way"
)]
fn runnable_file(engine: &Engine, mut code: Code) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by this program with what `Engine::precompile_component` had made, into a folder
    // that nobody else can write to, and has just been found unchanged by its checksum; the mapping is of that very
    // file. It stays as it is: this program never writes into such a file again, but puts another in its place.
    let mapped = unsafe { Component::deserialize_file(engine, code.path()) };
    mapped.or_else(|_| runnable(engine, &code.content()?))
}

/// What kept code must have in common with this program to be used by it, in hexadecimal: the engine, which runs it, the
/// version, which asked the plugin what it is, and the layout of the file.
fn compatibility(engine: &Engine) -> String {
    let mut digest = Digester(XxHash3_128::new());
    digest.write(MAGIC);
    digest.write(env!("CARGO_PKG_VERSION").as_bytes());
    engine.precompile_compatibility_hash().hash(&mut digest);
    hexadecimal(&digest.0.finish_128().to_be_bytes())
}

/// A hash that is the same in every process, and long enough that no two engines have the same.
struct Digester(XxHash3_128);

impl Hasher for Digester {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks for half of it.
        u64::try_from(self.0.finish_128() >> 64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Compiling, EngineSettings, Purpose};

    fn sandbox(concurrency: u32, memory: u64) -> Sandbox {
        let settings = EngineSettings {
            concurrency,
            memory,
            compiling: Compiling::default(),
            purpose: Purpose::Runs,
        };
        Sandbox::new(&settings).expect("a sandbox")
    }

    #[test]
    fn code_is_told_apart_by_what_it_depends_on_only() {
        let one = sandbox(1, 1 << 20);
        let more_runs = sandbox(3, 1 << 20);
        let more_memory = sandbox(1, 1 << 30);
        assert_eq!(compatibility(&one.engine), compatibility(&more_runs.engine));
        assert_eq!(compatibility(&one.engine), compatibility(&more_memory.engine));
        let compiler = |reservation| {
            Engine::new(&super::super::configuration::compiling(reservation)).expect("an engine")
        };
        assert_eq!(
            compatibility(&one.engine),
            compatibility(&compiler(one.reservation))
        );
        assert_ne!(compatibility(&one.engine), compatibility(&compiler(1 << 20)));
    }
}
