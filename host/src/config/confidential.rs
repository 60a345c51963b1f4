//! Which lines of a file may hold what is confidential, going by their words: where the syntax is broken there is no table
//! to ask, and a key that is nearly right holds what the right one would. Pure.

use super::words::nearest;

/// Words for what is confidential: tables, and keys of settings.
const CONFIDENTIAL: [&str; 12] = [
    "secrets",
    "heartbeat",
    "sentry",
    "headers",
    "token",
    "password",
    "bearer",
    "authorization",
    "cookie",
    "credentials",
    "pass",
    "apikey",
];
/// The longest word that may be one of them with letters missing or wrong, in bytes.
const MAX_WORD: usize = 16;
/// The keys of `[otlp]` that hold nothing confidential. A key that nobody knows there is `headers` as a rule.
const OTLP_HARMLESS: [&str; 8] = [
    "endpoint",
    "protocol",
    "timeout",
    "histograms",
    "resource",
    "ca_file",
    "client_certificate",
    "client_key",
];

/// Whether a line of this table may be of what is confidential. One that names such a thing where it does not belong, or
/// nearly, is a mistake that may hold it all the same.
pub(super) fn names_secrets(table: &str, line: &str) -> bool {
    let is_meant = |word: &str| {
        let lower = word.to_ascii_lowercase();
        CONFIDENTIAL.iter().any(|meant| lower.contains(meant))
            || word.len() <= MAX_WORD && nearest(word, CONFIDENTIAL).is_some()
    };
    let words = |text: &str| text.split(|letter: char| !letter.is_alphanumeric()).any(is_meant);
    words(table) || words(line) || is_url_with_secrets(line) || is_unknown_to_otlp(table, line)
}

/// Whether a URL is in a line that has a user before its host, or a query, whose values are keys as often as not.
fn is_url_with_secrets(line: &str) -> bool {
    line.split_once("://")
        .is_some_and(|(_, url)| url.contains(['@', '?']))
}

/// Whether a line sets something under `[otlp]` that is not known to be harmless.
fn is_unknown_to_otlp(table: &str, line: &str) -> bool {
    if line.starts_with('[') {
        return false;
    }
    let own = key(line);
    let path = if table.is_empty() {
        own
    } else {
        format!("{table}.{own}")
    };
    let mut keys = path.split('.');
    keys.next() == Some("otlp") && !keys.next().is_some_and(|key| OTLP_HARMLESS.contains(&key))
}

/// Whether what a line begins goes on in those below.
pub(super) fn goes_on(line: &str) -> bool {
    let count = |bracket| line.matches(bracket).count();
    line.trim_end().ends_with('=')
        || count("{") > count("}")
        || ["\"\"\"", "'''"].iter().any(|quotes| count(quotes) % 2 == 1)
}

/// The key that a line begins with, without quotes and spaces: that of a table, or of a value.
pub(super) fn key(line: &str) -> String {
    let line = line.trim_start_matches(['[', ' ', '\t']);
    let end = line.find([']', '=', '#']).unwrap_or(line.len());
    line[..end].replace(['"', '\'', ' ', '\t'], "")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::problem::{Problem, Problems};
    use super::super::source::Source;

    fn source(text: &str) -> Source {
        Source::new(Path::new("checks.toml"), text)
    }

    #[test]
    fn lines_of_headers_are_not_shown() {
        for text in [
            "[otlp]\nheaders = { a = hunter2 }\n",
            "[otlp]\nendpoint = \"e\"\nheaders = {\n  a = hunter2 }\n",
            "[otlp.headers]\na = hunter2\n",
            "[ \"otlp\" . headers ]\na = hunter2\n",
            "otlp.headers.a = hunter2\n",
            "otlp = { headers = { a = hunter2 } }\n",
            "[otlp]\nheader={authorization=\"Bearer hunter2\"}\n",
            "[otlp]\nheaders.authorization=\"Bearer hunter2\"\n",
            "[otlp]\nHeaders={authorization=\"Bearer hunter2\"}\n",
            "[otlp]\nauth = \"hunter2\"\n",
            "[otlp]\nresource = {\n  a = hunter2 }\n",
            "[http]\ntokn=\"hunter2\"\n",
            "[http]\nlisten = \"a\", token = \"hunter2\"\n",
            "[check.settings]\nbearer=hunter2\n",
            "[[check]]\nsettings = { url = \"http://a/\", password=hunter2 }\n",
            "[[check]]\nsettings.Authorization = hunter2\n",
            "[[check]]\nsettings.AuthToken = hunter2\n",
            "[check.settings]\nbasic = { user = \"a\", pass = hunter2 }\n",
            "[[check]]\nheaders = hunter2\n",
            "[[check]]\nsettings.headers = { x-api-key = \"hunter2\" }\n",
            "[[check]]\nsettings.headers = { X_API_Key = \"hunter2\" }\n",
            "[[check]]\nsettings.url=\"http://u:hunter2@a/\"\n",
            "[[check]]\nsettings.url=\"https://a/?key=hunter2\"\n",
        ] {
            let source = source(text);
            let location = source.location(text.find("hunter2").unwrap());
            let problems = Problems::from(Problem::new(location, "no"));
            assert!(!source.render(&problems).contains("hunter2"), "{text}");
        }
        for text in [
            "[otlp]\nendpoint = e\n",
            "[otlp]\n\"timeout\" = e\n",
            "[otlp]\nendpoint = \"http://e:1/\"\n",
            "[[check]]\nalow = [\"mail.example:993\"] # e\n",
            "[http]\ntoken = { secret = \"a\" }\nlisten = \"e\"\n",
            "[[check]]\nsettings.url = \"http://e/\"\n",
            "[otlp]\n",
        ] {
            let source = source(text);
            let problems = Problems::from(Problem::new(source.location(text.rfind('e').unwrap_or(1)), "no"));
            assert!(source.render(&problems).contains(" | "), "{text}");
        }
    }
}
