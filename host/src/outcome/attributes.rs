//! The facts of a phase, by name.

use serde::{Deserialize, Serialize, Serializer};

use super::Word;

/// Facts by name, in the order of their names; each name once. There are a handful, and thousands of runs that wait hold
/// them: a list has room for these and is searched as fast as a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(Word, AttributeValue)>);

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Several texts.
    List(Vec<String>),
}

impl Attributes {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// None, and room for so many.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fact of this name.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        let place = self.place(name).ok()?;
        Some(&self.0[place].1)
    }

    /// Adds a fact, in place of one of the same name.
    pub fn insert(&mut self, name: Word, value: AttributeValue) {
        match self.place(name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (name, value)),
        }
    }

    /// Adds others, in place of those of the same name.
    pub fn merge(&mut self, others: Self) {
        if self.is_empty() {
            *self = others;
        } else {
            self.extend(others.0);
        }
    }

    /// The facts.
    pub fn iter(&self) -> impl Iterator<Item = (Word, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// What they say, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut AttributeValue> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Where the name is, or else where it would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(found, _)| (*found).cmp(name))
    }
}

impl Extend<(Word, AttributeValue)> for Attributes {
    fn extend<I: IntoIterator<Item = (Word, AttributeValue)>>(&mut self, others: I) {
        for (name, value) in others {
            self.insert(name, value);
        }
    }
}

impl FromIterator<(Word, AttributeValue)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (Word, AttributeValue)>>(facts: I) -> Self {
        let facts = facts.into_iter();
        let mut attributes = Self::with_capacity(facts.size_hint().0);
        attributes.extend(facts);
        attributes
    }
}

impl<const N: usize> From<[(Word, AttributeValue); N]> for Attributes {
    fn from(facts: [(Word, AttributeValue); N]) -> Self {
        facts.into_iter().collect()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const NAMES: [Word; 8] = ["b", "a.b", "a", "", "a.c", "z", "a.b.c", "ab"];

    /// Some facts, maybe several of a name.
    fn some(chance: &mut StdRng) -> Vec<(Word, AttributeValue)> {
        let number = chance.random_range(0..12);
        let fact = |_| {
            let value = match chance.random_range(0..3) {
                0 => AttributeValue::Text(chance.random::<u8>().to_string()),
                1 => AttributeValue::Integer(chance.random()),
                _ => AttributeValue::List(vec!["x".into()]),
            };
            (NAMES[chance.random_range(0..NAMES.len())], value)
        };
        (0..number).map(fact).collect()
    }

    fn assert_same(attributes: &Attributes, tree: &BTreeMap<Word, AttributeValue>) {
        assert!(
            attributes
                .iter()
                .eq(tree.iter().map(|(name, value)| (*name, value)))
        );
        assert_eq!(attributes.is_empty(), tree.is_empty());
        for name in NAMES {
            assert_eq!(attributes.get(name), tree.get(name), "{name}");
        }
        let written = serde_json::to_string(attributes).expect("JSON");
        assert_eq!(written, serde_json::to_string(tree).expect("JSON"));
    }

    #[test]
    fn they_are_what_a_tree_has() {
        let mut chance = StdRng::seed_from_u64(1);
        for _ in 0..2000 {
            let (facts, more) = (some(&mut chance), some(&mut chance));
            let mut attributes: Attributes = facts.iter().cloned().collect();
            let mut tree: BTreeMap<Word, AttributeValue> = facts.into_iter().collect();
            assert_same(&attributes, &tree);
            attributes.merge(more.iter().cloned().collect());
            tree.extend(more);
            assert_same(&attributes, &tree);
        }
    }

    #[test]
    fn they_take_no_more_room_than_they_need() {
        let mut attributes = Attributes::new();
        attributes.merge(Attributes::from([
            ("b", AttributeValue::Integer(1)),
            ("a", AttributeValue::Integer(2)),
        ]));
        assert_eq!(attributes.0.capacity(), 2);
    }
}
