//! The plugins there are: the built-in ones, which are part of the program, and those in a folder. A library never
//! changes; a change makes another one that shares the plugins which stay.

pub mod folder;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::outcome::hexadecimal;
use crate::sandbox::{LoadError, MAX_SIZE, Plugin, Sandbox, SharedPlugin};

/// A built-in plugin.
struct BuiltIn {
    /// The name it describes itself by.
    name: &'static str,
    component: &'static [u8],
    /// The digest of the component, in hexadecimal.
    sha256: &'static str,
}

macro_rules! built_in {
    ($name:literal, $file:literal) => {
        BuiltIn {
            name: $name,
            component: include_bytes!(concat!(env!("OUT_DIR"), "/", $file, ".wasm")),
            sha256: include_str!(concat!(env!("OUT_DIR"), "/", $file, ".sha256")),
        }
    };
}

const BUILT_IN: [BuiltIn; 4] = [
    built_in!("dns", "bedcheck_dns"),
    built_in!("http", "bedcheck_http"),
    built_in!("imap", "bedcheck_imap"),
    built_in!("tcp", "bedcheck_tcp"),
];

/// Plugins by name.
#[derive(Debug, Clone, Default)]
pub struct Library {
    plugins: BTreeMap<String, Held>,
    known: BTreeSet<String>,
    notices: Vec<String>,
}

/// A plugin in use.
#[derive(Debug, Clone)]
pub struct Held {
    /// The plugin.
    pub plugin: SharedPlugin,
    /// Where it comes from.
    pub origin: Origin,
    /// Since when it is in use, by the time of day.
    pub since: SystemTime,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

impl Origin {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn => None,
            Self::File(file) => Some(file),
        }
    }
}

impl Held {
    /// A plugin that is in use from now on.
    pub fn new(plugin: SharedPlugin, origin: Origin) -> Self {
        Self {
            plugin,
            origin,
            since: SystemTime::now(),
        }
    }
}

/// A plugin that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The folder cannot be read.
    #[error("the plugin folder cannot be read: {error}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file cannot be read.
    #[error("the plugin cannot be read: {error}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is no plugin.
    #[error("the plugin cannot be loaded: {error}")]
    Load {
        /// The file, or the name of a built-in plugin.
        origin: String,
        /// Why.
        error: LoadError,
    },
    /// Two files have the same name.
    #[error("the plugin calls itself `{name}`, and so does `{}`", first.display())]
    Twice {
        /// That name.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

impl LibraryError {
    /// Where the plugin, or the folder, comes from.
    pub fn origin(&self) -> String {
        match self {
            Self::Folder { folder: path, .. }
            | Self::File { file: path, .. }
            | Self::Twice { second: path, .. } => path.display().to_string(),
            Self::Load { origin, .. } => origin.clone(),
        }
    }

    /// Whether it may be over later though nobody mends anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Folder { error, .. } | Self::File { error, .. } => {
                let lasting = [ErrorKind::NotFound, ErrorKind::PermissionDenied];
                error.raw_os_error().is_some() && !lasting.contains(&error.kind())
            }
            Self::Load { error, .. } => error.may_pass(),
            Self::Twice { .. } => false,
        }
    }

    /// The name the plugin would most likely have had: its own, or its file's.
    pub fn plugin_name(&self) -> Option<String> {
        match self {
            Self::Folder { .. } => None,
            Self::Twice { name, .. } => Some(name.clone()),
            Self::File { .. } | Self::Load { .. } => Some(
                Path::new(&self.origin())
                    .file_stem()?
                    .to_string_lossy()
                    .into_owned(),
            ),
        }
    }
}

impl Library {
    /// Loads every plugin in `folder`, and those built-in ones that are `wanted` and not replaced
    /// by one of the folder. Problems do not keep the other plugins from being loaded.
    ///
    /// What is the same in the `previous` library is taken from there, if the sandbox is the same.
    pub async fn load(
        sandbox: &Sandbox,
        folder: Option<&Path>,
        wanted: &BTreeSet<&str>,
        previous: Option<&Self>,
    ) -> (Self, Vec<LibraryError>) {
        let mut library = Self::default();
        library.known.extend(built_in_names().map(str::to_owned));
        let mut problems = Vec::new();
        if let Some(folder) = folder {
            library
                .load_folder(sandbox, folder, previous, &mut problems)
                .await;
        }
        for name in built_in_names().filter(|name| wanted.contains(name)) {
            if library.plugins.contains_key(name) {
                continue;
            }
            match hold_built_in(sandbox, name, previous).await {
                Ok(held) => library.add(held),
                Err(problem) => problems.push(problem),
            }
        }
        (library, problems)
    }

    /// The same with this plugin, instead of any of its name.
    #[must_use]
    pub fn with(&self, held: Held) -> Self {
        let mut library = self.clone();
        library.add(held);
        library
    }

    /// The same without the plugin of that name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut library = self.clone();
        library.plugins.remove(name);
        if !is_built_in(name) {
            library.known.remove(name);
        }
        library
    }

    /// The plugins of files, loaded anew for another sandbox, because code is bound to its own; those that `now` has the same
    /// are left out.
    pub async fn moved(&self, sandbox: &Sandbox, now: &Self, problems: &mut Vec<LibraryError>) -> Self {
        let mut moved = Self::default();
        for (_, held) in self.held() {
            let Some(file) = held.origin.file() else { continue };
            if now.same(&held.plugin.identity().sha256).is_some() {
                continue;
            }
            match load_bytes(sandbox, held.plugin.component(), file).await {
                Ok(plugin) => moved.add(Held {
                    plugin: Arc::new(plugin),
                    ..held.clone()
                }),
                Err(problem) => problems.push(problem),
            }
        }
        moved
    }

    /// The plugins in use, by name.
    pub fn held(&self) -> impl Iterator<Item = (&str, &Held)> {
        self.plugins.iter().map(|(name, held)| (name.as_str(), held))
    }

    /// The plugin of that name, where it comes from, and since when it is in use.
    pub fn find(&self, name: &str) -> Option<&Held> {
        self.plugins.get(name)
    }

    /// The files from which plugins were loaded.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.plugins.values().filter_map(|held| held.origin.file())
    }

    /// The plugin that was loaded from this file.
    pub fn from_file(&self, file: &Path) -> Option<&Held> {
        self.plugins
            .values()
            .find(|held| held.origin.file() == Some(file))
    }

    /// The plugin of that name, if it was loaded.
    pub fn get(&self, name: &str) -> Option<&SharedPlugin> {
        Some(&self.plugins.get(name)?.plugin)
    }

    /// The names there are, of plugins loaded or built in.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.known.iter().map(String::as_str)
    }

    /// What an operator should know about the choice of plugins.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    async fn load_folder(
        &mut self,
        sandbox: &Sandbox,
        folder: &Path,
        previous: Option<&Self>,
        problems: &mut Vec<LibraryError>,
    ) {
        let files = match folder::names(folder) {
            Ok(files) => files,
            Err(error) => {
                problems.push(LibraryError::Folder {
                    folder: folder.to_owned(),
                    error,
                });
                return;
            }
        };
        for file in files {
            let held = match hold_file(sandbox, &file, previous).await {
                Ok(held) => held,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let name = &held.plugin.identity().name;
            if let Some(Held {
                origin: Origin::File(first),
                ..
            }) = self.plugins.get(name)
            {
                problems.push(LibraryError::Twice {
                    name: name.clone(),
                    first: first.clone(),
                    second: file,
                });
                continue;
            }
            if is_built_in(name) {
                self.notices.push(instead_of_built_in(name, &file));
            }
            self.add(held);
        }
    }

    fn add(&mut self, held: Held) {
        let name = held.plugin.identity().name.clone();
        let notices = held.plugin.notices().iter();
        self.notices
            .extend(notices.map(|notice| format!("plugin `{name}`: {notice}")));
        self.known.insert(name.clone());
        self.plugins.insert(name, held);
    }

    /// The same bytes in use already.
    fn same(&self, sha256: &str) -> Option<&Held> {
        self.plugins
            .values()
            .find(|held| held.plugin.identity().sha256 == sha256)
    }
}

/// What an operator should know about a file with the name of a built-in plugin.
pub fn instead_of_built_in(name: &str, file: &Path) -> String {
    format!(
        "the plugin `{name}` is taken from `{}` instead of the built-in one",
        file.display()
    )
}

async fn hold_file(sandbox: &Sandbox, file: &Path, previous: Option<&Library>) -> Result<Held, LibraryError> {
    let bytes = read_file(file)?;
    let origin = Origin::File(file.to_owned());
    if let Some(same) = previous.and_then(|previous| previous.same(&digest(&bytes))) {
        let since = same.since;
        return Ok(Held {
            plugin: Arc::clone(&same.plugin),
            origin,
            since,
        });
    }
    let plugin = load_bytes(sandbox, &bytes, file).await?;
    Ok(Held::new(Arc::new(plugin), origin))
}

/// Loads a built-in plugin, or takes it from a library that has it.
///
/// # Errors
///
/// When it does not load, or there is none of that name.
pub async fn hold_built_in(
    sandbox: &Sandbox,
    name: &str,
    previous: Option<&Library>,
) -> Result<Held, LibraryError> {
    let known = previous.and_then(|previous| previous.find(name));
    if let Some(held) = known.filter(|held| held.origin == Origin::BuiltIn) {
        return Ok(held.clone());
    }
    let Some(loaded) = load_built_in(sandbox, name).await else {
        return Err(LibraryError::Load {
            origin: name.to_owned(),
            error: LoadError::NotWebAssembly,
        });
    };
    Ok(Held::new(Arc::new(loaded?), Origin::BuiltIn))
}

/// The digest by which a plugin is known.
pub fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Whether there is a built-in plugin of that name.
pub fn is_built_in(name: &str) -> bool {
    built_in_names().any(|built_in| built_in == name)
}

/// Loads one file.
///
/// # Errors
///
/// When it cannot be read or is no plugin.
pub async fn load_file(sandbox: &Sandbox, file: &Path) -> Result<Plugin, LibraryError> {
    load_bytes(sandbox, &read_file(file)?, file).await
}

/// Loads what was read from a file.
///
/// # Errors
///
/// When it is no plugin.
pub async fn load_bytes(sandbox: &Sandbox, bytes: &[u8], file: &Path) -> Result<Plugin, LibraryError> {
    let origin = file.display().to_string();
    Plugin::load(sandbox, bytes)
        .await
        .map_err(|error| LibraryError::Load { origin, error })
}

/// Reads a file.
///
/// # Errors
///
/// When it cannot be read.
pub fn read_file(file: &Path) -> Result<Vec<u8>, LibraryError> {
    read(file).map_err(|error| LibraryError::File {
        file: file.to_owned(),
        error,
    })
}

/// Reads a file: no pipe, which could keep us waiting, and no more of it than is needed to see that it is too
/// large.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)?
        .take(MAX_SIZE as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Loads a built-in plugin; none if there is none of that name.
///
/// # Errors
///
/// When it does not load, which would be a mistake in this program.
pub async fn load_built_in(sandbox: &Sandbox, name: &str) -> Option<Result<Plugin, LibraryError>> {
    let built_in = BUILT_IN.iter().find(|built_in| built_in.name == name)?;
    let component = Bytes::from_static(built_in.component);
    let loaded = Plugin::load_known(sandbox, component, built_in.sha256.to_owned()).await;
    Some(loaded.map_err(|error| LibraryError::Load {
        origin: name.to_owned(),
        error,
    }))
}

/// The names of the built-in plugins.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|built_in| built_in.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_plugins_are_known_by_their_digests() {
        for built_in in &BUILT_IN {
            assert_eq!(built_in.sha256, digest(built_in.component), "{}", built_in.name);
        }
    }
}
