//! YAML text as a tree in which every node knows its line. What the keys mean is not known here.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

/// How deep nodes may be in one another: a configuration of blackbox_exporter is six deep.
const MAX_DEPTH: usize = 64;
/// The most nodes, those that an alias stands for counted each time: thousands of modules.
const MAX_NODES: usize = 50_000;

/// A node of the document.
#[derive(Debug)]
pub(super) struct Node {
    /// The line that it begins in, from 1.
    pub(super) line: usize,
    /// What it is.
    pub(super) kind: Kind,
    /// How many nodes it is, with those in it.
    weight: usize,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Nothing: `null`, `~`, or no text at all.
    Null,
    /// A text that may be read as a number or a truth value when it is plain.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stands there without quotes.
        is_plain: bool,
    },
    /// The bytes of a `!!binary`.
    Binary(Vec<u8>),
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// A table, in the order of the text.
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// The line of the key.
    pub(super) line: usize,
    /// The value.
    pub(super) value: Rc<Node>,
}

/// Why a text is no tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) message: String,
}

fn unreadable<T>(line: usize, message: impl Into<String>) -> Result<T, Unreadable> {
    Err(Unreadable {
        line,
        message: message.into(),
    })
}

/// What is being read: a list or a table that has not ended.
enum Open {
    Sequence(Vec<Rc<Node>>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<(String, usize)>,
    },
}

/// The nodes that have not ended, and those that an alias can name.
#[derive(Default)]
struct Builder {
    open: Vec<(Open, usize, usize)>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    /// How many nodes were read.
    count: usize,
}

/// Reads the first document of a text; none if there is nothing in it.
///
/// # Errors
///
/// What is no YAML, nested too deep, or too much when its aliases are written out.
pub(super) fn read(text: &str) -> Result<Option<Rc<Node>>, Unreadable> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Unreadable {
            line: error.marker().line(),
            message: format!("not YAML: {}", error.info()),
        })?;
        let line = span.start.line();
        match event {
            Event::DocumentEnd => break,
            Event::Scalar(text, style, anchor, tag) => {
                let kind = scalar(&text, style, tag.as_deref(), line)?;
                builder.add(node(line, kind, 1), anchor)?;
            }
            Event::Alias(anchor) => match builder.anchors.get(&anchor) {
                Some(named) => builder.add(Rc::clone(named), 0)?,
                None => return unreadable(line, "an alias stands within what it names"),
            },
            Event::SequenceStart(anchor, _) => builder.begin(Open::Sequence(Vec::new()), line, anchor)?,
            Event::MappingStart(anchor, _) => {
                let entries = Vec::new();
                builder.begin(Open::Mapping { entries, key: None }, line, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.end()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }
    Ok(builder.root)
}

fn node(line: usize, kind: Kind, weight: usize) -> Rc<Node> {
    Rc::new(Node { line, kind, weight })
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Kind, Unreadable> {
    let core = tag
        .filter(|tag| tag.is_yaml_core_schema())
        .map(|tag| tag.suffix.as_str());
    let is_plain = style == ScalarStyle::Plain && core != Some("str");
    if core == Some("binary") {
        let encoded: String = text.split_ascii_whitespace().collect();
        return match STANDARD.decode(encoded) {
            Ok(bytes) => Ok(Kind::Binary(bytes)),
            Err(error) => unreadable(line, format!("`!!binary` is not base64: {error}")),
        };
    }
    if is_plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Kind::Null);
    }
    Ok(Kind::Scalar {
        text: text.to_owned(),
        is_plain,
    })
}

impl Builder {
    fn begin(&mut self, open: Open, line: usize, anchor: usize) -> Result<(), Unreadable> {
        if self.open.len() == MAX_DEPTH {
            return unreadable(line, format!("nested more than {MAX_DEPTH} deep"));
        }
        self.open.push((open, line, anchor));
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        let Some((open, line, anchor)) = self.open.pop() else {
            return Ok(());
        };
        let kind = match open {
            Open::Sequence(nodes) => Kind::Sequence(nodes),
            Open::Mapping { entries, .. } => Kind::Mapping(self.merged(entries)?),
        };
        let weight = 1 + match &kind {
            Kind::Sequence(nodes) => nodes.iter().map(|node| node.weight).sum(),
            Kind::Mapping(entries) => entries.iter().map(|entry| entry.value.weight).sum::<usize>(),
            Kind::Null | Kind::Scalar { .. } | Kind::Binary(_) => 0,
        };
        if weight > MAX_NODES {
            return unreadable(line, format!("more than {MAX_NODES} values, aliases written out"));
        }
        self.add(node(line, kind, weight), anchor)
    }

    /// Puts a node where it belongs: into what is open, as a key or as a value.
    fn add(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Unreadable> {
        self.count += 1;
        if self.count > MAX_NODES {
            return unreadable(node.line, format!("more than {MAX_NODES} values"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Open::Sequence(nodes), ..)) => nodes.push(node),
            Some((Open::Mapping { entries, key }, ..)) => match key.take() {
                None => *key = Some((key_text(&node)?, node.line)),
                Some((key, line)) => {
                    if key != "<<" && entries.iter().any(|entry| entry.key == key) {
                        return unreadable(line, format!("`{key}` is there twice"));
                    }
                    entries.push(Entry {
                        key,
                        line,
                        value: node,
                    });
                }
            },
        }
        Ok(())
    }

    /// A table with what its merge keys (`<<`) name; keys of its own go before those, earlier ones before later. What
    /// is merged counts as if it was written out.
    fn merged(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Unreadable> {
        if entries.iter().all(|entry| entry.key != "<<") {
            return Ok(entries);
        }
        let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key == "<<");
        let mut keys: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
        for merge in merges {
            let sources: Vec<&Rc<Node>> = match &merge.value.kind {
                Kind::Sequence(nodes) => nodes.iter().collect(),
                _ => vec![&merge.value],
            };
            for source in sources {
                let Kind::Mapping(entries) = &source.kind else {
                    return unreadable(merge.line, "`<<` merges something that is no table");
                };
                self.count += source.weight;
                if self.count > MAX_NODES {
                    return unreadable(
                        merge.line,
                        format!("more than {MAX_NODES} values, aliases written out"),
                    );
                }
                own.extend(
                    entries
                        .iter()
                        .filter(|entry| keys.insert(entry.key.clone()))
                        .cloned(),
                );
            }
        }
        Ok(own)
    }
}

fn key_text(node: &Node) -> Result<String, Unreadable> {
    match &node.kind {
        Kind::Scalar { text, .. } => Ok(text.clone()),
        Kind::Null | Kind::Binary(_) | Kind::Sequence(_) | Kind::Mapping(_) => {
            unreadable(node.line, "found a key that is no text")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in short: lines as `@3`, quoted texts in quotes.
    fn shown(node: &Node) -> String {
        let inner = match &node.kind {
            Kind::Null => "null".to_owned(),
            Kind::Scalar { text, is_plain: true } => text.clone(),
            Kind::Scalar { text, .. } => format!("{text:?}"),
            Kind::Binary(bytes) => format!("{bytes:?}"),
            Kind::Sequence(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(|node| shown(node)).collect();
                format!("[{}]", nodes.join(" "))
            }
            Kind::Mapping(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|entry| format!("{}@{}:{}", entry.key, entry.line, shown(&entry.value)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
        };
        format!("{inner}@{}", node.line)
    }

    fn tree(text: &str) -> String {
        shown(&read(text).unwrap().unwrap())
    }

    #[test]
    fn every_node_has_its_line() {
        assert_eq!(
            tree("a: 1\nb:\n- x\n- 'y'\nc: {d: ~}\n"),
            "{a@1:1@1 b@2:[x@3 \"y\"@4]@3 c@5:{d@5:null@5}@5}@1"
        );
    }

    #[test]
    fn aliases_merges_and_binaries() {
        assert_eq!(
            tree("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: 3\nc: *a"),
            "{a@1:{x@1:1@1 y@1:2@1}@1 b@2:{x@4:3@4 y@1:2@1}@3 c@5:{x@1:1@1 y@1:2@1}@1}@1"
        );
        assert_eq!(tree("!!binary AAT/"), "[0, 4, 255]@1");
        assert_eq!(tree("!!str 12"), "\"12\"@1");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let deep = "[".repeat(100) + &"]".repeat(100);
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..8 {
            let alias = format!("*a{}", level - 1);
            laughs += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
        }
        let keys: String = (0..5_000).map(|key| format!("k{key}: 1, ")).collect();
        let merges = format!("a: &a {{{keys}}}\nb:\n") + &"- <<: *a\n".repeat(1_000);
        for (text, line, message) in [
            ("a: 1\nb: [", 2, "not YAML"),
            ("a: 1\na: 2", 2, "`a` is there twice"),
            ("a: !!binary '%'", 1, "`!!binary` is not base64"),
            ("[1]: 2", 1, "no text"),
            ("a:\n  <<: 1", 2, "`<<` merges"),
            (&deep, 1, "nested more than 64 deep"),
            (&laughs, 6, "more than 50000 values"),
            (
                &"- x\n".repeat(MAX_NODES + 1),
                MAX_NODES,
                "more than 50000 values",
            ),
            (&merges, 11, "more than 50000 values, aliases written out"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error:?}");
            assert!(error.line.abs_diff(line) <= 1, "{text}: {error:?}");
        }
        assert!(read("# nothing\n").unwrap().is_none());
    }
}
