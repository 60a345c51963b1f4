//! The plugins there are: the built-in ones, which are part of the program, and those in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sandbox::{LoadError, MAX_SIZE, Plugin, Sandbox, SharedPlugin};

/// The built-in plugins: the names they describe themselves by, and their components.
const BUILT_IN: [(&str, &[u8]); 3] = [
    (
        "http",
        include_bytes!(concat!(env!("OUT_DIR"), "/bedcheck_http.wasm")),
    ),
    (
        "imap",
        include_bytes!(concat!(env!("OUT_DIR"), "/bedcheck_imap.wasm")),
    ),
    (
        "tcp",
        include_bytes!(concat!(env!("OUT_DIR"), "/bedcheck_tcp.wasm")),
    ),
];

/// Plugins by name.
#[derive(Debug, Default)]
pub struct Library {
    plugins: BTreeMap<String, SharedPlugin>,
    known: BTreeSet<String>,
    notices: Vec<String>,
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
    pub async fn load(
        sandbox: &Sandbox,
        folder: Option<&Path>,
        wanted: &BTreeSet<&str>,
    ) -> (Self, Vec<LibraryError>) {
        let mut library = Self::default();
        library
            .known
            .extend(BUILT_IN.iter().map(|(name, _)| (*name).to_owned()));
        let mut problems = Vec::new();
        if let Some(folder) = folder {
            library.load_folder(sandbox, folder, &mut problems).await;
        }
        for (name, component) in BUILT_IN {
            if !wanted.contains(name) || library.plugins.contains_key(name) {
                continue;
            }
            match Plugin::load(sandbox, component).await {
                Ok(plugin) => library.add(plugin),
                Err(error) => problems.push(LibraryError::Load {
                    origin: name.to_owned(),
                    error,
                }),
            }
        }
        (library, problems)
    }

    /// The plugin of that name, if it was loaded.
    pub fn get(&self, name: &str) -> Option<&SharedPlugin> {
        self.plugins.get(name)
    }

    /// The names there are, of plugins loaded or built in.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.known.iter().map(String::as_str)
    }

    /// What an operator should know about the choice of plugins.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    async fn load_folder(&mut self, sandbox: &Sandbox, folder: &Path, problems: &mut Vec<LibraryError>) {
        let files = match component_files(folder) {
            Ok(files) => files,
            Err(error) => {
                problems.push(LibraryError::Folder {
                    folder: folder.to_owned(),
                    error,
                });
                return;
            }
        };
        let mut origins: BTreeMap<String, PathBuf> = BTreeMap::new();
        for file in files {
            let plugin = match load_file(sandbox, &file).await {
                Ok(plugin) => plugin,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let name = plugin.identity().name.clone();
            if let Some(first) = origins.insert(name.clone(), file.clone()) {
                problems.push(LibraryError::Twice {
                    name,
                    first,
                    second: file,
                });
                continue;
            }
            if BUILT_IN.iter().any(|(built_in, _)| *built_in == name) {
                self.notices.push(format!(
                    "the plugin `{name}` is taken from `{}` instead of the built-in one",
                    file.display()
                ));
            }
            self.add(plugin);
        }
    }

    fn add(&mut self, plugin: Plugin) {
        let name = plugin.identity().name.clone();
        self.known.insert(name.clone());
        self.plugins.insert(name, Arc::new(plugin));
    }
}

/// Loads one file.
///
/// # Errors
///
/// When it cannot be read or is no plugin.
pub async fn load_file(sandbox: &Sandbox, file: &Path) -> Result<Plugin, LibraryError> {
    let bytes = read(file).map_err(|error| LibraryError::File {
        file: file.to_owned(),
        error,
    })?;
    let origin = file.display().to_string();
    Plugin::load(sandbox, &bytes)
        .await
        .map_err(|error| LibraryError::Load { origin, error })
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
    let (_, component) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
    let loaded = Plugin::load(sandbox, component).await;
    Some(loaded.map_err(|error| LibraryError::Load {
        origin: name.to_owned(),
        error,
    }))
}

/// The names of the built-in plugins.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The `*.wasm` files of a folder, in the order of their names.
fn component_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
