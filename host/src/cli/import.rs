//! `bedcheck import`: reads a configuration of blackbox_exporter, writes ours, and says what could not be turned.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use super::args::ImportArguments;
use super::{compiling, output, refuse};
use crate::config::{Config, MAX_FILE, Source};
use crate::connection::{Tls, Trust};
use crate::import::{Imported, Unreadable, import, import_without};
use crate::runner::{DefaultGrant, Preparation};
use crate::text::printable;

/// Something could not be turned.
const EXIT_LEFT_OUT: u8 = 1;

/// Does what the arguments ask for.
pub(super) async fn run(arguments: ImportArguments) -> ExitCode {
    let file = arguments.file.display();
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(error) => return refuse(&format!("{file}: {error}")),
    };
    for target in &arguments.targets {
        if let Err(error) = target.parse::<crate::grant::Grant>() {
            return refuse(&format!("--targets {target}: {error}"));
        }
    }
    let imported = match sound(&text, &file.to_string(), &arguments.targets).await {
        Ok(imported) => imported,
        Err(error) => return refuse(&format!("{file}: {}", printable(&error))),
    };
    match &arguments.output {
        Some(output) => {
            if let Err(error) = write_new(output, &imported.toml) {
                return refuse(&format!("{}: {error}", output.display()));
            }
        }
        None => output::say(&imported.toml),
    }
    for note in &imported.notes {
        output::complain(&format!("{file}: {}", printable(&note.to_string())));
    }
    let left_out = imported.notes.iter().filter(|note| note.is_left_out).count();
    let number = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    output::complain(&format!(
        "{file}: {} turned, {} left out",
        number(imported.modules, "module"),
        number(left_out, "thing")
    ));
    if imported.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_LEFT_OUT)
    }
}

/// What can be turned, without the modules whose plugins would not take what comes out.
async fn sound(text: &str, origin: &str, targets: &[String]) -> Result<Imported, String> {
    let mut refused = BTreeMap::new();
    let unreadable = |error: Unreadable| error.to_string();
    let mut imported = import(text, origin, targets).map_err(unreadable)?;
    // What a plugin says of its settings is only heard when there is nothing else to be said.
    loop {
        let more = self::refused(&imported.toml).await?;
        if more.is_empty() {
            return Ok(imported);
        }
        refused.extend(more);
        imported = import_without(&refused, text, origin, targets).map_err(unreadable)?;
    }
}

/// What is wrong with the modules of a configuration, by their names. Secrets and certificates need not be there yet.
///
/// # Errors
///
/// When it is none: nobody could use it, and the mistake is not one of whoever wrote what was turned.
async fn refused(toml: &str) -> Result<BTreeMap<String, String>, String> {
    let source = Source::new(Path::new("bedcheck.toml"), toml);
    let mut refused = BTreeMap::<String, String>::new();
    let (mut config, problems) = Config::parse_partly(&source).map_err(|problems| {
        format!("what it is turned into is no configuration, which is a mistake of bedcheck's: {problems}")
    })?;
    config.secrets.clear();
    let mut begins = Vec::new();
    for module in &mut config.modules {
        module.template.tls = Tls {
            trust: Trust::System,
            client: None,
            ..std::mem::take(&mut module.template.tls)
        };
        let line = module
            .template
            .location()
            .position()
            .map(|position| position.line);
        begins.push((line, module.name().to_string()));
    }
    let prepared = Preparation::new(&config, problems, DefaultGrant::Nothing, compiling()).await;
    let problems = match prepared {
        Ok(prepared) => prepared.objections().await,
        Err(problems) => problems.iter().cloned().collect(),
    };
    for problem in &problems {
        let line = problem.location.position().map(|position| position.line);
        let Some((_, name)) = begins.iter().rfind(|(begin, _)| *begin <= line) else {
            continue;
        };
        let why = refused.entry(name.clone()).or_default();
        if !why.is_empty() {
            why.push_str("; ");
        }
        why.push_str(&problem.message);
    }
    Ok(refused)
}

/// Reads a file of text: no more of it than is needed to see that it is too large.
fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|opened| opened.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!(
            "found more than {MAX_FILE} bytes, wanted a configuration of blackbox_exporter"
        ));
    }
    String::from_utf8(bytes).map_err(|_| "found bytes that are no UTF-8, wanted YAML".to_owned())
}

/// Writes a file that is not there yet, whole or not at all: an edited one is not written over.
fn write_new(file: &Path, text: &str) -> Result<(), String> {
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut opened = options.write(true).create_new(true).open(file)?;
        opened.write_all(text.as_bytes()).inspect_err(|_| {
            // What is there is ours. That it cannot be written is worth more than that it stays.
            let _ = fs::remove_file(file);
        })
    };
    write().map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => "found something there, wanted a file to make".to_owned(),
        _ => error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_configuration_is_not_taken_for_a_sound_one() {
        let module =
            "[[module]]\nname = \"a\"\nplugin = \"http\"\ntargets = [\"a.example:80\"]\n[module.settings]\n";
        assert_eq!(refused(module).await, Ok(BTreeMap::new()));
        let twice = format!("{module}bearer = {{ secret = \"a\" }}\nbearer = {{ secret = \"b\" }}\n");
        let why = refused(&twice).await.unwrap_err();
        assert!(
            why.contains("a mistake of bedcheck's: bedcheck.toml:7:1: `bearer`: the key is given twice"),
            "{why}"
        );
    }
}
