//! The prober `dns`, which becomes settings of the plugin `dns`.

use super::module::{Translation, refuse_ip_protocol};
use super::pattern::pattern;
use super::table::Table;
use super::tls;
use super::write::Value;

/// The sections of an answer: the key of the prober and that of the plugin.
const SECTIONS: [(&str, &str); 3] = [
    ("validate_answer_rrs", "expect.validate_answer"),
    ("validate_authority_rrs", "expect.validate_authority"),
    ("validate_additional_rrs", "expect.validate_additional"),
];

/// What can be held against a section; both call it the same.
const RULES: [&str; 4] = [
    "fail_if_matches_regexp",
    "fail_if_all_match_regexp",
    "fail_if_not_matches_regexp",
    "fail_if_none_matches_regexp",
];

/// Turns the table `dns`, of a module that begins in this line.
pub(super) fn turn(
    table: Option<Table<'_>>,
    line: usize,
    translation: &mut Translation<'_>,
) -> Option<&'static str> {
    let mut table = match table {
        Some(table) => table,
        None => {
            translation
                .notes
                .left_out(line, "the module: it has no table `dns`");
            return None;
        }
    };
    refuse_ip_protocol(&mut table, translation);
    let wanted = tls::turn(&mut table, translation);
    if let Some(line) = wanted.minimum_1_3 {
        let message = "`tls_config.min_version: TLS13`: the plugin `dns` takes TLS 1.2 too";
        translation.notes.left_out(line, message);
    }
    transport(&mut table, translation);
    let Some(query) = query(&mut table, translation) else {
        translation
            .notes
            .left_out(line, "the module: it has no `dns.query_name`");
        return None;
    };
    translation.set("query", Value::Table(query));
    let rcodes = table.texts("valid_rcodes", translation.notes);
    if !rcodes.is_empty() {
        let rcodes = rcodes.into_iter().map(|(rcode, _)| rcode);
        translation.set("expect.rcodes", Value::texts(rcodes));
    }
    for (section, key) in SECTIONS {
        if let Some(rules) = table.table(section, translation.notes) {
            let rules = rules_of(rules, translation);
            if !rules.is_empty() {
                translation.set(key, Value::Table(rules));
            }
        }
    }
    table.finish(translation.notes);
    Some("dns")
}

fn transport(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    let is_tls = table
        .boolean("dns_over_tls", translation.notes)
        .is_some_and(|(is_tls, _)| is_tls);
    let transport = table.text("transport_protocol", translation.notes);
    match transport {
        _ if is_tls => translation.set("transport", Value::text("tls")),
        Some(("tcp", _)) => translation.set("transport", Value::text("tcp")),
        Some(("udp", _)) | None => {}
        Some((other, line)) => {
            let message = format!("`transport_protocol` is `{other}`, wanted `udp` or `tcp`");
            translation.notes.left_out(line, message);
        }
    }
}

/// What is asked. Without a type the prober asks for `ANY`, the plugin for `A`.
fn query(table: &mut Table<'_>, translation: &mut Translation<'_>) -> Option<Vec<(String, Value)>> {
    let record = table
        .text("query_type", translation.notes)
        .map_or("ANY", |(record, _)| record);
    let class = table.text("query_class", translation.notes);
    let recursion = table.boolean("recursion_desired", translation.notes);
    let (name, _) = table.text("query_name", translation.notes)?;
    let mut query = vec![
        ("name".to_owned(), Value::text(name)),
        ("type".to_owned(), Value::text(record)),
    ];
    match class {
        None | Some(("IN", _)) => {}
        Some((class @ ("CH" | "HS" | "ANY"), _)) => query.push(("class".to_owned(), Value::text(class))),
        Some((class, line)) => {
            let message = format!("`query_class` is `{class}`, the plugin knows `IN`, `CH`, `HS` and `ANY`");
            translation.notes.left_out(line, message);
        }
    }
    if let Some((false, _)) = recursion {
        query.push(("recursion".to_owned(), Value::Boolean(false)));
    }
    Some(query)
}

fn rules_of(mut rules: Table<'_>, translation: &mut Translation<'_>) -> Vec<(String, Value)> {
    let mut turned = Vec::new();
    for rule in RULES {
        let mut patterns = Vec::new();
        for (text, line) in rules.texts(rule, translation.notes) {
            match pattern(text) {
                Ok(pattern) => patterns.push(pattern.as_str().to_owned()),
                Err(why) => translation.notes.left_out(line, format!("`{rule}`: {why}")),
            }
        }
        if !patterns.is_empty() {
            turned.push((rule.to_owned(), Value::texts(patterns)));
        }
    }
    rules.finish(translation.notes);
    turned
}
