//! The text of a configuration file: reading it, finding lines and columns in it, and showing lines
//! under problems. The only I/O of the configuration is here.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use super::confidential::{goes_on, key, names_secrets};
use super::problem::{Location, Position, Problem, Problems};
use crate::files::open_at_once;

/// The largest file that is read, in bytes: some tens of thousands of checks.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;
/// The longest line that is shown under a problem, in characters.
const MAX_LINE: usize = 240;

/// The text of a configuration file.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    folder: PathBuf,
    text: Arc<str>,
    line_starts: Arc<[usize]>,
}

impl Source {
    /// A text and the path it came from. Relative paths in it are relative to that file's folder.
    pub fn new(path: &Path, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let after_newline = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: path.display().to_string().into(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            line_starts: std::iter::once(0).chain(after_newline).collect(),
            text: text.into(),
        }
    }

    /// Reads a file, or what comes through a pipe or from a terminal, for as long as it comes.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is larger than [`MAX_FILE`], or is no UTF-8.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        Self::of_file(path, file)
    }

    /// Reads what has to be a file: nothing that may never end, or that nobody may ever write to.
    ///
    /// # Errors
    ///
    /// When it is something else, and as those of [`Source::read`].
    pub fn read_regular(path: &Path) -> Result<Self, Problems> {
        let (file, kind) = open_at_once(path).map_err(|error| unreadable(path, &error))?;
        if !kind.is_file() {
            let found = match kind.is_dir() {
                true => "a folder",
                false => "a pipe or a device",
            };
            return Err(Problem::new(whole(path), format!("found {found}, wanted a file")).into());
        }
        Self::of_file(path, file)
    }

    fn of_file(path: &Path, file: File) -> Result<Self, Problems> {
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(path, &error))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Problem::new(whole(path), "the file is larger than 16 MiB").into());
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => {
                let readable = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                let source = Self::new(path, &readable);
                let location = source.location(source.text.len());
                let found = bytes[error.valid_up_to()];
                Err(Problem::new(
                    location,
                    format!("found the byte `0x{found:02x}`, wanted UTF-8 text"),
                )
                .into())
            }
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A path of the file: relative ones are relative to the file's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The file as a whole.
    pub(super) fn whole(&self) -> Location {
        Location::File(Arc::clone(&self.name))
    }

    /// Where a byte offset stands.
    pub(super) fn location(&self, offset: usize) -> Location {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let before = &self.text[self.line_starts[line - 1]..offset];
        Location::Text(
            Arc::clone(&self.name),
            Position {
                line,
                column: before.chars().count() + 1,
            },
        )
    }

    /// What stands in a range of bytes.
    pub(super) fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// The word around a byte offset: what no space, comma, bracket or brace divides.
    pub(super) fn word_at(&self, offset: usize) -> &str {
        let divides = |character: char| character.is_whitespace() || ",[]{}=#".contains(character);
        let offset = self.text.floor_char_boundary(offset);
        let (before, after) = self.text.split_at(offset);
        let start = before
            .rfind(divides)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let end = after.find(divides).map_or(self.text.len(), |at| offset + at);
        &self.text[start..end]
    }

    /// Whether a byte offset is in a line that may hold a secret.
    pub(super) fn may_hold_a_secret(&self, offset: usize) -> bool {
        self.location(offset)
            .position()
            .is_some_and(|position| self.line_may_hold_a_secret(position.line))
    }

    /// The problems, each with its line and a caret under it. Lines that may hold a secret are left
    /// out.
    pub fn render(&self, problems: &Problems) -> String {
        let concealed: Vec<usize> = problems
            .iter()
            .filter(|problem| problem.concealed)
            .filter_map(|problem| problem.location.position())
            .map(|position| position.line)
            .collect();
        let mut rendered = String::new();
        for problem in problems.iter() {
            let _ = writeln!(rendered, "{problem}");
            if let Location::Text(name, position) = &problem.location
                && *name == self.name
                && !concealed.contains(&position.line)
                && !self.line_may_hold_a_secret(position.line)
            {
                self.render_line(*position, &mut rendered);
            }
        }
        rendered
    }

    fn render_line(&self, position: Position, rendered: &mut String) {
        let line = self.line(position.line);
        if position.column > MAX_LINE {
            return;
        }
        let shown: String = line.chars().take(MAX_LINE).map(printable).collect();
        let before: String = shown.chars().take(position.column - 1).collect();
        let number = position.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(before.width());
        let _ = writeln!(rendered, "{margin} |\n{number} | {shown}\n{margin} | {indent}^");
    }

    fn line(&self, number: usize) -> &str {
        let start = self.line_starts[number - 1];
        let end = self.line_starts.get(number).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// Whether a line may hold what is confidential, going by what stands in it and above it: where the syntax is
    /// broken there is no table to ask.
    fn line_may_hold_a_secret(&self, number: usize) -> bool {
        let lines = || (1..=number).rev().map(|line| self.line(line).trim_start());
        let table = lines().find(|line| line.starts_with('[')).map(key);
        let table = table.unwrap_or_default();
        let mut above = lines().skip(1).take_while(|line| !line.starts_with('['));
        names_secrets(&table, self.line(number).trim_start())
            || above.any(|line| goes_on(line) && names_secrets(&table, line))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(whole(path), format!("the file cannot be read: {error}"))
}

fn whole(path: &Path) -> Location {
    Location::File(path.display().to_string().into())
}

fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        control if control.is_control() => '\u{fffd}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(Path::new("checks.toml"), text)
    }

    #[test]
    fn what_has_to_be_a_file_is_no_pipe_that_nobody_writes_to() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let refused = |path: &Path| Source::read_regular(path).unwrap_err().to_string();
        let message = refused(&pipe);
        assert!(
            message.contains("pipe: found a pipe or a device, wanted a file"),
            "{message}"
        );
        let message = refused(folder.path());
        assert!(message.contains("found a folder, wanted a file"), "{message}");
        let file = folder.path().join("checks.toml");
        std::fs::write(&file, "a = 1\n").unwrap();
        assert_eq!(Source::read_regular(&file).unwrap().text(), "a = 1\n");
    }

    #[test]
    fn columns_count_characters() {
        let source = source("a = 1\nü = \"日本\" x\n");
        let offset = source.text().find('x').unwrap();
        assert_eq!(source.location(offset).to_string(), "checks.toml:2:10");
        assert_eq!(source.location(0).to_string(), "checks.toml:1:1");
        assert_eq!(
            source.location(source.text().len()).to_string(),
            "checks.toml:3:1"
        );
    }

    #[test]
    fn a_problem_is_shown_with_its_line_and_a_caret() {
        let source = source("# one\n\tlisten = \"日\" 9315\n");
        let location = source.location(source.text().find("9315").unwrap());
        let problems = Problems::from(Problem::new(location, "wanted less"));
        assert_eq!(
            source.render(&problems),
            "checks.toml:2:15: wanted less\n  |\n2 |  listen = \"日\" 9315\n  |                ^\n"
        );
    }

    #[test]
    fn lines_that_may_hold_a_secret_are_not_shown() {
        let source = source("a = \"hunter2\"\nb = 1\n[secrets]\nmail = hunter3\nsecrets.x = \"hunter4\"\n");
        for (needle, concealed) in [("hunter2", true), ("hunter3", false), ("hunter4", false)] {
            let location = source.location(source.text().find(needle).unwrap());
            let other = Problem::new(source.location(source.text().find(needle).unwrap() - 1), "too");
            let problem = Problem {
                location,
                message: "no".into(),
                concealed,
                may_pass: false,
            };
            let problems = Problems::check(vec![problem, other]).unwrap_err();
            assert!(!source.render(&problems).contains("hunter"), "{needle}");
        }
        let elsewhere = Problems::from(Problem::new(source.location(14), "no"));
        assert!(source.render(&elsewhere).contains("b = 1"));
    }
}
