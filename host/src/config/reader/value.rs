//! A value of a TOML text, as what it is wanted to be.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::super::problem::{Location, Problem};
use super::super::units::{advised, parse_duration, parse_size, show_duration, show_size};
use super::super::words::quoted;
use super::{Context, Table};

/// A value by its kind. Numbers are `None` if they are too large.
pub(in crate::config) enum Kind<'t> {
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
pub(in crate::config) struct Value<'t> {
    pub(super) context: &'t Context<'t>,
    pub(super) path: String,
    pub(super) key: Range<usize>,
    pub(super) concealed: bool,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Value<'t> {
    /// Where the value stands.
    pub(in crate::config) fn location(&self) -> Location {
        self.context.source.location(self.value.span().start)
    }

    /// Where its key stands.
    pub(in crate::config) fn key_location(&self) -> Location {
        self.context.source.location(self.key.start)
    }

    /// Marks the value, and what is in it, as one that messages must not repeat.
    pub(in crate::config) fn conceal(mut self) -> Self {
        self.concealed = true;
        self
    }

    /// The same unless it is a table, in which only some values are such.
    pub(in crate::config) fn conceal_unless_table(self) -> Self {
        if self.is_table() { self } else { self.conceal() }
    }

    /// The text, if the value is one.
    pub(in crate::config) fn as_str(&self) -> Option<&'t str> {
        self.value.get_ref().as_str()
    }

    /// Whether the value is a table.
    pub(in crate::config) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// The value by its kind, for values whose kind is not known before.
    pub(in crate::config) fn kind(&self) -> Kind<'t> {
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

    /// How many problems have been found in the text so far.
    pub(in crate::config) fn problem_count(&self) -> usize {
        self.context.problems.borrow().len()
    }

    /// Reports that the value is not what is wanted.
    pub(in crate::config) fn unwanted<T>(&self, wanted: &str) -> Option<T> {
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
    pub(in crate::config) fn refuse<T>(&self, message: &str) -> Option<T> {
        self.report(self.location(), message);
        None
    }

    /// Reports that its key cannot be used.
    pub(in crate::config) fn refuse_key(&self, message: &str) {
        self.report(self.key_location(), message);
    }

    /// Reports that something the value refers to is missing elsewhere.
    pub(in crate::config) fn dangling(&self, message: &str) {
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
            may_pass: false,
        };
        self.context.problems.borrow_mut().push(problem);
    }

    /// A string.
    pub(in crate::config) fn string(&self) -> Option<&'t str> {
        self.string_for("a string")
    }

    fn string_for(&self, wanted: &str) -> Option<&'t str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.unwanted(wanted),
        }
    }

    /// A string that is read as something, by a parser whose error tells what was found and wanted.
    pub(in crate::config) fn parsed<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.read(str::parse)
    }

    /// The same with a function.
    pub(in crate::config) fn read<T, E: Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.string()?) {
            Ok(parsed) => Some(parsed),
            Err(_) if self.concealed => self.refuse("found a string that cannot be used here"),
            Err(error) => self.refuse(&error.to_string()),
        }
    }

    /// A path, relative to the file's folder.
    pub(in crate::config) fn path(&self) -> Option<PathBuf> {
        match self.string()? {
            "" => self.unwanted("a path"),
            path => Some(self.context.source.resolve(path)),
        }
    }

    /// `true` or `false`.
    pub(in crate::config) fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.unwanted("`true` or `false`"),
        }
    }

    /// A whole number within a range.
    pub(in crate::config) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
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
    pub(in crate::config) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.measured(range, parse_duration, show_duration, ("duration", "s"))
    }

    /// A size in bytes within a range.
    pub(in crate::config) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
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
                let number = advised(number.as_str(), "10");
                let wanted = format!("a {noun} with a unit, such as `\"{number}{unit}\"`");
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
    pub(in crate::config) fn elements(&self, wanted: &str) -> Option<Vec<Value<'t>>> {
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
    pub(in crate::config) fn table<T>(&self, read: impl FnOnce(&mut Table<'t>) -> T) -> Option<T> {
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
