//! A plugin, loaded: compiled, linked, asked what it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::code::{self, Ready};
use super::description::DESCRIBE_LIMITS;
use super::load_error::{MAX_MESSAGE, invalid};
use super::recognition::{imports, newer, recognise};
use super::{Description, LoadError, Sandbox, attempt, said};
use crate::bindings::PluginPre;
use crate::bindings::exports::bedcheck::plugin::check;
use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::hostcalls::RunState;
use crate::outcome::{PluginIdentity, hexadecimal};
use crate::tape::Tape;
use crate::text::told;

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
        .map_err(|error| match newer(&imports) {
            Some(import) => LoadError::NewerContract(told(import, MAX_MESSAGE)),
            None => invalid(&error),
        })?;
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

/// A plugin that several checks share.
pub type SharedPlugin = Arc<Plugin>;
