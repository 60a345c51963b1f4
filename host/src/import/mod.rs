//! A configuration of blackbox_exporter turned into ours: YAML text to TOML text, and what could not be turned.
//! Pure: reading and writing files is the command's business.
//!
//! ```text
//! text -> yaml (tree with lines) -> module (its prober: http, tcp, dns) -> write (TOML)
//!                                       \-> notes, secrets
//! ```

mod dns;
mod http;
mod module;
mod notes;
mod pattern;
mod secrets;
mod table;
mod tcp;
mod tls;
mod write;
mod yaml;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use module::Module;
pub use notes::Note;
use notes::Notes;
use secrets::Secrets;
use table::Table;
use write::{Value, comment, line};
use yaml::Entry;

/// How many characters a number takes that tells names apart, its hyphen included.
const MAX_NUMBER: usize = 8;

/// A file that is no configuration of blackbox_exporter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Unreadable {
    /// The line, from 1.
    pub line: usize,
    /// What was found and what was wanted.
    pub message: String,
}

/// A translation.
#[derive(Debug)]
pub struct Imported {
    /// Our configuration, as TOML.
    pub toml: String,
    /// What there is to say, in the order of the file.
    pub notes: Vec<Note>,
    /// How many modules were turned.
    pub modules: usize,
}

impl Imported {
    /// Whether everything was turned.
    pub fn is_whole(&self) -> bool {
        self.notes.iter().all(|note| !note.is_left_out)
    }
}

/// Turns a configuration. `origin` is what its file is called, and `targets` the patterns of what every module may
/// be asked to probe, which a configuration of blackbox_exporter does not say.
///
/// # Errors
///
/// When the text is no YAML, or has no modules.
pub fn import(text: &str, origin: &str, targets: &[String]) -> Result<Imported, Unreadable> {
    import_without(&BTreeMap::new(), text, origin, targets)
}

/// The same without some modules: why each is left out, by the name that it would have here.
///
/// # Errors
///
/// As those of [`import`].
pub fn import_without(
    refused: &BTreeMap<String, String>,
    text: &str,
    origin: &str,
    targets: &[String],
) -> Result<Imported, Unreadable> {
    let modules = modules(text)?;
    let mut all = Notes::default();
    let root = Table::of(&modules.root, "", &mut all);
    if let Some(mut root) = root {
        root.get("modules");
        root.finish(&mut all);
    }
    let mut notes = all.finish();
    let mut secrets = Secrets::default();
    let mut names = BTreeSet::new();
    let mut turned = Vec::new();
    let mut body = String::new();
    for entry in &modules.entries {
        let mut about = Notes::about(&entry.key);
        let name = free_name(entry, &mut names, &mut about);
        let module = match refused.get(&name) {
            Some(why) => {
                about.left_out(entry.line, format!("the module: {why}"));
                None
            }
            None => module::turn(entry, &name, &mut secrets, &mut about),
        };
        let about = about.finish();
        body.push_str(&block(entry, module.as_ref(), &about, targets));
        turned.extend(module);
        notes.extend(about);
    }
    let secrets = secrets.toml();
    let toml = format!("{}{body}{secrets}", head(origin, targets, &notes));
    Ok(Imported {
        toml,
        notes,
        modules: turned.len(),
    })
}

/// The modules of a file, and its root, which holds them.
struct Modules {
    root: std::rc::Rc<yaml::Node>,
    entries: Vec<Entry>,
}

fn modules(text: &str) -> Result<Modules, Unreadable> {
    let refuse = |line, message: &str| {
        Err(Unreadable {
            line,
            message: message.to_owned(),
        })
    };
    let root = yaml::read(text).map_err(|yaml::Unreadable { line, message }| Unreadable { line, message })?;
    let Some(root) = root else {
        return refuse(1, "found nothing, wanted `modules`");
    };
    let yaml::Kind::Mapping(keys) = &root.kind else {
        return refuse(root.line, "found no table, wanted the key `modules`");
    };
    let Some(modules) = keys.iter().find(|entry| entry.key == "modules") else {
        return refuse(
            root.line,
            "found no key `modules`, which every configuration of blackbox_exporter has",
        );
    };
    let yaml::Kind::Mapping(entries) = &modules.value.kind else {
        return refuse(modules.line, "`modules` is no table");
    };
    let entries = entries.clone();
    Ok(Modules { root, entries })
}

/// What a module is called here: its name, with what no name of ours has replaced.
fn free_name(entry: &Entry, taken: &mut BTreeSet<String>, notes: &mut Notes) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let mut base: String = entry
        .key
        .chars()
        .map(|letter| if is_allowed(letter) { letter } else { '-' })
        .take(crate::config::MAX_NAME)
        .collect();
    if base.is_empty() {
        base.push('-');
    }
    let start = &base[..base.len().min(crate::config::MAX_NAME - MAX_NUMBER)];
    let name = std::iter::once(base.clone())
        .chain((2_u32..).map(|number| format!("{start}-{number}")))
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| base.clone());
    if name != entry.key {
        notes.left_out(
            entry.line,
            format!("the name: it is `{name}` here, and has to be so in the jobs of Prometheus"),
        );
    }
    taken.insert(name.clone());
    name
}

/// The first lines of the output.
fn head(origin: &str, targets: &[String], notes: &[Note]) -> String {
    let mut head = comment(&format!("Turned from {origin} by `bedcheck import`."));
    let left_out = notes.iter().filter(|note| note.is_left_out).count();
    if left_out > 0 {
        head += &comment(&format!(
            "{left_out} {} could not be turned: look for `left out`.",
            if left_out == 1 { "thing" } else { "things" }
        ));
    }
    if targets.is_empty() {
        head += &comment("What each module may be asked to probe is not in there: put it into `targets`,");
        head += &comment("such as `targets = [\"*.example.org:443\"]`. Without any, every probe is refused.");
    }
    for note in notes.iter().filter(|note| note.module.is_none()) {
        head += &comment(&note.to_string());
    }
    head
}

/// One module with what there is to say about it.
fn block(entry: &Entry, module: Option<&Module>, notes: &[Note], targets: &[String]) -> String {
    let mut block = format!("\n{}", comment(&format!("`{}`, line {}", entry.key, entry.line)));
    for note in notes {
        let kind = if note.is_left_out { "left out: " } else { "" };
        block += &comment(&format!("line {}: {kind}{}", note.line, note.message));
    }
    let Some(module) = module else { return block };
    block += "[[module]]\n";
    block += &line("name", &Value::text(&module.name));
    block += &line("plugin", &Value::text(module.plugin));
    block += &line("targets", &Value::texts(targets));
    for (key, value) in &module.keys {
        block += &line(key, value);
    }
    if !module.settings.is_empty() {
        block += "[module.settings]\n";
        for (key, value) in &module.settings {
            block += &line(key, value);
        }
    }
    block
}
