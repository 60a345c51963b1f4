//! Header fields and credentials of a request. What lets somebody in is never copied.

use crate::import::module::Translation;
use crate::import::secrets::{is_credential, looks_secret};
use crate::import::table::{Table, text};
use crate::import::write::Value;

/// Fields that the plugin sets itself.
const RESERVED: [&str; 7] = [
    "connection",
    "content-length",
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The header fields so far.
#[derive(Default)]
pub(super) struct Headers(Vec<(String, Value)>);

impl Headers {
    /// Turns everything that becomes a header field, and `basic` and `bearer`.
    pub(super) fn turn(&mut self, table: &mut Table<'_>, translation: &mut Translation<'_>) {
        self.plain(table, translation);
        self.with_sources(table, translation);
        basic(table, translation);
        self.authorization(table, translation);
    }

    /// Adds a field unless it is there.
    pub(super) fn add_if_missing(&mut self, name: &str, value: &str) {
        if !self.has(name) {
            self.0.push((name.to_owned(), Value::text(value)));
        }
    }

    /// All fields; none without any.
    pub(super) fn toml(self) -> Option<Value> {
        (!self.0.is_empty()).then_some(Value::Table(self.0))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    fn add(&mut self, name: &str, value: Value, line: usize, translation: &mut Translation<'_>) {
        if RESERVED
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            let message = format!("the header `{name}`: the plugin sets it itself");
            translation.notes.left_out(line, message);
        } else if self.has(name) {
            let message = format!("the header `{name}`: it is there already, and can be sent once");
            translation.notes.left_out(line, message);
        } else {
            self.0.push((name.to_owned(), value));
        }
    }

    /// The table `headers`.
    fn plain(&mut self, table: &mut Table<'_>, translation: &mut Translation<'_>) {
        let Some(mut headers) = table.table("headers", translation.notes) else {
            return;
        };
        for entry in headers.rest() {
            match text(&entry.value) {
                Some(value) => {
                    let value = inline(&entry.key, value, entry.line, translation);
                    self.add(&entry.key, value, entry.line, translation);
                }
                None => translation
                    .notes
                    .left_out(entry.line, format!("the header `{}`: it is no text", entry.key)),
            }
        }
    }

    /// The table `http_headers`, whose values may be secrets and files.
    fn with_sources(&mut self, table: &mut Table<'_>, translation: &mut Translation<'_>) {
        let Some(mut headers) = table.table("http_headers", translation.notes) else {
            return;
        };
        for entry in headers.rest() {
            let name = &entry.key;
            let Some(mut sources) = Table::of(&entry.value, name, translation.notes) else {
                continue;
            };
            for (value, line) in sources.texts("values", translation.notes) {
                let value = inline(name, value, line, translation);
                self.add(name, value, line, translation);
            }
            for (_, line) in sources.texts("secrets", translation.notes) {
                let value = secret(name, line, translation);
                self.add(name, value, line, translation);
            }
            for (file, line) in sources.texts("files", translation.notes) {
                let value = translation
                    .secrets
                    .file(translation.module, &name.to_ascii_lowercase(), file);
                self.add(name, value, line, translation);
            }
            sources.finish(translation.notes);
        }
    }

    /// A bearer token, or credentials of another scheme, which are a header field of their own. One of the keys
    /// can hold it: the prober takes no more.
    fn authorization(&mut self, table: &mut Table<'_>, translation: &mut Translation<'_>) {
        let token = table
            .get("bearer_token")
            .map(|entry| (Source::Inline, entry.line));
        let file = table.text("bearer_token_file", translation.notes);
        let file = file.map(|(file, line)| (Source::File(file), line));
        let has_token = token.is_some() || file.is_some();
        if let (Some(_), Some((_, line))) = (token, file) {
            let message = "`bearer_token_file` beside `bearer_token`: a request has one token";
            translation.notes.left_out(line, message);
        }
        if let Some((source, line)) = token.or(file) {
            bearer(source, line, translation);
        }
        let Some(entry) = table.get("authorization") else {
            return;
        };
        if has_token {
            let message = "`authorization` beside a bearer token: a request has one of them";
            return translation.notes.left_out(entry.line, message);
        }
        let Some(mut authorization) = Table::of(&entry.value, "authorization", translation.notes) else {
            return;
        };
        let scheme = authorization
            .text("type", translation.notes)
            .map_or("Bearer", |(scheme, _)| scheme);
        let credentials = authorization
            .get("credentials")
            .map(|entry| (Source::Inline, entry.line));
        let file = authorization.text("credentials_file", translation.notes);
        let source = credentials.or(file.map(|(file, line)| (Source::File(file), line)));
        match source {
            Some((source, line)) if scheme.eq_ignore_ascii_case("bearer") => {
                bearer(source, line, translation)
            }
            Some((_, line)) => {
                let what =
                    format!("the value of the header `Authorization`, `{scheme}` and the credentials,");
                let value = translation.secrets.inline(
                    translation.module,
                    "authorization",
                    line,
                    &what,
                    translation.notes,
                );
                self.add("Authorization", value, line, translation);
            }
            None => {}
        }
        authorization.refuse(
            &[(
                "credentials_ref",
                "there is no manager of secrets; name a file or a variable under `[secrets]`",
            )],
            translation.notes,
        );
        authorization.finish(translation.notes);
    }
}

/// Where a secret was.
#[derive(Clone, Copy)]
enum Source<'s> {
    /// In the file that is read.
    Inline,
    /// In a file of its own.
    File(&'s str),
}

fn bearer(source: Source<'_>, line: usize, translation: &mut Translation<'_>) {
    let value = match source {
        Source::Inline => translation.secrets.inline(
            translation.module,
            "token",
            line,
            "the bearer token",
            translation.notes,
        ),
        Source::File(file) => translation.secrets.file(translation.module, "token", file),
    };
    translation.set("bearer", value);
}

/// Basic authentication.
fn basic(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    let Some(entry) = table.get("basic_auth") else {
        return;
    };
    let Some(mut basic) = Table::of(&entry.value, "basic_auth", translation.notes) else {
        return;
    };
    let user = basic
        .text("username", translation.notes)
        .map(|(user, _)| user.to_owned());
    let inline = basic.get("password").map(|entry| entry.line);
    let file = basic.text("password_file", translation.notes);
    let why = "put the user into `basic.user`, and the password into a secret";
    basic.refuse(
        &[
            ("username_file", why),
            ("username_ref", why),
            ("password_ref", why),
        ],
        translation.notes,
    );
    basic.finish(translation.notes);
    let Some(user) = user else {
        translation
            .notes
            .left_out(entry.line, "`basic_auth`: it has no `username`");
        return;
    };
    let password = match (inline, file) {
        (_, Some((file, _))) => translation.secrets.file(translation.module, "password", file),
        (inline, None) => {
            let line = inline.unwrap_or(entry.line);
            translation.secrets.inline(
                translation.module,
                "password",
                line,
                "the password",
                translation.notes,
            )
        }
    };
    let basic = vec![
        ("user".to_owned(), Value::text(user)),
        ("password".to_owned(), password),
    ];
    translation.set("basic", Value::Table(basic));
}

/// A value that stands in the file: copied, unless it lets somebody in.
fn inline(name: &str, value: &str, line: usize, translation: &mut Translation<'_>) -> Value {
    if is_credential(name) || looks_secret(value) {
        return secret(name, line, translation);
    }
    Value::text(value)
}

fn secret(name: &str, line: usize, translation: &mut Translation<'_>) -> Value {
    let what = format!("the value of the header `{name}`");
    translation.secrets.inline(
        translation.module,
        &name.to_ascii_lowercase(),
        line,
        &what,
        translation.notes,
    )
}
