//! Strict readers of both text formats, for tests: what they take, whoever scrapes takes. Written from the
//! formats' specifications, apart from the writer.

use std::collections::{HashMap, HashSet};

type Labels = Vec<(String, String)>;

/// A line with a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The name, suffixes included.
    pub(crate) name: String,
    /// The labels, in their order, unescaped.
    pub(crate) labels: Labels,
    /// The value as it stands there.
    pub(crate) value: String,
}

/// Reads Prometheus text, version 0.0.4.
pub(crate) fn prometheus(text: &str) -> Result<Vec<Sample>, String> {
    read(text, false)
}

/// Reads OpenMetrics text, version 1.0.0.
pub(crate) fn open_metrics(text: &str) -> Result<Vec<Sample>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no `# EOF` at the end")?;
    read(body, true)
}

struct Family {
    name: String,
    kind: String,
}

fn read(text: &str, is_open: bool) -> Result<Vec<Sample>, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    let (mut samples, mut seen, mut names) = (Vec::new(), HashSet::new(), HashSet::new());
    let mut family: Option<Family> = None;
    let mut help = None;
    for line in text.lines() {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (word, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let value = words.next().ok_or_else(|| wrong("nothing said"))?;
            if !is_name(name) {
                return Err(wrong("not a name"));
            }
            match word {
                "HELP" => {
                    unescaped(value, is_open).ok_or_else(|| wrong("wrong escape"))?;
                    help = Some(name.to_owned());
                }
                "TYPE" => {
                    if help.take().is_some_and(|help| help != name) || !names.insert(name.to_owned()) {
                        return Err(wrong("a family twice, or its help elsewhere"));
                    }
                    family = Some(Family {
                        name: name.to_owned(),
                        kind: value.to_owned(),
                    });
                }
                "UNIT" if is_open => {
                    if family.as_ref().is_none_or(|family| family.name != name)
                        || !name.ends_with(&format!("_{value}"))
                    {
                        return Err(wrong("a unit that the name does not end with"));
                    }
                }
                _ => return Err(wrong("no such comment")),
            }
            continue;
        }
        let (line, exemplar) = match line.split_once(" # ").filter(|_| is_open) {
            Some((line, exemplar)) => (line, Some(exemplar)),
            None => (line, None),
        };
        let sample = sample(line).ok_or_else(|| wrong("not a sample"))?;
        if let Some(exemplar) = exemplar {
            check_exemplar(exemplar, &sample).ok_or_else(|| wrong("not an exemplar of this"))?;
        }
        let family = family.as_ref().ok_or_else(|| wrong("a sample of no family"))?;
        if !belongs(&sample.name, family, is_open) {
            return Err(wrong("a sample of another family"));
        }
        if !seen.insert((sample.name.clone(), sample.labels.clone())) {
            return Err(wrong("the same twice"));
        }
        samples.push(sample);
    }
    buckets(&samples)?;
    Ok(samples)
}

fn belongs(sample: &str, family: &Family, is_open: bool) -> bool {
    let Some(suffix) = sample.strip_prefix(&family.name) else {
        return false;
    };
    match family.kind.as_str() {
        "counter" if is_open => suffix == "_total",
        "info" if is_open => suffix == "_info",
        "counter" => suffix.is_empty() && sample.ends_with("_total"),
        "gauge" => suffix.is_empty(),
        "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
        _ => false,
    }
}

/// Buckets only rise, end with `+Inf`, and that is the count.
fn buckets(samples: &[Sample]) -> Result<(), String> {
    let mut last: HashMap<(String, Labels), (f64, f64)> = HashMap::new();
    for sample in samples {
        let Ok(value) = sample.value.parse::<f64>() else {
            return Err(format!("not a number: {sample:?}"));
        };
        if let Some(base) = sample.name.strip_suffix("_bucket") {
            let mut labels = sample.labels.clone();
            let at = labels
                .iter()
                .position(|(name, _)| name == "le")
                .ok_or("a bucket without `le`")?;
            let bound: f64 = labels
                .remove(at)
                .1
                .parse()
                .map_err(|_| "a bound that is no number")?;
            let before = last.insert((base.to_owned(), labels), (bound, value));
            if before.is_some_and(|(smaller, less)| smaller >= bound || less > value) {
                return Err(format!("buckets fall: {sample:?}"));
            }
        } else if let Some(base) = sample.name.strip_suffix("_count")
            && let Some((bound, buckets)) = last.get(&(base.to_owned(), sample.labels.clone()))
            && (*bound != f64::INFINITY || *buckets != value)
        {
            return Err(format!("not the count of the buckets: {sample:?}"));
        }
    }
    Ok(())
}

/// `{name="value",...} value time`, of a bucket or a count, with at most 128 characters of labels, and in its bucket.
fn check_exemplar(exemplar: &str, of: &Sample) -> Option<()> {
    let (labels, time) = exemplar.rsplit_once(' ')?;
    // As if it were a line of its own.
    let read = sample(&format!("exemplar{labels}"))?;
    let lengths = read
        .labels
        .iter()
        .map(|(name, value)| name.chars().count() + value.chars().count());
    let value: f64 = read.value.parse().ok()?;
    let bound = of.labels.iter().find(|(name, _)| name == "le");
    let is_inside = match bound {
        Some((_, bound)) => value <= bound.parse().ok()? && of.name.ends_with("_bucket"),
        None => of.name.ends_with("_total"),
    };
    (lengths.sum::<usize>() <= 128 && is_inside && time.parse::<f64>().is_ok()).then_some(())
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            if !labels.is_empty() {
                rest = rest.strip_prefix(',')?;
            }
            let (label, quoted) = rest.split_once("=\"")?;
            let end = closing_quote(quoted)?;
            if !is_name(label) || label.contains(':') {
                return None;
            }
            labels.push((label.to_owned(), unescaped(&quoted[..end], true)?));
            rest = &quoted[end + 1..];
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ')?;
    let is_number = value.parse::<f64>().is_ok() && !value.contains(' ');
    let distinct: HashSet<_> = labels.iter().map(|(name, _)| name).collect();
    (is_name(name) && is_number && distinct.len() == labels.len()).then(|| Sample {
        name: name.to_owned(),
        labels: labels.clone(),
        value: value.to_owned(),
    })
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str, with_quotes: bool) -> Option<String> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                'n' => '\n',
                '"' if with_quotes => '"',
                _ => return None,
            },
            '"' if with_quotes => return None,
            other => other,
        });
    }
    Some(plain)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}
