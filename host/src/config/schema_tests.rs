//! Tests of `schema.rs`.

use std::path::Path;

use super::super::{CommandLine, Config, Source};
use super::*;

const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["host", "user"],
  "$defs": {
    "secret": {
      "type": "object",
      "properties": { "secret": { "type": "string" } },
      "required": ["secret"],
      "additionalProperties": false
    },
    "status": {
      "anyOf": [
        { "type": "integer", "minimum": 100, "maximum": 599 },
        { "type": "string", "pattern": "^[1-5]xx$" }
      ]
    }
  },
  "properties": {
    "host": { "type": "string", "minLength": 1 },
    "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
    "tls": { "enum": ["implicit", "starttls", "none"] },
    "user": { "type": "string" },
    "password": { "$ref": "#/$defs/secret" },
    "token": { "anyOf": [{ "$ref": "#/$defs/secret" }, { "type": "null" }] },
    "mailboxes": { "type": "array", "items": { "type": "string" }, "minItems": 1, "uniqueItems": true },
    "headers": {
      "type": "object",
      "propertyNames": { "pattern": "^[a-z-]+$" },
      "additionalProperties": { "oneOf": [{ "type": "string" }, { "$ref": "#/$defs/secret" }] }
    },
    "expect": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "status": {
          "anyOf": [{ "$ref": "#/$defs/status" }, { "type": "array", "items": { "$ref": "#/$defs/status" } }]
        },
        "json": { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } }
      }
    }
  }
}"##;

fn problems(settings: &str) -> String {
    let text = format!(
        "[[check]]\nname = \"a\"\nplugin = \"imap\"\n[check.settings]\n{settings}\n[secrets]\ns.env = \"S\"\n"
    );
    let source = Source::new(Path::new("c.toml"), &text);
    let config = Config::parse(&source).unwrap();
    let problems = SettingsSchema::parse(SCHEMA).unwrap().problems(&config.checks[0]);
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The same where host and user, in lines 5 and 6, are as they must be.
fn problems_after_host(settings: &str) -> String {
    problems(&format!("host = \"h\"\nuser = \"u\"\n{settings}"))
}

#[test]
fn good_settings_have_no_problems() {
    let settings = "port = 993\ntls = \"none\"\npassword = { secret = \"s\" }\ntoken.secret = \"s\"\n\
                    headers = { accept = \"x\", authorization = { secret = \"s\" } }\n\
                    expect = { status = [200, \"2xx\"], json = { \"/status\" = \"up\", n = 1 } }";
    assert_eq!(problems_after_host(settings), "");
}

#[test]
fn each_violation_is_told_at_its_place() {
    for (settings, told) in [
        (
            "port = 70000",
            "c.toml:7:8: `settings.port`: found `70000`, wanted at most 65535",
        ),
        (
            "port = \"imaps\"",
            "c.toml:7:8: `settings.port`: found a string, wanted a whole number",
        ),
        (
            "tls = \"startls\"",
            "c.toml:7:7: `settings.tls`: found `\"startls\"`, wanted `\"implicit\"`, `\"starttls\"` or `\"none\"`, \
             did you mean `starttls`?",
        ),
        (
            "prot = 993",
            "c.toml:7:1: `settings.prot`: unknown key, did you mean `port`?",
        ),
        (
            "mailboxes = []",
            "c.toml:7:13: `settings.mailboxes`: found an array, wanted at least 1 in the array",
        ),
        (
            "mailboxes = [\"a\", \"a\"]",
            "c.toml:7:13: `settings.mailboxes`: found an array, wanted each element once",
        ),
        (
            "mailboxes = [\"a\", 7]",
            "c.toml:7:19: `settings.mailboxes[1]`: found `7`, wanted a string",
        ),
        (
            "headers = { \"X Y\" = \"\" }",
            "c.toml:7:11: `settings.headers`: found the key `\"X Y\"`, wanted a text that matches `^[a-z-]+$`",
        ),
        (
            "headers = { a = 1 }",
            "c.toml:7:17: `settings.headers.a`: found `1`, wanted a string or \
             a secret, as `{ secret = \"NAME\" }` with `NAME` in `[secrets]`",
        ),
        (
            "expect.status = [200, 99]",
            "c.toml:7:23: `settings.expect.status[1]`: found `99`, wanted at least 100",
        ),
        (
            "expect.status = [\"6xx\"]",
            "c.toml:7:18: `settings.expect.status[0]`: found `\"6xx\"`, wanted a text that matches `^[1-5]xx$`",
        ),
        (
            "expect.status = true",
            "c.toml:7:17: `settings.expect.status`: found `true`, wanted a whole number, a string or an array",
        ),
        (
            "[check.settings.expect.json]\n\"/a\" = [1]",
            "c.toml:8:8: `settings.expect.json.\"/a\"`: found an array, \
             wanted `true` or `false`, a number or a string",
        ),
        (
            "expect.code = 1",
            "c.toml:7:8: `settings.expect.code`: unknown key, wanted `status` or `json`",
        ),
    ] {
        assert_eq!(problems_after_host(settings), told, "{settings}");
    }
}

#[test]
fn all_violations_are_told_at_once_and_in_order() {
    assert_eq!(
        problems("host = \"\"\nport = 0\nx = 1"),
        "c.toml:4:1: `settings`: missing key `user`\n\
         c.toml:5:8: `settings.host`: found `\"\"`, wanted a text that is not empty\n\
         c.toml:6:8: `settings.port`: found `0`, wanted at least 1\n\
         c.toml:7:1: `settings.x`: unknown key, wanted `host`, `port`, `tls`, `user`, `password`, `token`, `mailboxes`, \
         `headers` or `expect`"
    );
}

#[test]
fn a_password_that_was_written_down_is_not_repeated() {
    for key in ["password", "token", "port"] {
        let text = format!(
            "[[check]]\nname = \"a\"\nplugin = \"imap\"\nsettings = {{ host = \"\", user = \"u\", {key} = \"hunter2\" }}\n"
        );
        let source = Source::new(Path::new("c.toml"), &text);
        let config = Config::parse(&source).unwrap();
        let problems = SettingsSchema::parse(SCHEMA).unwrap().problems(&config.checks[0]);
        let rendered = source.render(&super::super::Problems::check(problems).unwrap_err());
        assert!(rendered.contains(&format!("settings.{key}")), "{rendered}");
        assert!(!rendered.contains("hunter2"), "{rendered}");
    }
    assert_eq!(
        problems_after_host("password = \"hunter2\""),
        "c.toml:7:12: `settings.password`: found a string, wanted a secret, as `{ secret = \"NAME\" }` with `NAME` in `[secrets]`"
    );
}

#[test]
fn problems_of_the_command_line_name_the_option() {
    let set = ["host=h", "user=123", "expect.status=[99]"].map(str::to_owned);
    let config = CommandLine {
        plugin: "imap",
        set: &set,
        ..CommandLine::default()
    }
    .to_config()
    .unwrap();
    let problems = SettingsSchema::parse(SCHEMA).unwrap().problems(&config.checks[0]);
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "--set expect.status: `settings.expect.status[0]`: found `99`, wanted at least 100",
            "--set user: `settings.user`: found `123`, wanted a string; for text, write `--set 'user=\"123\"'`",
        ]
    );
}

#[test]
fn a_schema_that_is_none_is_the_plugins_fault() {
    for (schema, reason) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (r#"{"type": "text"}"#, "at `/type`: \"text\" is not valid"),
        (
            r#"{"properties": {"host": {"pattern": "("}}}"#,
            "at `/properties/host/pattern`: \"(\" is not a \"regex\"",
        ),
        (
            r#"{"$ref": "https://example.org/schema.json"}"#,
            "https://example.org/schema.json",
        ),
    ] {
        let error = SettingsSchema::parse(schema).unwrap_err().to_string();
        assert!(
            error.starts_with("the settings schema is no JSON Schema (2020-12): "),
            "{error}"
        );
        assert!(error.contains(reason), "{error}");
    }
}
