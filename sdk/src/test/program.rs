//! Finding and running `bedcheck`, and writing its command lines so that they can be pasted.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Error;

/// The environment variable that says which program to use.
const VARIABLE: &str = "BEDCHECK";
/// Bad input, the command's own: `EX_USAGE` of BSD's sysexits.
const EXIT_USAGE: i32 = 64;

/// What the program printed.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs a program with these arguments, or `bedcheck` when none is given.
pub(super) fn run(program: Option<&PathBuf>, arguments: &[String]) -> Result<Printed, Error> {
    let named = env::var_os(VARIABLE).filter(|name| !name.is_empty());
    let found = program
        .map(|path| path.clone().into_os_string())
        .or_else(|| named.clone());
    let program = found.clone().unwrap_or_else(|| OsString::from("bedcheck"));
    let output = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| {
        Error::new(match (error.kind(), found) {
            (ErrorKind::NotFound, None) => format!(
                "found no `bedcheck` in PATH, wanted it there, or its path in the environment variable {VARIABLE}"
            ),
            _ => format!("{} cannot be started: {error}", program.display()),
        })
    })?;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    match output.status.code() {
        Some(EXIT_USAGE) => Err(Error::new(err.trim_end())),
        None => Err(Error::new(format!(
            "{} was ended by a signal\n{err}",
            program.display()
        ))),
        Some(_) => Ok(Printed { out, err }),
    }
}

/// A command line that a shell takes.
pub(super) fn command_line<'a>(arguments: impl IntoIterator<Item = &'a String>) -> String {
    let words: Vec<String> = arguments.into_iter().map(|argument| word(argument)).collect();
    format!("bedcheck {}", words.join(" "))
}

fn word(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=".contains(c);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_owned(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_pasted() {
        let arguments = ["--fault", "net.read#1=delay 3s", "it's", "", "/a/b-c.toml"].map(str::to_owned);
        assert_eq!(
            command_line(&arguments),
            r"bedcheck --fault 'net.read#1=delay 3s' 'it'\''s' '' /a/b-c.toml"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let missing = PathBuf::from("/nowhere/bedcheck");
        let error = run(Some(&missing), &[]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/bedcheck cannot be started: "),
            "{error}"
        );
    }
}
