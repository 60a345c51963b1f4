//! The plugin under test: built as its users build it, or taken from a file.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::{Error, Rehearsal, Settings};

const TARGET: &str = "wasm32-wasip2";
/// What is meant for the tests, which are native code, and not for a component.
const NATIVE_ONLY: [&str; 3] = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET"];

/// A plugin to be rehearsed.
#[derive(Debug, Clone)]
pub struct Plugin {
    file: PathBuf,
}

impl Plugin {
    /// Builds the crate whose tests these are, as `cargo build --release --target wasm32-wasip2` does. It is built
    /// once in a test process; later calls have the same plugin.
    ///
    /// # Errors
    ///
    /// When the tests were not started by cargo, the crate does not compile for that target, or is no `cdylib`.
    pub fn build() -> Result<Self, Error> {
        static BUILT: OnceLock<Result<PathBuf, Error>> = OnceLock::new();
        let file = BUILT.get_or_init(build).clone()?;
        Ok(Self { file })
    }

    /// A plugin that is there: a component in a file. A relative path begins where `cargo test` runs, in the folder
    /// of the package.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self { file: path.into() }
    }

    /// The file of the component.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A rehearsal of a check with these settings: a JSON object, or [`Settings`] in a file. Secrets that the
    /// settings refer to, as `{"secret": "NAME"}`, are made up.
    pub fn rehearse(&self, settings: impl Into<Settings>) -> Rehearsal {
        Rehearsal::new(self.file.clone(), settings.into())
    }
}

fn build() -> Result<PathBuf, Error> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or_else(|| {
        Error::new(
            "the plugin cannot be built: found no `CARGO_MANIFEST_DIR` in the environment, wanted tests that were \
             started by `cargo test`",
        )
    })?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = package.join("Cargo.toml");
    let mut command = Command::new(cargo);
    command
        .current_dir(&package)
        .args(["build", "--release", "--lib", "--quiet", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(&manifest)
        .stdin(Stdio::null());
    for name in NATIVE_ONLY {
        command.env_remove(name);
    }
    let output = command.output().map_err(|error| {
        Error::new(format!(
            "the plugin cannot be built: cargo cannot be started: {error}"
        ))
    })?;
    component(&output, &manifest)
}

fn component(output: &Output, manifest: &Path) -> Result<PathBuf, Error> {
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(format!(
            "the plugin does not compile:\n{}",
            told.trim_end()
        )));
    }
    built_component(&String::from_utf8_lossy(&output.stdout), manifest).ok_or_else(|| {
        Error::new(format!(
            "{}: found no component among what was built, wanted `crate-type = [\"cdylib\"]` in `[lib]`",
            manifest.display()
        ))
    })
}

/// The component of a package among cargo's messages, one JSON object on a line each.
fn built_component(messages: &str, manifest: &Path) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact"
                && message["manifest_path"].as_str().map(Path::new) == Some(manifest)
        })
        .find_map(|artifact| {
            let files = artifact["filenames"].as_array()?;
            let mut components = files.iter().filter_map(Value::as_str).map(PathBuf::from);
            components.find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_that_of_the_package_itself() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","filenames":["/t/dep.wasm"]}
{"reason":"compiler-artifact","manifest_path":"/own/Cargo.toml","filenames":["/t/libown.rlib","/t/own.wasm"]}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            built_component(messages, Path::new("/own/Cargo.toml")),
            Some("/t/own.wasm".into())
        );
        assert_eq!(built_component(messages, Path::new("/other/Cargo.toml")), None);
    }
}
