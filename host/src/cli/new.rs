//! `bedcheck plugin new`: writes a new project, whole or not at all, and says what to do next.

mod project;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use super::args::NewArguments;
use super::rehearse::quoted;
use super::{output, refuse};
use project::SdkSource;

/// What plugins are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// Makes a project, or says why not.
pub(super) fn new(arguments: &NewArguments) -> ExitCode {
    match make(arguments) {
        Ok(folder) => {
            output::say(&next_steps(&arguments.name, &folder, missing_tools()));
            ExitCode::SUCCESS
        }
        Err(sentence) => refuse(&sentence),
    }
}

fn make(arguments: &NewArguments) -> Result<PathBuf, String> {
    let name = &arguments.name;
    project::check_name(name).map_err(|sentence| format!("the name of the plugin: {sentence}"))?;
    let checkout = arguments.sdk.as_deref().map(checkout).transpose()?;
    let sdk = checkout.as_deref().map_or(SdkSource::Copy, SdkSource::Checkout);
    let folder = arguments.path.clone().unwrap_or_else(|| PathBuf::from(name));
    // Made here and nowhere else, so that what is taken back on failure is ours.
    fs::create_dir(&folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            format!(
                "{}: found something there, wanted a folder to make",
                folder.display()
            )
        }
        _ => format!("{}: the folder cannot be made: {error}", folder.display()),
    })?;
    let unfinished = Unfinished(&folder);
    for (path, text) in project::files(name, sdk) {
        write(&folder.join(path), &text)?;
    }
    unfinished.keep();
    Ok(folder)
}

/// The SDK of a checkout, by a path that is good from everywhere.
fn checkout(folder: &Path) -> Result<PathBuf, String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    if !manifest.lines().any(|line| line == "name = \"bedcheck-sdk\"") {
        return Err(format!(
            "{}: found no package `bedcheck-sdk`, wanted the folder `sdk` of a checkout of bedcheck",
            folder.display()
        ));
    }
    fs::canonicalize(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// A folder that is removed again unless it is finished.
struct Unfinished<'a>(&'a Path);

impl Unfinished<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // The failure that is told is the one that led here.
        let _ = fs::remove_dir_all(self.0);
    }
}

/// What the compiler lacks to make a plugin, as the command or the place that helps.
fn missing_tools() -> Option<String> {
    let answer = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .stdin(Stdio::null())
        .output();
    let Ok(answer) = answer else {
        return Some("# Rust 1.95 or newer is needed: https://rustup.rs".to_owned());
    };
    let library = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    (!library.is_dir()).then(|| format!("rustup target add {TARGET}"))
}

fn next_steps(name: &str, folder: &Path, missing: Option<String>) -> String {
    let component = project::component_of(name);
    let mut steps: Vec<String> = missing.into_iter().collect();
    steps.push(format!("cd {}", quoted(&folder.to_string_lossy())));
    steps.push("cargo test".to_owned());
    steps.push(format!(
        "bedcheck plugin test target/{TARGET}/release/{component} \\\n    \
         --settings rehearsal/settings.toml --server rehearsal/server.toml"
    ));
    let steps: String = steps.iter().map(|step| format!("  {step}\n")).collect();
    format!(
        "{}: the plugin `{name}`, with tests; its code is src/lib.rs. Next:\n{steps}",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_steps_can_be_pasted() {
        let steps = next_steps("two-words", Path::new("my plugins/two-words"), None);
        assert!(
            steps.contains("\n  cd 'my plugins/two-words'\n  cargo test\n"),
            "{steps}"
        );
        assert!(steps.contains("release/two_words.wasm \\\n"), "{steps}");
        let steps = next_steps(
            "a",
            Path::new("a"),
            Some("rustup target add wasm32-wasip2".into()),
        );
        assert!(
            steps.contains("Next:\n  rustup target add wasm32-wasip2\n  cd a\n"),
            "{steps}"
        );
    }

    #[test]
    fn an_unfinished_folder_is_taken_back() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("greeter");
        fs::create_dir(&folder).unwrap();
        drop(Unfinished(&folder));
        assert!(!folder.exists());
        fs::create_dir(&folder).unwrap();
        Unfinished(&folder).keep();
        assert!(folder.exists());
    }
}
