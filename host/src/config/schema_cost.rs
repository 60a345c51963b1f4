//! How much work a schema makes. A schema is a plugin's, and a short one can ask for endless work: references
//! that lead back to themselves, or each twice to the next. Such a schema is not used. Pure.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// How many schemas may apply, all references followed: a hundred times what the built-in plugins have, and some
/// milliseconds of work.
const MAX_EVALUATIONS: u64 = 100_000;
/// How deep the settings are taken to be; what is recursive is followed as far as that.
const SETTINGS_DEPTH: usize = 8;
/// How many schemas may be inside one another, references followed: more than anybody reads, and little of the
/// stack.
const MAX_NESTING: usize = 128;

/// How many patterns a schema may have: several for each setting, and 64 MiB when all are as large as they may
/// be.
const MAX_PATTERNS: usize = 256;

/// Why a schema is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooCostly {
    #[error("it refers to itself without end, or is nested more than {MAX_NESTING} deep")]
    Endless,
    #[error("more than {MAX_EVALUATIONS} schemas apply when its references are followed")]
    TooMany,
    #[error("it has {0} patterns, and at most {MAX_PATTERNS} are allowed")]
    Patterns(usize),
    #[error("it refers to `{0}`, and only references such as `#/$defs/NAME` are followed")]
    Reference(String),
    #[error("it has the keyword `{0}`, which is not supported there")]
    Keyword(&'static str),
}

/// Holds a schema to a bounded amount of work.
pub(super) fn check(schema: &Value) -> Result<(), TooCostly> {
    let patterns = patterns(schema);
    if patterns > MAX_PATTERNS {
        return Err(TooCostly::Patterns(patterns));
    }
    let mut cost = Cost {
        root: schema,
        known: HashMap::new(),
        under_way: HashSet::new(),
    };
    match cost.of(schema, SETTINGS_DEPTH)? {
        0..=MAX_EVALUATIONS => Ok(()),
        _ => Err(TooCostly::TooMany),
    }
}

/// A schema, by where it lies, and how deep the settings still are below the place that it applies to.
type Place = (*const Value, usize);

struct Cost<'s> {
    root: &'s Value,
    known: HashMap<Place, u64>,
    under_way: HashSet<Place>,
}

impl<'s> Cost<'s> {
    /// How many schemas apply where this one does, and below.
    fn of(&mut self, schema: &'s Value, depth: usize) -> Result<u64, TooCostly> {
        let place = (std::ptr::from_ref(schema), depth);
        if let Some(known) = self.known.get(&place) {
            return Ok(*known);
        }
        if self.under_way.len() >= MAX_NESTING || !self.under_way.insert(place) {
            return Err(TooCostly::Endless);
        }
        let mut total = 1_u64;
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            total = total.saturating_add(self.of_keyword(schema, keyword, value, depth)?);
        }
        self.under_way.remove(&place);
        self.known.insert(place, total);
        Ok(total)
    }

    fn of_keyword(
        &mut self,
        schema: &'s Value,
        keyword: &str,
        value: &'s Value,
        depth: usize,
    ) -> Result<u64, TooCostly> {
        match keyword {
            "$ref" => {
                let target = self.target(value)?;
                self.of(target, depth)
            }
            "$dynamicRef" => Err(TooCostly::Keyword("$dynamicRef")),
            // Below the root it would change what `#` stands for.
            "$id" if !std::ptr::eq(schema, self.root) => Err(TooCostly::Keyword("$id")),
            "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas"
            | "propertyNames" => self.of_all(value, is_list(keyword), depth),
            "properties"
            | "patternProperties"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "items"
            | "prefixItems"
            | "contains"
            | "unevaluatedItems"
            | "additionalItems" => match depth.checked_sub(1) {
                Some(depth) => self.of_all(value, is_list(keyword), depth),
                None => Ok(0),
            },
            _ => Ok(0),
        }
    }

    /// A schema, or all of several.
    fn of_all(&mut self, value: &'s Value, is_list: bool, depth: usize) -> Result<u64, TooCostly> {
        let several: Vec<&'s Value> = match value {
            Value::Array(schemas) => schemas.iter().collect(),
            Value::Object(schemas) if is_list => schemas.values().collect(),
            one => vec![one],
        };
        several.into_iter().try_fold(0_u64, |total, schema| {
            Ok(total.saturating_add(self.of(schema, depth)?))
        })
    }

    fn target(&self, reference: &Value) -> Result<&'s Value, TooCostly> {
        let reference = reference.as_str().unwrap_or_default();
        reference
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer))
            .ok_or_else(|| TooCostly::Reference(reference.to_owned()))
    }
}

/// How many regular expressions there are, in whatever place.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(values) => values.iter().map(patterns).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(keyword, value)| {
                let own = match (keyword.as_str(), value) {
                    ("pattern", _) => 1,
                    ("patternProperties", Value::Object(named)) => named.len(),
                    _ => 0,
                };
                own + patterns(value)
            })
            .sum(),
        _ => 0,
    }
}

/// Whether the object under this keyword has a schema under each of its names.
fn is_list(keyword: &str) -> bool {
    matches!(keyword, "properties" | "patternProperties" | "dependentSchemas")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn doubling(depth: usize) -> Value {
        let next = |number| json!({"$ref": format!("#/$defs/d{number}")});
        let mut definitions = serde_json::Map::new();
        for number in 0..depth {
            definitions.insert(
                format!("d{number}"),
                json!({"allOf": [next(number + 1), next(number + 1)]}),
            );
        }
        definitions.insert(format!("d{depth}"), json!({}));
        json!({"$defs": definitions, "$ref": "#/$defs/d0"})
    }

    #[test]
    fn what_doubles_with_each_reference_is_refused() {
        assert_eq!(check(&doubling(10)), Ok(()));
        assert_eq!(check(&doubling(40)), Err(TooCostly::TooMany));
    }

    #[test]
    fn what_refers_to_itself_is_followed_through_the_settings_only() {
        let list = json!({"properties": {"next": {"$ref": "#"}, "other": {"$ref": "#"}}});
        assert_eq!(check(&list), Ok(()));
        for endless in [json!({"$ref": "#"}), json!({"not": {"anyOf": [{"$ref": "#"}]}})] {
            assert_eq!(check(&endless), Err(TooCostly::Endless));
        }
        let tenfold = vec![json!({"$ref": "#"}); 10];
        let bush = json!({"properties": {"next": {"allOf": tenfold}}});
        assert_eq!(check(&bush), Err(TooCostly::TooMany));
    }

    #[test]
    fn a_long_chain_of_references_is_refused() {
        let mut definitions = serde_json::Map::new();
        for number in 0..1000 {
            definitions.insert(
                format!("d{number}"),
                json!({"$ref": format!("#/$defs/d{}", number + 1)}),
            );
        }
        definitions.insert("d1000".into(), json!({}));
        let chain = json!({"$defs": definitions, "$ref": "#/$defs/d0"});
        assert_eq!(check(&chain), Err(TooCostly::Endless));
    }

    #[test]
    fn patterns_are_counted_wherever_they_are() {
        let pattern = json!({"pattern": "a"});
        let named = json!({"patternProperties": {"a": {}, "b": pattern}});
        let many = |number| json!({"$defs": {"a": {"allOf": vec![named.clone(); number]}}});
        assert_eq!(check(&many(85)), Ok(()));
        assert_eq!(check(&many(86)), Err(TooCostly::Patterns(258)));
    }

    #[test]
    fn only_references_that_can_be_followed_are_taken() {
        for elsewhere in ["other.json", "#name", "https://example.org/a#/$defs/a"] {
            let schema = json!({"$ref": elsewhere});
            assert_eq!(check(&schema), Err(TooCostly::Reference(elsewhere.into())));
        }
        let inside = json!({"properties": {"a": {"$id": "b", "$ref": "#"}}});
        assert_eq!(check(&inside), Err(TooCostly::Keyword("$id")));
    }
}
