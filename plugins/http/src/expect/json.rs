//! Values of a JSON document by their pointers (RFC 6901). What no pointer leads to is passed over without being kept:
//! a document taken apart has many times the size of its text.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What each pointer leads to. A byte order mark is passed over, as a reader of JSON may (RFC 8259 section 8.1).
///
/// # Errors
///
/// That the document is none.
pub(super) fn find<'p>(
    document: &[u8],
    pointers: impl Iterator<Item = &'p str>,
) -> Result<Vec<Option<Value>>, serde_json::Error> {
    let text = str::from_utf8(document).map_err(serde_json::Error::custom)?;
    let pointers: Vec<Wanted<'_>> = pointers.enumerate().collect();
    let mut found = vec![None; pointers.len()];
    let mut document = serde_json::Deserializer::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let here = Place {
        wanted: pointers,
        found: &mut found,
    };
    here.deserialize(&mut document)?;
    document.end()?;
    Ok(found)
}

/// A pointer's number, and what is left of it.
type Wanted<'p> = (usize, &'p str);

/// A value on the way of these pointers.
struct Place<'p, 'f> {
    wanted: Vec<Wanted<'p>>,
    found: &'f mut [Option<Value>],
}

impl Place<'_, '_> {
    fn below<'p>(&mut self, wanted: Vec<Wanted<'p>>) -> Place<'p, '_> {
        // Of members with the same name, the last one counts.
        for (number, _) in &wanted {
            self.found[*number] = None;
        }
        Place {
            wanted,
            found: self.found,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.wanted.is_empty() {
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        if self.wanted.iter().all(|(_, rest)| !rest.is_empty()) {
            return deserializer.deserialize_any(self);
        }
        let value = Value::deserialize(deserializer)?;
        for (number, rest) in self.wanted {
            self.found[number] = value.pointer(rest).cloned();
        }
        Ok(())
    }
}

/// Nothing is below a value that is neither an object nor an array.
impl<'de> Visitor<'de> for Place<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(wanted) = members.next_key_seed(Member(&self.wanted))? {
            members.next_value_seed(self.below(wanted))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let wanted = below(&self.wanted, |token| is_index(token, index));
            if elements.next_element_seed(self.below(wanted))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The name of a member, which becomes what is wanted of its value.
struct Member<'p, 'w>(&'w [Wanted<'p>]);

impl<'de, 'p> DeserializeSeed<'de> for Member<'p, '_> {
    type Value = Vec<Wanted<'p>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for Member<'p, '_> {
    type Value = Vec<Wanted<'p>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(below(self.0, |token| is_name(token, name)))
    }
}

/// The pointers whose next token is that of a value, behind that token.
fn below<'p>(wanted: &[Wanted<'p>], is_token: impl Fn(&str) -> bool) -> Vec<Wanted<'p>> {
    let rest = |(number, pointer): &Wanted<'p>| {
        let pointer = pointer.strip_prefix('/')?;
        let end = pointer.find('/').unwrap_or(pointer.len());
        is_token(&pointer[..end]).then_some((*number, &pointer[end..]))
    };
    wanted.iter().filter_map(rest).collect()
}

fn is_name(token: &str, name: &str) -> bool {
    match token.contains('~') {
        true => token.replace("~1", "/").replace("~0", "~") == name,
        false => token == name,
    }
}

/// Whether a token is this index: digits without a zero in front (RFC 6901 section 4).
fn is_index(token: &str, index: usize) -> bool {
    let is_written_so = token == "0" || !token.starts_with(['0', '+']);
    is_written_so && token.parse() == Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pointers lead where those of the library lead, in the whole document.
    #[test]
    fn pointers_lead_where_they_would_in_the_whole_document() {
        for document in [
            r#"{"a": 1, "b": {"a": [1, {"c": null}], "": "x"}, "": 0}"#,
            r#"{"a/b": {"m~n": [[], [true]]}, "~1": -1.5, "0": 18446744073709551615}"#,
            r#"[1, "a", [2, [3]], {"a": {}}, null, false]"#,
            r#"{"a": {"b": 1}, "a": {"c": 2}}"#,
            r#"{"\u0061": "A\u00e9", "b": 12e3}"#,
            "\"text\"",
            "null",
            " 7 ",
        ] {
            let whole: Value = serde_json::from_str(document).expect(document);
            let pointers = [
                "",
                "/",
                "/a",
                "/b",
                "/b/a",
                "/b/a/1/c",
                "/b/",
                "/a/b",
                "/a/c",
                "/a~1b/m~0n/1/0",
                "/~01",
                "/0",
                "/00",
                "/+1",
                "/2/1/0",
                "/3/a",
                "/9",
                "/-",
                "/a/b/c",
            ];
            let wanted: Vec<_> = pointers.map(|pointer| whole.pointer(pointer).cloned()).into();
            let found =
                |pointers: &[&str]| find(document.as_bytes(), pointers.iter().copied()).expect(document);
            assert_eq!(found(&pointers), wanted, "{document}");
            for (pointer, wanted) in pointers.iter().zip(wanted) {
                assert_eq!(found(&[pointer]), [wanted], "{document}: {pointer}");
            }
        }
    }

    #[test]
    fn what_is_no_json_is_told() {
        for document in [
            "",
            "<html>",
            "{",
            "[1,]",
            "{\"a\": }",
            "1 2",
            "{\"b\": [1, 2}",
            "\u{feff}",
        ] {
            assert!(
                find(document.as_bytes(), ["/a"].into_iter()).is_err(),
                "{document}"
            );
        }
        assert!(find(b"{\"b\": \"\xff\"}", ["/a"].into_iter()).is_err());
        let marked = find("\u{feff}{\"a\": 1}".as_bytes(), ["/a"].into_iter()).expect("JSON");
        assert_eq!(marked, [Some(1.into())]);
    }
}
