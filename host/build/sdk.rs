//! Makes the SDK ready to be written into new projects by `bedcheck plugin new`: its sources and the contract
//! as they are, its manifest without the workspace, and the versions of its dependencies that this build has;
//! and the template of a project. Where it all goes is for `cli::new` to say.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that the crate includes: a list of names and texts.
const LIST: &str = "sdk_files.rs";
/// The package whose dependencies a new project has.
const PACKAGE: &str = "bedcheck-sdk";
/// What is taken as it is; with its format, so that formatting a project leaves it alone.
const COPIED: [&str; 6] = [
    "sdk/src",
    "sdk/template",
    "wit",
    "rustfmt.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

/// Writes the list and what is derived for it into `out`.
pub(super) fn embed(workspace: &Path, out: &Path) -> Result<(), String> {
    let manifest = standalone(
        &read(&workspace.join("sdk/Cargo.toml"))?,
        &read(&workspace.join("Cargo.toml"))?,
    )?;
    let lock = lock_of(&read(&workspace.join("Cargo.lock"))?, PACKAGE)?;
    let mut list = String::from("&[\n");
    for (name, text) in [("sdk/Cargo.toml", manifest), ("Cargo.lock", lock)] {
        let derived = out.join(name.replace('/', "_"));
        write(&derived, &text)?;
        entry(&mut list, name, &derived);
    }
    for top in COPIED {
        for file in files(&workspace.join(top))? {
            let name = file.strip_prefix(workspace).unwrap_or(&file);
            // A new project has the same separators everywhere.
            let name = name.to_string_lossy().replace('\\', "/");
            entry(&mut list, &name, &file);
        }
    }
    list.push_str("]\n");
    write(&out.join(LIST), &list)
}

fn entry(list: &mut String, name: &str, file: &Path) {
    // Writing to a string does not fail.
    let _ = writeln!(list, "    ({name:?}, include_str!({file:?})),");
}

/// A file itself, or the files below a folder, in order.
fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let listed = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = listed.map_err(|error| format!("{} cannot be listed: {error}", path.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        found.extend(files(&entry.path())?);
    }
    Ok(found)
}

/// A package's manifest with what it takes from its workspace put in its place, and without the workspace's
/// lints. It is a workspace of its own: else cargo looks for one in every folder above, and the project may lie in
/// somebody else's.
fn standalone(manifest: &str, workspace: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        if section == "[lints]" {
            continue;
        }
        let line = match line.strip_suffix(".workspace = true") {
            Some(key) if section == "[package]" => inherited(workspace, "[workspace.package]", key)?,
            Some(key) => inherited(workspace, "[workspace.dependencies]", key)?,
            None => line,
        };
        text.push_str(line);
        text.push('\n');
    }
    Ok(format!("{}\n\n[workspace]\n", text.trim_end()))
}

/// The line of a key in a table of the workspace's manifest.
fn inherited<'w>(workspace: &'w str, table: &str, key: &str) -> Result<&'w str, String> {
    let lines = workspace.lines().skip_while(|line| *line != table).skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .find(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" =")))
        .ok_or_else(|| format!("`{key}` of sdk/Cargo.toml is not in {table} of Cargo.toml"))
}

/// The part of a lock file that a package and its dependencies stand in.
fn lock_of(lock: &str, package: &str) -> Result<String, String> {
    let mut blocks = lock.split("[[package]]\n");
    let header = blocks.next().unwrap_or_default();
    let blocks: Vec<&str> = blocks.map(str::trim_end).collect();
    let mut wanted = BTreeSet::new();
    let mut left = vec![package];
    while let Some(dependency) = left.pop() {
        let found = blocks.iter().position(|block| is(block, dependency));
        let index = found.ok_or_else(|| format!("`{dependency}` is not in Cargo.lock"))?;
        if wanted.insert(index) {
            left.extend(dependencies(blocks[index]));
        }
    }
    let mut text = header.trim_end().to_owned();
    for index in wanted {
        text.push_str("\n\n[[package]]\n");
        text.push_str(blocks[index]);
    }
    text.push('\n');
    Ok(text)
}

/// Whether a block of a lock file is the package that a dependency names: `NAME`, or `NAME VERSION` where
/// there are several.
fn is(block: &str, dependency: &str) -> bool {
    let mut words = dependency.split(' ');
    let name = words.next().unwrap_or_default();
    field(block, "name") == Some(name)
        && words
            .next()
            .is_none_or(|version| field(block, "version") == Some(version))
}

fn field<'b>(block: &'b str, key: &str) -> Option<&'b str> {
    block
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'))
}

fn dependencies(block: &str) -> impl Iterator<Item = &str> {
    let lines = block
        .lines()
        .skip_while(|line| *line != "dependencies = [")
        .skip(1);
    lines
        .take_while(|line| *line != "]")
        .map(|line| line.trim().trim_end_matches(',').trim_matches('"'))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
