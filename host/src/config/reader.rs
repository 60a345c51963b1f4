//! Takes typed values out of TOML with their places, collects every problem on the way, and complains
//! about keys that nobody asked for. The only file that knows the TOML library. What the keys mean is
//! not known here.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Location, Problem};
use super::source::Source;
use super::units::{parse_duration, parse_size, show_duration, show_size};
use super::words::{quoted, unknown_key};

/// Reads a text: gives its root table to `read` and returns what that makes of it, with all problems
/// found. After a syntax error what is left of the text is still read, without drawing conclusions from
/// what is missing in it.
pub(super) fn read_root<T>(source: &Source, read: impl FnOnce(&mut Table<'_>) -> T) -> (T, Vec<Problem>) {
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
    problems.extend(syntax);
    (result, problems)
}

fn line_of(problem: &Problem) -> Option<usize> {
    problem.location.position().map(|position| position.line)
}

/// The first error of each line: the others follow from it.
fn syntax_problems(source: &Source, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = errors.iter().map(|error| syntax_problem(source, error)).collect();
    problems.sort_by(|left, right| left.location.cmp(&right.location));
    problems.dedup_by_key(|problem| line_of(problem));
    problems
}

fn syntax_problem(source: &Source, error: &toml::de::Error) -> Problem {
    const NO_VALUE: [&str; 5] = [
        "string values must be quoted",
        "invalid float",
        "invalid boolean",
        "invalid integer",
        "invalid number",
    ];
    let span = error.span().unwrap_or_default();
    let message = match error.message() {
        "duplicate key" => format!("{}: the key is given twice", quoted(source.slice(span.clone()))),
        message if NO_VALUE.iter().any(|start| message.starts_with(start)) => {
            let word = source.word_at(span.start);
            let found = if source.is_in_secrets(span.start) {
                String::new()
            } else {
                format!("found {}, ", quoted(word))
            };
            format!("syntax error: {found}wanted a value; a text needs quotes, such as `\"text\"`")
        }
        message => format!("syntax error: {}", message.replace(", expected ", ", wanted ")),
    };
    Problem::new(source.location(span.start), message)
}

/// What all the tables and values of one text share.
struct Context<'t> {
    source: &'t Source,
    problems: RefCell<Vec<Problem>>,
    damaged: bool,
}

/// A table, and the keys that were asked for.
pub(super) struct Table<'t> {
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
    pub(super) fn location(&self) -> Location {
        self.context.source.location(self.place.start)
    }

    /// The value of a key.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Value<'t>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (found, value) = self.entries.get_key_value(key)?;
        Some(self.value(found, value))
    }

    /// The value of a key that must be there.
    pub(super) fn require(&mut self, key: &'static str, example: &str) -> Option<Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing(&format!("missing key `{key}`, wanted for example `{example}`"));
        }
        value
    }

    /// The value of a key that is a table; what `read` makes of it.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Table<'t>) -> T,
    ) -> Option<T> {
        self.get(key)?.table(read)
    }

    /// Says where an unknown key may belong.
    pub(super) fn advise(&mut self, advice: &'static str) {
        self.advice = advice;
    }

    /// Every key with its value, in the order of the text: for tables whose keys are names.
    pub(super) fn take_entries(&mut self) -> Vec<(&'t str, Value<'t>)> {
        self.any_known = true;
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| (&**key.get_ref(), self.value(key, value)))
            .collect()
    }

    /// Something is missing in the table as a whole.
    pub(super) fn missing(&self, message: &str) {
        if !self.context.damaged {
            self.refuse(message);
        }
    }

    /// The table as a whole is not what is wanted.
    pub(super) fn refuse(&self, message: &str) {
        if self.path.is_empty() {
            self.report(self.context.source.whole(), message.to_owned());
        } else {
            self.report(self.location(), format!("`{}`: {message}", self.path));
        }
    }

    fn value(
        &self,
        key: &'t Spanned<std::borrow::Cow<'t, str>>,
        value: &'t Spanned<DeValue<'t>>,
    ) -> Value<'t> {
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

/// A value by its kind. Numbers are `None` if they are too large.
pub(super) enum Kind<'t> {
    String(&'t str),
    Integer(Option<i64>),
    Float(Option<f64>),
    Boolean(bool),
    Moment(String),
    Array,
    Table,
}

/// A value and the key it belongs to.
#[derive(Clone)]
pub(super) struct Value<'t> {
    context: &'t Context<'t>,
    path: String,
    key: Range<usize>,
    concealed: bool,
    value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Value<'t> {
    /// Where the value stands.
    pub(super) fn location(&self) -> Location {
        self.context.source.location(self.value.span().start)
    }

    /// Where its key stands.
    pub(super) fn key_location(&self) -> Location {
        self.context.source.location(self.key.start)
    }

    /// Marks the value, and what is in it, as one that messages must not repeat.
    pub(super) fn conceal(mut self) -> Self {
        self.concealed = true;
        self
    }

    /// The text, if the value is one.
    pub(super) fn as_str(&self) -> Option<&'t str> {
        self.value.get_ref().as_str()
    }

    /// Whether the value is a table.
    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// The value by its kind, for values whose kind is not known before.
    pub(super) fn kind(&self) -> Kind<'t> {
        match self.value.get_ref() {
            DeValue::String(text) => Kind::String(text),
            DeValue::Integer(integer) => {
                Kind::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).ok())
            }
            DeValue::Float(float) => Kind::Float(float.as_str().parse().ok()),
            DeValue::Boolean(value) => Kind::Boolean(*value),
            DeValue::Datetime(moment) => Kind::Moment(moment.to_string()),
            DeValue::Array(_) => Kind::Array,
            DeValue::Table(_) => Kind::Table,
        }
    }

    /// Reports that the value is not what is wanted.
    pub(super) fn unwanted<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value.get_ref() {
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Integer(_) if self.concealed => "an integer".to_owned(),
            other if self.concealed => format!("a {}", other.type_str()),
            _ => quoted(self.context.source.slice(self.value.span())),
        };
        self.refuse(&format!("found {found}, wanted {wanted}"))
    }

    /// Reports that the value cannot be used.
    pub(super) fn refuse<T>(&self, message: &str) -> Option<T> {
        self.report(self.location(), message);
        None
    }

    /// Reports that its key cannot be used.
    pub(super) fn refuse_key(&self, message: &str) {
        self.report(self.key_location(), message);
    }

    /// Reports that something the value refers to is missing elsewhere.
    pub(super) fn dangling(&self, message: &str) {
        if !self.context.damaged {
            self.report(self.location(), message);
        }
    }

    fn report(&self, location: Location, message: &str) {
        let message = format!("{}: {message}", quoted(&self.path));
        let problem = Problem {
            location,
            message,
            concealed: self.concealed,
        };
        self.context.problems.borrow_mut().push(problem);
    }

    /// A string.
    pub(super) fn string(&self) -> Option<&'t str> {
        self.string_for("a string")
    }

    fn string_for(&self, wanted: &str) -> Option<&'t str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.unwanted(wanted),
        }
    }

    /// A string that is read as something, by a parser whose error tells what was found and wanted.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.read(str::parse)
    }

    /// The same with a function.
    pub(super) fn read<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        match parse(self.string()?) {
            Ok(parsed) => Some(parsed),
            Err(_) if self.concealed => self.refuse("found a string that cannot be used here"),
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    /// A path, relative to the file's folder.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self.string()? {
            "" => self.unwanted("a path"),
            path => Some(self.context.source.resolve(path)),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.unwanted("`true` or `false`"),
        }
    }

    /// A whole number within a range.
    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(integer) = self.value.get_ref() else {
            return self.unwanted(&wanted());
        };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) if range.contains(&value) => Some(value),
            _ => self.unwanted(&wanted()),
        }
    }

    /// A duration within a range.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.measured(range, parse_duration, show_duration, ("duration", "s"))
    }

    /// A size in bytes within a range.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        self.measured(range, parse_size, show_size, ("size", "MiB"))
    }

    fn measured<T: PartialOrd + Copy>(
        &self,
        range: RangeInclusive<T>,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(T) -> String,
        (noun, unit): (&str, &str),
    ) -> Option<T> {
        let text = match self.value.get_ref() {
            DeValue::String(text) => text,
            DeValue::Integer(number) if number.radix() == 10 => {
                let wanted = format!("a {noun} with a unit, such as `\"{}{unit}\"`", number.as_str());
                return self.unwanted(&wanted);
            }
            _ => return self.unwanted(&format!("a {noun}, such as `\"10{unit}\"`")),
        };
        match parse(text) {
            Ok(value) if range.contains(&value) => Some(value),
            Ok(_) => self.unwanted(&format!(
                "a {noun} from {} to {}",
                show(*range.start()),
                show(*range.end())
            )),
            Err(message) => self.refuse(&message),
        }
    }

    /// The elements of an array, each with its own place.
    pub(super) fn elements(&self, wanted: &str) -> Option<Vec<Value<'t>>> {
        let DeValue::Array(array) = self.value.get_ref() else {
            return self.unwanted(wanted);
        };
        let element = |value| Value {
            value,
            ..self.clone()
        };
        Some(array.iter().map(element).collect())
    }

    /// A table; what `read` makes of it.
    pub(super) fn table<T>(&self, read: impl FnOnce(&mut Table<'t>) -> T) -> Option<T> {
        let DeValue::Table(entries) = self.value.get_ref() else {
            return self.unwanted("a table");
        };
        let mut table = Table {
            context: self.context,
            entries,
            path: self.path.clone(),
            place: self.value.span(),
            concealed: self.concealed,
            known: Vec::new(),
            any_known: false,
            advice: "",
        };
        let result = read(&mut table);
        table.finish();
        Some(result)
    }
}
