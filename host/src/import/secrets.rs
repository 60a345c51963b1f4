//! What must not be copied: passwords and tokens become names of secrets, and the file they are to be read from
//! or the environment variable is told.

use std::collections::BTreeMap;

use super::notes::Notes;
use super::write::{Value, key, line};

/// The secrets that the modules refer to, and where they are read from.
#[derive(Debug, Default)]
pub(super) struct Secrets(BTreeMap<String, Source>);

#[derive(Debug)]
enum Source {
    Environment(String),
    File(String),
}

impl Secrets {
    /// A secret whose value stood in the file: it is to be in an environment variable. `what` says what that
    /// has to hold.
    pub(super) fn inline(
        &mut self,
        module: &str,
        which: &str,
        at: usize,
        what: &str,
        notes: &mut Notes,
    ) -> Value {
        let name = self.free_name(module, which);
        let variable = self.free_variable(&name);
        notes.remark(
            at,
            format!("{what} is not copied: put it into the environment variable `{variable}`"),
        );
        self.0.insert(name.clone(), Source::Environment(variable));
        Value::secret(&name)
    }

    /// A secret that is in a file of its own.
    pub(super) fn file(&mut self, module: &str, which: &str, path: &str) -> Value {
        let name = self.free_name(module, which);
        self.0.insert(name.clone(), Source::File(path.to_owned()));
        Value::secret(&name)
    }

    fn free_name(&self, module: &str, which: &str) -> String {
        let mut base = format!("{module}-{which}").replace(|letter: char| !is_allowed(letter), "-");
        base.truncate(90);
        free(&base, "-", |name| self.0.contains_key(name))
    }

    /// The variable of a secret. Names that differ in what no variable tells apart do not share one.
    fn free_variable(&self, name: &str) -> String {
        let mut base = name
            .replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
            .to_ascii_uppercase();
        if base.starts_with(|first: char| first.is_ascii_digit()) {
            base.insert(0, '_');
        }
        free(&base, "_", |name| {
            let mut sources = self.0.values();
            sources.any(|source| matches!(source, Source::Environment(taken) if taken == name))
        })
    }

    /// The table `[secrets]`; nothing without any.
    pub(super) fn toml(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let lines = self.0.iter().map(|(name, source)| {
            let source = match source {
                Source::Environment(variable) => Value::one("env", Value::text(variable)),
                Source::File(path) => Value::one("file", Value::text(path)),
            };
            line(&key(name), &source)
        });
        format!("\n[secrets]\n{}", lines.collect::<String>())
    }
}

/// A name as it is, or with a number, if it is taken.
fn free(base: &str, divider: &str, is_taken: impl Fn(&str) -> bool) -> String {
    std::iter::once(base.to_owned())
        .chain((2_u32..).map(|number| format!("{base}{divider}{number}")))
        .find(|name| !is_taken(name))
        .unwrap_or_else(|| base.to_owned())
}

fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

/// Whether a header field of this name holds what lets somebody in.
pub(super) fn is_credential(header: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "auth",
        "cookie",
        "token",
        "key",
        "secret",
        "passw",
        "session",
        "credential",
    ];
    let header = header.to_ascii_lowercase();
    SIGNS.iter().any(|sign| header.contains(sign))
}

/// Whether a text looks as if there was a password or a token in it.
pub(super) fn looks_secret(text: &str) -> bool {
    const SIGNS: [&str; 7] = [
        "passw",
        "secret",
        "token",
        "apikey",
        "api_key",
        "credential",
        "authorization",
    ];
    let text = text.to_ascii_lowercase();
    SIGNS.iter().any(|sign| text.contains(sign))
}
