//! The prober `tcp`, which becomes settings of the plugin `tcp`.

use std::rc::Rc;

use super::module::{Translation, refuse_ip_protocol};
use super::pattern::{literal, pattern, template};
use super::table::Table;
use super::tls;
use super::write::Value;
use super::yaml::{Entry, Kind, Node};
use regex_lite::Regex;

/// The most steps that the plugin takes.
const MAX_STEPS: usize = 60;

/// Words of protocols that let somebody in: what follows one in a line is a secret, up to the end of the line. Words
/// for the mechanism may stand between.
const LOGINS: [&str; 5] = ["LOGIN", "PASS", "AUTH", "AUTHENTICATE", "OPER"];
const MECHANISMS: [&str; 5] = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "CRAM-MD5"];

/// Turns the table `tcp`.
pub(super) fn turn(table: Option<Table<'_>>, translation: &mut Translation<'_>) -> Option<&'static str> {
    let Some(mut table) = table else {
        return Some("tcp");
    };
    refuse_ip_protocol(&mut table, translation);
    let wanted = tls::turn(&mut table, translation);
    if let Some(line) = wanted.minimum_1_3 {
        let message = "`tls_config.min_version: TLS13`: the plugin `tcp` takes TLS 1.2 too";
        translation.notes.left_out(line, message);
    }
    let is_tls = table
        .boolean("tls", translation.notes)
        .is_some_and(|(tls, _)| tls);
    if is_tls {
        translation.set("tls", Value::text("implicit"));
    }
    let mut steps = Steps {
        turned: Vec::new(),
        has_tls: is_tls,
        is_logging_in: false,
    };
    let mut last_line = 0;
    for entry in table.list("query_response", translation.notes) {
        steps.entry(entry, translation);
        last_line = entry.line;
    }
    if steps.turned.len() > MAX_STEPS {
        let message = format!(
            "the module: it has {} steps, at most {MAX_STEPS} are possible",
            steps.turned.len()
        );
        translation.notes.left_out(last_line, message);
        return None;
    }
    if !steps.turned.is_empty() {
        translation.set("steps", Value::Array(steps.turned));
    }
    table.finish(translation.notes);
    Some("tcp")
}

/// The steps so far.
struct Steps {
    turned: Vec<Value>,
    has_tls: bool,
    /// Whether a line was sent that begins a login, whose next lines may be credentials by themselves.
    is_logging_in: bool,
}

impl Steps {
    /// Turns an entry, which may do several things: what it expects comes before what it sends, then TLS.
    fn entry(&mut self, node: &Rc<Node>, translation: &mut Translation<'_>) {
        let Some(mut entry) = Table::of(node, "query_response", translation.notes) else {
            return;
        };
        let expect = match entry.text("expect", translation.notes) {
            Some((text, line)) => {
                match pattern(text).and_then(|pattern| reported(pattern, line, translation)) {
                    Ok(pattern) => Some(pattern),
                    Err(why) => {
                        translation.notes.left_out(line, format!("`expect`: {why}"));
                        None
                    }
                }
            }
            None => None,
        };
        let labels = labels(&mut entry, expect.as_ref(), translation);
        if let Some(pattern) = &expect {
            let mut step = vec![("expect".to_owned(), Value::text(pattern.as_str()))];
            if !labels.is_empty() {
                step.push(("labels".to_owned(), Value::Table(labels)));
            }
            self.turned.push(Value::Table(step));
        }
        if let Some(bytes) = entry.get("expect_bytes") {
            match bytes_of(&bytes.value) {
                Some(value) => self.turned.push(Value::one("expect_bytes", value)),
                None => translation
                    .notes
                    .left_out(bytes.line, "`expect_bytes` is no text"),
            }
        }
        if let Some(sent) = entry.get("send") {
            self.send(sent, expect.as_ref(), translation);
        }
        if let Some((true, line)) = entry.boolean("starttls", translation.notes) {
            if self.has_tls {
                translation
                    .notes
                    .left_out(line, "`starttls`: there is TLS already");
            } else {
                self.has_tls = true;
                self.turned.push(Value::one("starttls", Value::Boolean(true)));
            }
        }
        entry.finish(translation.notes);
    }

    /// What is sent: a line feed goes after it, as the prober does it.
    fn send(&mut self, sent: &Entry, expect: Option<&Regex>, translation: &mut Translation<'_>) {
        let value = match &sent.value.kind {
            Kind::Scalar { text, .. } if text.is_empty() => return,
            Kind::Scalar { text, .. } => self.send_text(text, sent.line, expect, translation),
            Kind::Binary(bytes) => {
                translation.notes.remark(
                    sent.line,
                    "blackbox_exporter sends a line feed after these bytes too: take it out if the protocol has none",
                );
                match str::from_utf8(bytes) {
                    Ok(text) => self.send_text(text, sent.line, expect, translation),
                    Err(_) => self.send_bytes(bytes, sent.line, translation),
                }
            }
            Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => {
                translation.notes.left_out(sent.line, "`send` is no text");
                return;
            }
        };
        self.turned.push(Value::one("send", value));
    }

    /// A text, line by line: what lets somebody in is in secrets.
    fn send_text(
        &mut self,
        text: &str,
        at: usize,
        expect: Option<&Regex>,
        translation: &mut Translation<'_>,
    ) -> Value {
        let shown = |plain: &str| {
            Value::text(match expect {
                Some(pattern) => template(plain, pattern),
                None => literal(plain),
            })
        };
        let mut pieces = Vec::new();
        let mut plain = String::new();
        for line in text.split_inclusive('\n') {
            let Some((before, end)) = self.split_secret(line) else {
                plain.push_str(line);
                continue;
            };
            plain.push_str(before);
            if !plain.is_empty() {
                pieces.push(shown(&plain));
            }
            let what = match before.trim_end() {
                "" => "the line that is sent here".to_owned(),
                before => format!("what is sent here after `{before}`"),
            };
            pieces.push(self.secret(&what, at, translation));
            end.clone_into(&mut plain);
        }
        plain.push('\n');
        if pieces.is_empty() {
            return shown(&plain);
        }
        pieces.push(shown(&plain));
        Value::Array(pieces)
    }

    /// Bytes that are no text. Where some of them look as if they let somebody in, none of them is copied.
    fn send_bytes(&mut self, bytes: &[u8], at: usize, translation: &mut Translation<'_>) -> Value {
        let text = String::from_utf8_lossy(bytes);
        let has_secret = text
            .split_inclusive('\n')
            .any(|line| self.split_secret(line).is_some());
        let piece = if has_secret {
            self.secret("what is sent here", at, translation)
        } else {
            Value::one("hex", hex(bytes))
        };
        Value::Array(vec![piece, Value::text("\n")])
    }

    fn secret(&self, what: &str, at: usize, translation: &mut Translation<'_>) -> Value {
        let which = format!("send-{}", self.turned.len() + 1);
        translation
            .secrets
            .inline(translation.module, &which, at, what, translation.notes)
    }

    /// Where a line lets somebody in: what stands before the secret in it, and what ends the line.
    fn split_secret<'t>(&mut self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let line = text.trim_end_matches(['\r', '\n']);
        let end = &text[line.len()..];
        let mut words = line.split_inclusive(' ');
        let mut before = 0;
        let found = words.by_ref().take(2).any(|word| {
            before += word.len();
            LOGINS
                .iter()
                .any(|login| word.trim_end().eq_ignore_ascii_case(login))
        });
        if found {
            self.is_logging_in = true;
            for word in words {
                if !MECHANISMS
                    .iter()
                    .any(|name| word.trim_end().eq_ignore_ascii_case(name))
                {
                    break;
                }
                before += word.len();
            }
            return (before < line.len()).then(|| (&line[..before], end));
        }
        // A line without spaces within a login: credentials in base64, or a password by itself.
        let is_alone = self.is_logging_in && !line.is_empty() && !line.contains(' ') && line.len() >= 4;
        let is_command = matches!(line, "QUIT" | "LOGOUT" | "NOOP" | "DATA" | "STAT" | "PING");
        if is_alone && !is_command {
            return Some(("", end));
        }
        self.is_logging_in &= is_alone;
        super::secrets::looks_secret(line).then_some(("", end))
    }
}

/// A pattern whose groups have names that the plugin can report; others lose theirs, and keep their number.
fn reported(pattern: Regex, line: usize, translation: &mut Translation<'_>) -> Result<Regex, String> {
    let is_reported = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut text = pattern.as_str().to_owned();
    for name in pattern
        .capture_names()
        .flatten()
        .filter(|name| !is_reported(name))
    {
        let message =
            format!("the name of the group `{name}`: lower case letters, digits and `_` are possible");
        translation.notes.left_out(line, message);
        text = text
            .replace(&format!("(?P<{name}>"), "(")
            .replace(&format!("(?<{name}>"), "(");
    }
    super::pattern::pattern(&text)
}

/// The labels of an entry, as templates of the plugin's.
fn labels(
    entry: &mut Table<'_>,
    expect: Option<&Regex>,
    translation: &mut Translation<'_>,
) -> Vec<(String, Value)> {
    let mut turned: Vec<(String, Value)> = Vec::new();
    for node in entry.list("labels", translation.notes) {
        let Some(mut label) = Table::of(node, "labels", translation.notes) else {
            continue;
        };
        let name = label.text("name", translation.notes);
        let value = label
            .text("value", translation.notes)
            .map_or("", |(value, _)| value);
        label.finish(translation.notes);
        let (Some((name, line)), Some(pattern)) = (name, expect) else {
            continue;
        };
        let lower = name.to_ascii_lowercase();
        if lower != name {
            let message = format!("the label `{name}`: it is `{lower}` here");
            translation.notes.left_out(line, message);
        }
        let is_name = lower.starts_with(|first: char| first.is_ascii_lowercase())
            && lower
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || turned.iter().any(|(other, _)| *other == lower) || turned.len() == 8 {
            let message = format!("the label `{name}`: at most 8 of letters, digits and `_` are possible");
            translation.notes.left_out(line, message);
            continue;
        }
        turned.push((lower, Value::text(template(value, pattern))));
    }
    turned
}

/// Bytes to expect.
fn bytes_of(node: &Node) -> Option<Value> {
    match &node.kind {
        Kind::Scalar { text, .. } => Some(Value::text(text)),
        Kind::Binary(bytes) => Some(Value::one("hex", hex(bytes))),
        Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

fn hex(bytes: &[u8]) -> Value {
    Value::text(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
