//! One module: which prober it has, and what all of them have in common.

use std::time::Duration;

use super::notes::Notes;
use super::secrets::Secrets;
use super::table::Table;
use super::write::Value;
use super::yaml::Entry;
use super::{dns, http, tcp};
use crate::units::{parse_duration, show_duration};

/// A module that was turned.
#[derive(Debug)]
pub(super) struct Module {
    /// Its name.
    pub(super) name: String,
    /// The plugin that does what its prober did.
    pub(super) plugin: &'static str,
    /// Keys of the module itself.
    pub(super) keys: Vec<(String, Value)>,
    /// Its settings.
    pub(super) settings: Vec<(String, Value)>,
}

/// What a prober puts its findings into.
pub(super) struct Translation<'t> {
    /// The name of the module.
    pub(super) module: &'t str,
    /// Keys of the module itself.
    pub(super) keys: Vec<(String, Value)>,
    /// Its settings.
    pub(super) settings: Vec<(String, Value)>,
    /// The secrets of all modules.
    pub(super) secrets: &'t mut Secrets,
    /// What there is to say.
    pub(super) notes: &'t mut Notes,
}

impl Translation<'_> {
    /// Sets a key of the module.
    pub(super) fn key(&mut self, key: &str, value: Value) {
        self.keys.push((key.to_owned(), value));
    }

    /// Sets a setting.
    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.settings.push((key.to_owned(), value));
    }
}

/// Probers that no plugin of ours stands for, and why.
const NOT_OURS: [(&str, &str); 4] = [
    ("icmp", "raw sockets are nothing that a sandboxed plugin gets"),
    ("grpc", "there is no plugin for gRPC"),
    (
        "unix",
        "plugins reach hosts and ports, no sockets in the file system",
    ),
    ("websocket", "there is no plugin for WebSocket"),
];

/// The longest deadline that a module may have.
const MAX_DEADLINE: Duration = Duration::from_secs(3600);

/// Turns a module; none where no plugin does what its prober did.
pub(super) fn turn(entry: &Entry, name: &str, secrets: &mut Secrets, notes: &mut Notes) -> Option<Module> {
    let mut table = Table::of(&entry.value, "", notes)?;
    let (prober, line) = match table.text("prober", notes) {
        Some((prober, line)) => (prober.to_owned(), line),
        None => {
            notes.left_out(entry.line, "the module: it has no `prober`");
            return None;
        }
    };
    if let Some((_, why)) = NOT_OURS.iter().find(|(name, _)| *name == prober) {
        notes.left_out(line, format!("the module: its prober is `{prober}`, and {why}"));
        return None;
    }
    let mut translation = Translation {
        module: name,
        keys: Vec::new(),
        settings: Vec::new(),
        secrets,
        notes,
    };
    timeout(&mut table, &mut translation);
    let settings = table.table(&prober, translation.notes);
    let plugin = match prober.as_str() {
        "http" => http::turn(settings, &mut translation),
        "tcp" => tcp::turn(settings, &mut translation),
        "dns" => dns::turn(settings, entry.line, &mut translation),
        _ => {
            let message = format!("the module: there is no prober `{prober}`");
            translation.notes.left_out(line, message);
            None
        }
    };
    // What stands under another prober's name does nothing there either.
    for other in ["http", "tcp", "dns", "icmp", "grpc", "unix", "websocket"] {
        if let Some(unused) = table.get(other).filter(|_| other != prober) {
            let message = format!("`{other}` has no effect: the prober is `{prober}`");
            translation.notes.remark(unused.line, message);
        }
    }
    table.finish(translation.notes);
    let Translation { keys, settings, .. } = translation;
    Some(Module {
        name: name.to_owned(),
        plugin: plugin?,
        keys,
        settings,
    })
}

fn timeout(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    let Some((text, line)) = table.text("timeout", translation.notes) else {
        return;
    };
    if matches!(text, "0" | "0s") {
        return;
    }
    match parse_duration(text) {
        Ok(timeout) if timeout >= Duration::from_millis(1) && timeout <= MAX_DEADLINE => {
            translation.key("budget.deadline", Value::text(show_duration(timeout)));
        }
        _ => translation.notes.left_out(
            line,
            format!("`timeout` is `{text}`, wanted a duration of 1 ms to 1 h such as `5s`"),
        ),
    }
}

/// The choice between the address families, which is not ours: both are tried, the one that answers first is used.
pub(super) fn refuse_ip_protocol(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    if let Some(entry) = table.get("preferred_ip_protocol") {
        translation.notes.left_out(
            entry.line,
            "`preferred_ip_protocol`: both families are tried, the one that answers first is used (RFC 8305)",
        );
    }
    if let Some((false, line)) = table.boolean("ip_protocol_fallback", translation.notes) {
        translation.notes.left_out(
            line,
            "`ip_protocol_fallback: false`: both families are tried, the one that answers first is used (RFC 8305)",
        );
    }
    let why = "the system chooses the address that is dialled from";
    table.refuse(&[("source_ip_address", why)], translation.notes);
}
