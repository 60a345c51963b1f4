//! What is said about a translation: what was left out, and what the operator has yet to do.

use std::fmt::{self, Display};

/// Something to say about a place of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The line of the file that was read, from 1.
    pub line: usize,
    /// The module, where it is about one.
    pub module: Option<String>,
    /// Whether something does not happen any more that did.
    pub is_left_out: bool,
    /// What there is to say.
    pub message: String,
}

impl Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if let Some(module) = &self.module {
            write!(f, "module `{module}`: ")?;
        }
        f.write_str(if self.is_left_out { "left out: " } else { "note: " })?;
        f.write_str(&self.message)
    }
}

/// The notes about one module.
#[derive(Debug, Default)]
pub(super) struct Notes {
    module: Option<String>,
    notes: Vec<Note>,
}

impl Notes {
    /// No notes yet.
    pub(super) fn about(module: &str) -> Self {
        Self {
            module: Some(module.to_owned()),
            notes: Vec::new(),
        }
    }

    /// Something could not be turned.
    pub(super) fn left_out(&mut self, line: usize, message: impl Into<String>) {
        self.add(line, true, message.into());
    }

    /// Something was turned, and there is something to know about it.
    pub(super) fn remark(&mut self, line: usize, message: impl Into<String>) {
        self.add(line, false, message.into());
    }

    fn add(&mut self, line: usize, is_left_out: bool, message: String) {
        let module = self.module.clone();
        self.notes.push(Note {
            line,
            module,
            is_left_out,
            message,
        });
    }

    /// All of them, in the order of the lines.
    pub(super) fn finish(mut self) -> Vec<Note> {
        self.notes.sort_by_key(|note| note.line);
        self.notes
    }
}
