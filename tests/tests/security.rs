//! The promise: the limits that `SECURITY.md` tells are those of the program.

use std::fs;
use std::path::Path;

/// A row of a table of limits: what the page says, and where the source says it.
struct Row<'p> {
    told: &'p str,
    file: &'p str,
    name: &'p str,
}

#[test]
fn every_limit_is_told_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("SECURITY.md")).expect("the page is there");
    let rows: Vec<Row<'_>> = page.lines().filter_map(row).collect();
    assert!(rows.len() > 50, "{} rows", rows.len());
    for Row { told, file, name } in rows {
        let source = fs::read_to_string(root.join("host/src").join(file))
            .unwrap_or_else(|error| panic!("`{file}`: {error}"));
        let written = expression(&source, name).unwrap_or_else(|| panic!("no `{name}` in `{file}`"));
        assert_eq!(value_told(told), Some(value_written(written)), "{file} {name}");
    }
}

/// `| what | 64 KiB | reason | `FILE` `NAME` |`.
fn row(line: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, _, told, _, source, _] = cells[..] else {
        return None;
    };
    let (file, name) = source.strip_prefix('`')?.strip_suffix('`')?.split_once("` `")?;
    Some(Row { told, file, name })
}

/// What a constant, or a field of a value, is set to.
fn expression<'s>(source: &'s str, name: &str) -> Option<&'s str> {
    let constant = format!("const {name}: ");
    source.lines().find_map(|line| {
        let line = line.trim();
        if let Some((_, rest)) = line.split_once(&constant) {
            return rest.split_once(" = ")?.1.strip_suffix(';');
        }
        line.strip_prefix(&format!("{name}: "))?.strip_suffix(',')
    })
}

/// `2,000,000`, `64 KiB`, `10 s`: bytes, milliseconds, or a number.
fn value_told(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.replace(',', "").parse().ok()?;
    let factor = match unit {
        "" | "bytes" | "ms" => 1,
        "s" => 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    Some(number * factor)
}

/// `64 * 1024`, `Duration::from_secs(10)`, the first of `(8, 255)`.
fn value_written(text: &str) -> u64 {
    let (text, factor) = match text.split_once("Duration::from_") {
        Some((_, rest)) if rest.starts_with("secs") => (rest.trim_start_matches("secs"), 1000),
        Some((_, rest)) => (rest.trim_start_matches("millis"), 1),
        None => (text, 1),
    };
    let text = text.trim_matches(['(', ')']);
    let text = text.split(',').next().unwrap_or_default().replace('_', "");
    let product: u64 = text
        .split('*')
        .map(|number| {
            number
                .trim()
                .parse::<u64>()
                .unwrap_or_else(|_| panic!("`{text}`"))
        })
        .product();
    product * factor
}
