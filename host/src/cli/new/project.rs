//! What a new project consists of: the template of the SDK, filled in, and a copy of the SDK itself, which is
//! not to be had from a registry. Pure: nothing is written here.

use std::path::Path;

/// The SDK, the contract, the template and the versions of the SDK's dependencies, as the build script of this
/// crate collects them: names from the top of the repository, and texts.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));
/// Where the template is among them.
const TEMPLATE: &str = "sdk/template/";
/// The versions of the dependencies that this bedcheck's own plugins are built with.
const LOCK: &str = "Cargo.lock";
/// What stands between two packages of a lock file.
const PACKAGE: &str = "\n\n[[package]]\n";
/// The folder of the copy of the SDK; inside, the SDK finds the contract beside itself.
const COPY: &str = "bedcheck/";
/// Names that no package can have: the strict and reserved keywords of the edition 2024, and the crates that
/// come with Rust.
const RESERVED: [&str; 56] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
];

/// A file of a project: its name from the project's folder, and its text.
pub(super) type File = (String, String);

/// Where a project has the SDK from.
#[derive(Debug, Clone, Copy)]
pub(super) enum SdkSource<'a> {
    /// A copy of the one that is inside this program.
    Copy,
    /// The folder `sdk` of a checkout of bedcheck.
    Checkout(&'a Path),
}

/// Whether a name can be that of a plugin and of its package.
///
/// # Errors
///
/// What was found and what was wanted.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let shown = name.escape_debug();
    if !crate::sandbox::is_plugin_name(name) {
        return Err(format!(
            "found `{shown}`, wanted a name of 1 to 64 lower case letters, digits and hyphens that begins with a letter"
        ));
    }
    if RESERVED.contains(&name) {
        return Err(format!(
            "found `{shown}`, a word of Rust, wanted a name that a package can have"
        ));
    }
    if locked_packages().any(|package| package == name) {
        return Err(format!(
            "found `{shown}`, a package that every plugin is built with, wanted a name of its own"
        ));
    }
    Ok(())
}

/// The files of a project, by a name that [`check_name`] finds sound.
pub(super) fn files(name: &str, sdk: SdkSource<'_>) -> Vec<File> {
    let template = Template::new(name, sdk);
    let mut files = vec![(LOCK.to_owned(), lock(name))];
    for &(path, text) in FILES {
        if let Some(path) = path.strip_prefix(TEMPLATE) {
            files.push((path.to_owned(), template.fill(text)));
        } else if path != LOCK && matches!(sdk, SdkSource::Copy) {
            files.push((format!("{COPY}{path}"), text.to_owned()));
        }
    }
    files
}

/// The name of the component's file, as cargo makes it of the package's name.
pub(super) fn component_of(name: &str) -> String {
    format!("{}.wasm", name.replace('-', "_"))
}

/// What stands for the placeholders of the template, all of which are words in double braces.
struct Template {
    values: [(&'static str, String); 4],
}

impl Template {
    fn new(name: &str, sdk: SdkSource<'_>) -> Self {
        let (path, note) = match sdk {
            SdkSource::Copy => (
                format!("{COPY}sdk"),
                format!(
                    "\n\nThe folder `bedcheck` is a copy of the SDK of bedcheck {}, which is in no registry. Leave it as it\n\
                     is; a newer bedcheck brings a newer one with `bedcheck plugin new`.",
                    env!("CARGO_PKG_VERSION")
                ),
            ),
            SdkSource::Checkout(path) => (
                escaped(&path.to_string_lossy()),
                "\n\nThe SDK is that of the checkout of bedcheck which `Cargo.toml` names.".to_owned(),
            ),
        };
        Self {
            values: [
                ("{{name}}", name.to_owned()),
                ("{{file}}", component_of(name)),
                ("{{sdk}}", path),
                ("\n{{sdk_note}}", note),
            ],
        }
    }

    fn fill(&self, text: &str) -> String {
        let fill = |text: String, (placeholder, value): &(&str, String)| text.replace(placeholder, value);
        self.values.iter().fold(text.to_owned(), fill)
    }
}

/// A text inside the quotes of a basic string of TOML.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// The versions of the SDK's dependencies, with the project among them: cargo sorts packages by name.
fn lock(name: &str) -> String {
    let own = format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"bedcheck-sdk\",\n \"serde\",\n]"
    );
    let mut blocks: Vec<&str> = lock_blocks().collect();
    // The first block is the head of the file.
    let is_after = |block: &&str| package(block).is_some_and(|other| other > name);
    let at = blocks.iter().position(is_after).unwrap_or(blocks.len());
    blocks.insert(at, &own);
    format!("{}\n", blocks.join(PACKAGE))
}

fn lock_blocks() -> impl Iterator<Item = &'static str> {
    let found = FILES.iter().find(|(path, _)| *path == LOCK);
    found.map_or("", |(_, text)| text.trim_end()).split(PACKAGE)
}

fn locked_packages() -> impl Iterator<Item = &'static str> {
    lock_blocks().filter_map(package)
}

/// The name of the package that a block of a lock file is about.
fn package(block: &str) -> Option<&str> {
    block
        .strip_prefix("name = \"")?
        .split_once('"')
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'f>(files: &'f [File], path: &str) -> &'f str {
        let found = files.iter().find(|(name, _)| name == path);
        found.map_or_else(|| panic!("{path} is not among the files"), |(_, text)| text)
    }

    #[test]
    fn names_are_those_of_plugins_and_of_packages() {
        for name in ["greeter", "a", "smtp-2", &"x".repeat(64)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for (name, wanted) in [
            ("", "1 to 64 lower case letters"),
            ("Greeter", "1 to 64 lower case letters"),
            ("2smtp", "1 to 64 lower case letters"),
            ("../up", "1 to 64 lower case letters"),
            ("a b\n", "found `a b\\n`"),
            (&"x".repeat(65), "1 to 64 lower case letters"),
            ("match", "a word of Rust"),
            ("serde", "a package that every plugin is built with"),
            ("bedcheck-sdk", "a package that every plugin is built with"),
        ] {
            let refused = check_name(name).unwrap_err();
            assert!(refused.contains(wanted), "{name}: {refused}");
        }
    }

    #[test]
    fn no_placeholder_is_left_and_the_name_is_everywhere() {
        for sdk in [
            SdkSource::Copy,
            SdkSource::Checkout(Path::new("/src/bedcheck/sdk")),
        ] {
            let files = files("two-words", sdk);
            for (path, text) in files.iter().filter(|(path, _)| !path.starts_with(COPY)) {
                assert!(!text.contains("{{"), "{path} has a placeholder:\n{text}");
            }
            assert!(text(&files, "Cargo.toml").contains("name = \"two-words\""));
            assert!(text(&files, "README.md").contains("release/two_words.wasm"));
        }
    }

    #[test]
    fn the_authors_own_code_has_less_than_40_lines() {
        let files = files("greeter", SdkSource::Copy);
        let lines = text(&files, "src/lib.rs").lines().count();
        assert!(lines < 40, "{lines}");
    }

    #[test]
    fn the_copy_of_the_sdk_stands_by_itself() {
        let files = files("greeter", SdkSource::Copy);
        let manifest = text(&files, "bedcheck/sdk/Cargo.toml");
        assert!(!manifest.contains("workspace = true"), "{manifest}");
        assert!(manifest.ends_with("\n[workspace]\n"), "{manifest}");
        assert!(manifest.contains("license = \"Apache-2.0 OR MIT\""), "{manifest}");
        assert!(!manifest.contains("[lints]"), "{manifest}");
        for path in [
            "bedcheck/sdk/src/lib.rs",
            "bedcheck/wit/world.wit",
            "bedcheck/LICENSE-MIT",
        ] {
            assert!(!text(&files, path).is_empty(), "{path}");
        }
        assert!(!files.iter().any(|(path, _)| path.contains("template")));
    }

    #[test]
    fn a_checkout_is_named_and_not_copied() {
        let files = files("greeter", SdkSource::Checkout(Path::new("/a \"b\"/sdk")));
        assert!(text(&files, "Cargo.toml").contains(r#"{ path = "/a \"b\"/sdk" }"#));
        assert!(!files.iter().any(|(path, _)| path.starts_with(COPY)));
    }

    #[test]
    fn the_lock_file_has_the_project_in_its_place() {
        for name in ["a", "greeter", "zz"] {
            let lock = lock(name);
            let packages: Vec<_> = lock.split(PACKAGE).filter_map(package).collect();
            assert!(
                packages.contains(&name) && packages.contains(&"wit-bindgen"),
                "{packages:?}"
            );
            assert!(packages.is_sorted(), "{packages:?}");
            assert!(
                !lock.contains("wasmtime"),
                "only the SDK's dependencies are there"
            );
            assert!(
                lock.starts_with('#') && lock.contains("version = 4\n\n[[package]]"),
                "{lock}"
            );
        }
    }
}
