//! Settings against a plugin's JSON Schema (2020-12): each violation in words, at its place. The only file
//! that knows the schema library.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, JsonType, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::check::Check;
use super::problem::{Location, Problem};
use super::schema_cost;
use super::settings::{pointer_of, spoken_pointer};
use super::words::{alternatives, joined, nearest, quoted, unknown_key};

/// How large a pattern of a schema may be when it is compiled, in bytes: a long list of alternatives, or some
/// classes of Unicode.
const MAX_PATTERN: usize = 256 * 1024;

/// How many problems of one check are told: a plugin's schema can make up any number, and nobody reads more.
const MAX_PROBLEMS: usize = 100;

/// A plugin's schema that cannot be used. The plugin is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings schema is no JSON Schema (2020-12): {0}")]
pub struct SchemaError(String);

impl SchemaError {
    /// Something is wrong at this place in the schema, a JSON pointer.
    fn at(pointer: &str, message: &str) -> Self {
        let place = if pointer.is_empty() { "/" } else { pointer };
        Self(format!("at `{place}`: {message}"))
    }
}

/// The schema of a plugin's settings.
#[derive(Debug, Clone)]
pub struct SettingsSchema {
    schema: Value,
    validator: Validator,
}

impl SettingsSchema {
    /// Reads a schema, given as JSON text.
    ///
    /// # Errors
    ///
    /// When it is no JSON, no schema, or refers to another document.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let schema: Value = serde_json::from_str(text).map_err(|error| SchemaError(error.to_string()))?;
        schema_cost::check(&schema).map_err(|error| SchemaError(error.to_string()))?;
        // Patterns come from the plugin: the engine is one that takes linear time, and what each is compiled
        // to has a bound.
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN))
            .should_validate_formats(true)
            .offline();
        let validator = options
            .build(&schema)
            .map_err(|error| SchemaError::at(&error.instance_path().to_string(), &error.to_string()))?;
        Ok(Self { schema, validator })
    }

    /// Everything in a check's settings that the schema does not allow.
    pub fn problems(&self, check: &Check) -> Vec<Problem> {
        let settings = Value::Object(check.settings.values().clone());
        let judge = Judge {
            schema: &self.schema,
            check,
        };
        let mut problems: Vec<Problem> = self
            .validator
            .iter_errors(&settings)
            .flat_map(|error| judge.problems(&error))
            .collect();
        problems.sort();
        problems.dedup();
        problems.truncate(MAX_PROBLEMS);
        problems
    }
}

/// Turns violations into problems of a check.
struct Judge<'c> {
    schema: &'c Value,
    check: &'c Check,
}

impl Judge<'_> {
    fn problems(&self, error: &ValidationError<'_>) -> Vec<Problem> {
        use ValidationErrorKind as Kind;
        let pointer = error.instance_path().as_str();
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let known = self.known_keys(error);
                let problem =
                    |key: &String| self.at_key(&pointer_of(pointer, key), &unknown_key(key, &known, ""));
                unexpected.iter().map(problem).collect()
            }
            Kind::PropertyNames { error: name } => {
                let message = format!(
                    "found the key {}, wanted {}",
                    shown(name.instance()),
                    self.wanted(name)
                );
                vec![self.at(pointer, &message, false)]
            }
            Kind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                vec![self.at(pointer, &format!("missing key `{key}`"), false)]
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                match best_branch(pointer, context) {
                    Some(branch) => branch.iter().flat_map(|error| self.problems(error)).collect(),
                    None => vec![self.unwanted(error, &joined(&self.forms(context)))],
                }
            }
            Kind::Not { schema } => match excluding(schema).as_slice() {
                [others @ .., last] if !others.is_empty() => {
                    let others: Vec<_> = others.iter().map(|key| format!("`{key}`")).collect();
                    let message = format!("it does not go together with {}", others.join(" and "));
                    vec![self.at_key(&pointer_of(pointer, last), &message)]
                }
                _ => vec![self.unwanted(error, &self.wanted(error))],
            },
            _ => vec![self.unwanted(error, &self.wanted(error))],
        }
    }

    /// The value is not what is wanted. A text where no text is wanted may be a password that was written
    /// down instead of being referred to, so it is not repeated.
    fn unwanted(&self, error: &ValidationError<'_>, wanted: &str) -> Problem {
        let pointer = error.instance_path().as_str();
        let instance = error.instance().as_ref();
        let concealed = instance.is_string() && !takes_strings(error);
        let found = if concealed {
            "a string".to_owned()
        } else {
            shown(instance)
        };
        let hint = match self.check.settings.location(pointer) {
            Location::Option(option) if wanted == "a string" => quoting_hint(option, instance),
            _ => String::new(),
        };
        self.at(
            pointer,
            &format!("found {found}, wanted {wanted}{hint}"),
            concealed,
        )
    }

    fn at(&self, pointer: &str, message: &str, concealed: bool) -> Problem {
        let location = self.check.settings.location(pointer).clone();
        let message = self.worded(pointer, message);
        if concealed {
            Problem::concealed(location, message)
        } else {
            Problem::new(location, message)
        }
    }

    fn at_key(&self, pointer: &str, message: &str) -> Problem {
        Problem::new(
            self.check.settings.key_location(pointer).clone(),
            self.worded(pointer, message),
        )
    }

    fn worded(&self, pointer: &str, message: &str) -> String {
        match spoken_pointer(pointer, self.check.settings.values()).as_str() {
            "" => format!("`settings`: {message}"),
            spoken => format!("`settings.{spoken}`: {message}"),
        }
    }

    /// The keys that the schema around a violation knows.
    fn known_keys(&self, error: &ValidationError<'_>) -> Vec<&str> {
        let properties = self
            .around(error)
            .and_then(|schema| schema.get("properties")?.as_object());
        properties
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// The part of the schema that a violated keyword stands in.
    fn around(&self, error: &ValidationError<'_>) -> Option<&Map<String, Value>> {
        let (container, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(container)?.as_object()
    }

    fn wanted(&self, error: &ValidationError<'_>) -> String {
        use ValidationErrorKind as Kind;
        match error.kind() {
            Kind::Type { kind } => self.wanted_type(error, kind),
            Kind::Enum { options } => match options.as_array().map(Vec::as_slice) {
                Some(options) => {
                    let near = nearest_option(error.instance(), options);
                    let near = near
                        .map(|near| format!(", did you mean `{near}`?"))
                        .unwrap_or_default();
                    joined(&options.iter().map(shown).collect::<Vec<_>>()) + &near
                }
                None => shown(options),
            },
            Kind::Constant { expected_value } => shown(expected_value),
            Kind::Minimum { limit } => format!("at least {limit}"),
            Kind::Maximum { limit } => format!("at most {limit}"),
            Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
            Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
            Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
            Kind::MinLength { limit: 1 } => "a text that is not empty".to_owned(),
            Kind::MinLength { limit } => format!("at least {limit} characters"),
            Kind::MaxLength { limit } => format!("at most {limit} characters"),
            Kind::MinItems { limit } => format!("at least {limit} in the array"),
            Kind::AdditionalItems { limit } => format!("at most {limit} in the array"),
            Kind::MaxItems { limit } => format!("at most {limit} in the array"),
            Kind::MinProperties { limit } => format!("at least {limit} keys"),
            Kind::MaxProperties { limit } => format!("at most {limit} keys"),
            Kind::UniqueItems => "each element once".to_owned(),
            Kind::Pattern { pattern } => format!("a text that matches `{pattern}`"),
            Kind::Format { format } => format!("a text of the format `{format}`"),
            Kind::Not { schema } => {
                let one = schema.get("const").map(std::slice::from_ref);
                let several = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice);
                match one.or(several) {
                    Some(values) => {
                        format!(
                            "anything but {}",
                            joined(&values.iter().map(shown).collect::<Vec<_>>())
                        )
                    }
                    None => "none such here".to_owned(),
                }
            }
            Kind::FalseSchema => "none such here".to_owned(),
            Kind::OneOfMultipleValid { .. } => "only one of several forms that exclude each other".to_owned(),
            Kind::Required { property } => format!("a table with {}", alternatives(property.as_str())),
            _ => format!("what the plugin's schema says under `{}`", error.schema_path()),
        }
    }

    /// What is wanted of a value in each of the forms that it may have.
    fn forms(&self, branches: &[Vec<ValidationError<'static>>]) -> Vec<String> {
        use ValidationErrorKind as Kind;
        let firsts = branches.iter().filter_map(|branch| branch.first());
        let mut wanted: Vec<String> = firsts
            .flat_map(|error| match error.kind() {
                Kind::AnyOf { context } | Kind::OneOfNotValid { context } => self.forms(context),
                _ => vec![self.wanted(error)],
            })
            .collect();
        wanted.dedup();
        wanted
    }

    fn wanted_type(&self, error: &ValidationError<'_>, kind: &TypeKind) -> String {
        let secret = self
            .around(error)
            .and_then(|schema| schema.get("properties")?.get("secret"));
        if secret.is_some() {
            return "a secret, as `{ secret = \"NAME\" }` with `NAME` in `[secrets]`".to_owned();
        }
        let names: Vec<String> = match kind {
            TypeKind::Single(one) => vec![with_article(*one).to_owned()],
            TypeKind::Multiple(several) => several.iter().map(|one| with_article(one).to_owned()).collect(),
        };
        joined(&names)
    }
}

/// Of several forms a value may have, the one it was meant to have: the only one whose type it is of.
fn best_branch<'e>(
    pointer: &str,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e Vec<ValidationError<'static>>> {
    let mut of_type = branches
        .iter()
        .filter(|branch| !branch.iter().any(|error| is_type_error(pointer, error)));
    of_type.next().filter(|_| of_type.next().is_none())
}

/// Whether a value is not even of the type that is wanted, in none of the forms that it may have.
fn is_type_error(pointer: &str, error: &ValidationError<'_>) -> bool {
    use ValidationErrorKind as Kind;
    let is_elsewhere = error.instance_path().as_str() != pointer;
    match error.kind() {
        _ if is_elsewhere => false,
        Kind::Type { .. } => true,
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => context
            .iter()
            .all(|branch| branch.iter().any(|error| is_type_error(pointer, error))),
        _ => false,
    }
}

/// Whether texts are accepted where a violation is, only not this one.
fn takes_strings(error: &ValidationError<'_>) -> bool {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => context
            .iter()
            .any(|branch| !branch.iter().any(|error| is_type_error(pointer, error))),
        ValidationErrorKind::Type { .. } => false,
        _ => true,
    }
}

/// The keys that a schema asks for, where a value must not be as it says: they exclude each other.
fn excluding(schema: &Value) -> Vec<&str> {
    let keys = schema.get("required").and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// How to say on the command line that a number or `true` is meant as text.
fn quoting_hint(option: &str, instance: &Value) -> String {
    match option.split_once(' ') {
        Some((option, key)) if instance.is_number() || instance.is_boolean() => {
            format!("; for text, write `{option} '{key}=\"{instance}\"'`")
        }
        _ => String::new(),
    }
}

fn nearest_option<'o>(found: &Value, options: &'o [Value]) -> Option<&'o str> {
    nearest(found.as_str()?, options.iter().filter_map(Value::as_str))
}

fn with_article(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "an array",
        JsonType::Boolean => "`true` or `false`",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a table",
        JsonType::String => "a string",
    }
}

/// A value as a message shows it; tables and arrays may be long and hold anything.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "a table".to_owned(),
        scalar => quoted(&scalar.to_string()),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
