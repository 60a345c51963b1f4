//! `bedcheck plugin inspect`: what a plugin declares.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use super::{compiling, output, refuse};
use crate::config::SettingsSchema;
use crate::library::{LibraryError, built_in_names, load_built_in, load_file};
use crate::sandbox::{EngineSettings, Plugin, Purpose, Sandbox, Target};
use crate::text::printable;

/// Shows what a plugin declares, or why it is none.
pub(super) async fn inspect(plugin: String) -> ExitCode {
    match load_for_inspection(&plugin).await {
        Ok(loaded) => match describe(&loaded) {
            Ok(text) => {
                output::say(&text);
                ExitCode::SUCCESS
            }
            Err(sentence) => refuse(&format!("{plugin}: {sentence}")),
        },
        Err(sentence) => refuse(&sentence),
    }
}

async fn load_for_inspection(name: &str) -> Result<Plugin, String> {
    let settings = EngineSettings {
        concurrency: 1,
        memory: 64 * 1024 * 1024,
        compiling: compiling(),
        purpose: Purpose::Runs,
    };
    let sandbox = Sandbox::new(&settings).map_err(|error| error.to_string())?;
    load(&sandbox, name).await
}

/// Loads a built-in plugin by its name, or one in a file.
pub(super) async fn load(sandbox: &Sandbox, name: &str) -> Result<Plugin, String> {
    let say = |error: LibraryError| format!("{}: {error}", error.origin());
    if let Some(loaded) = load_built_in(sandbox, name).await {
        return loaded.map_err(say);
    }
    if !Path::new(name).exists() {
        let known: Vec<_> = built_in_names().map(|name| format!("`{name}`")).collect();
        return Err(format!(
            "{name}: there is no such file, and the built-in plugins are {}",
            known.join(" and ")
        ));
    }
    load_file(sandbox, Path::new(name)).await.map_err(say)
}

fn describe(plugin: &Plugin) -> Result<String, String> {
    let (identity, description) = (plugin.identity(), plugin.description());
    SettingsSchema::parse(&description.schema).map_err(|error| error.to_string())?;
    let schema: serde_json::Value =
        serde_json::from_str(&description.schema).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14}{value}");
    };
    line("plugin", &format!("{} {}", identity.name, identity.version));
    line("sha256", &identity.sha256);
    line("summary", &description.summary);
    line("phases", &description.phases.join(", "));
    let capabilities: Vec<_> = description.capabilities.iter().map(ToString::to_string).collect();
    line("capabilities", &capabilities.join(", "));
    line("target", &target(&description.target));
    line("imports", &plugin.imports().join("\n              "));
    let _ = writeln!(text, "settings (JSON Schema)");
    for line in format!("{schema:#}").lines() {
        let _ = writeln!(text, "{}", printable(line));
    }
    Ok(text)
}

fn target(target: &Target) -> String {
    match target {
        Target::Url(key) => format!("the URL in `{key}`"),
        Target::HostAndPort {
            host,
            port,
            default_ports,
        } => {
            let ports: Vec<_> = default_ports.iter().map(u16::to_string).collect();
            let otherwise = if ports.is_empty() {
                String::new()
            } else {
                format!(", else {}", ports.join(" or "))
            };
            format!("`{host}` and `{port}`{otherwise}")
        }
        Target::None => "not told by the settings".to_owned(),
    }
}
