//! Takes typed values out of TOML with their places, collects every problem on the way, and complains
//! about keys that nobody asked for. The only module that knows the TOML library. What the keys mean is
//! not known here.

mod syntax;
mod value;

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use self::syntax::syntax_problems;
pub(in crate::config) use self::value::{Kind, Value};
use super::problem::{Location, Problem};
use super::source::Source;
use super::words::{quoted, unknown_key};

/// Reads a text: gives its root table to `read` and returns what that makes of it, with all problems
/// found. After a syntax error what is left of the text is still read, without drawing conclusions from
/// what is missing in it.
pub(in crate::config) fn read_root<T>(source: &Source, read: impl FnOnce(&mut Table<'_>) -> T) -> Root<T> {
    let (root, errors) = DeTable::parse_recoverable(source.text());
    let syntax = syntax_problems(source, &errors);
    let context = Context {
        source,
        problems: RefCell::new(Vec::new()),
        damaged: !syntax.is_empty(),
    };
    let mut table = Table {
        context: &context,
        entries: root.get_ref(),
        path: String::new(),
        place: 0..0,
        concealed: false,
        known: Vec::new(),
        any_known: false,
        advice: "",
    };
    let result = read(&mut table);
    table.finish();
    let mut problems = context.problems.into_inner();
    // What is read out of a broken line is guessed.
    let is_broken = |line| syntax.iter().any(|problem| line_of(problem) == Some(line));
    problems.retain(|problem| !line_of(problem).is_some_and(is_broken));
    let damaged = !syntax.is_empty();
    problems.extend(syntax);
    Root {
        result,
        problems,
        damaged,
    }
}

/// What became of a text.
pub(in crate::config) struct Root<T> {
    /// What the root table was made into.
    pub(in crate::config) result: T,
    /// Everything that is wrong.
    pub(in crate::config) problems: Vec<Problem>,
    /// Whether there are syntax errors, so that the result lacks what the text may have meant.
    pub(in crate::config) damaged: bool,
}

fn line_of(problem: &Problem) -> Option<usize> {
    problem.location.position().map(|position| position.line)
}

/// What all the tables and values of one text share.
struct Context<'t> {
    source: &'t Source,
    problems: RefCell<Vec<Problem>>,
    damaged: bool,
}

/// A table, and the keys that were asked for.
pub(in crate::config) struct Table<'t> {
    context: &'t Context<'t>,
    entries: &'t DeTable<'t>,
    path: String,
    place: Range<usize>,
    concealed: bool,
    known: Vec<&'static str>,
    any_known: bool,
    advice: &'static str,
}

impl<'t> Table<'t> {
    /// Where the table stands: its header, or its first brace.
    pub(in crate::config) fn location(&self) -> Location {
        self.context.source.location(self.place.start)
    }

    /// The value of a key.
    pub(in crate::config) fn get(&mut self, key: &'static str) -> Option<Value<'t>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (found, value) = self.entries.get_key_value(key)?;
        Some(self.value(found, value))
    }

    /// The value of a key that must be there.
    pub(in crate::config) fn require(&mut self, key: &'static str, example: &str) -> Option<Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing(&format!("missing key `{key}`, wanted for example `{example}`"));
        }
        value
    }

    /// The value of a key that is a table; what `read` makes of it.
    pub(in crate::config) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Table<'t>) -> T,
    ) -> Option<T> {
        self.get(key)?.table(read)
    }

    /// How many problems have been found in the text so far.
    pub(in crate::config) fn problem_count(&self) -> usize {
        self.context.problems.borrow().len()
    }

    /// Says where an unknown key may belong.
    pub(in crate::config) fn advise(&mut self, advice: &'static str) {
        self.advice = advice;
    }

    /// Every key with its value, in the order of the text: for tables whose keys are names.
    pub(in crate::config) fn take_entries(&mut self) -> Vec<(&'t str, Value<'t>)> {
        self.any_known = true;
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| (&**key.get_ref(), self.value(key, value)))
            .collect()
    }

    /// Something is missing in the table as a whole.
    pub(in crate::config) fn missing(&self, message: &str) {
        if !self.context.damaged {
            self.refuse(message);
        }
    }

    /// The table as a whole is not what is wanted.
    pub(in crate::config) fn refuse(&self, message: &str) {
        if self.path.is_empty() {
            self.report(self.context.source.whole(), message.to_owned());
        } else {
            self.report(self.location(), format!("`{}`: {message}", self.path));
        }
    }

    fn value(&self, key: &'t Spanned<DeString<'t>>, value: &'t Spanned<DeValue<'t>>) -> Value<'t> {
        let path = self.path_of(key.get_ref());
        Value {
            context: self.context,
            path,
            key: key.span(),
            concealed: self.concealed,
            value,
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn report(&self, location: Location, message: String) {
        let problem = Problem {
            location,
            message,
            concealed: self.concealed,
            may_pass: false,
        };
        self.context.problems.borrow_mut().push(problem);
    }

    fn finish(self) {
        for (key, _) in self.entries {
            if !self.any_known && !self.known.contains(&&**key.get_ref()) {
                let advice = unknown_key(key.get_ref(), &self.known, self.advice);
                let location = self.context.source.location(key.span().start);
                self.report(
                    location,
                    format!("{}: {advice}", quoted(&self.path_of(key.get_ref()))),
                );
            }
        }
    }
}
