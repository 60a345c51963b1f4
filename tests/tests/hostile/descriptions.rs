//! What a plugin says about itself is its word: bounded, and harmless where it is shown.

use bedcheck_tests::Program;
use bedcheck_tests::component::Component;

use super::components::{program, refused};

#[test]
fn a_description_has_bounds() {
    for (component, sentence) in [
        (Component::new().phases(100_000), "declares 100000 phases"),
        (
            Component::new().capabilities(100_000),
            "needs 100000 capabilities",
        ),
        (
            Component::new().default_ports(60_000),
            "names 60000 default ports",
        ),
        (
            Component::new().schema(format!("\"{}\"", "x".repeat(100_000))),
            "the schema of its settings has 100002 bytes",
        ),
        (Component::new().name("x".repeat(1 << 20)), "the name `xxx"),
        (
            Component::new().name([0xff, 0xfe]),
            "`describe` ended with a trap",
        ),
    ] {
        let said = refused(&component);
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn a_schema_cannot_keep_the_program_busy() {
    let pattern = |number| format!(r#"{{"pattern": "\\p{{L}}{{{number}}}"}}"#);
    let patterns: Vec<String> = (900..1000).map(pattern).collect();
    for schema in [
        r##"{"$ref": "#"}"##.to_owned(),
        r##"{"allOf": [{"$ref": "#"}]}"##.to_owned(),
        r##"{"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}},
             "$ref": "#/$defs/a"}"##
            .to_owned(),
        doubling(40),
        format!(r#"{{"allOf": [{}]}}"#, patterns.join(",")),
    ] {
        let component = Component::new().schema(schema.clone());
        let finished = program(&component).finish();
        // Used or refused, and not brought down by it.
        assert!(matches!(finished.code, Some(0 | 64)), "{schema}: {finished:?}");
        assert!(finished.took.as_secs() < 10, "{schema}: {finished:?}");
    }
}

/// A schema that refers twice to one that refers twice to another, and so on.
fn doubling(depth: u32) -> String {
    let definition = |number: u32| {
        let next = format!(r##"{{"$ref": "#/$defs/d{}"}}"##, number + 1);
        format!(r#""d{number}": {{"allOf": [{next}, {next}]}}"#)
    };
    let definitions: Vec<String> = (0..depth).map(definition).collect();
    format!(
        r##"{{"$defs": {{{}, "d{depth}": {{}}}}, "$ref": "#/$defs/d0"}}"##,
        definitions.join(",")
    )
}

#[test]
fn what_a_plugin_says_cannot_steer_a_terminal() {
    let noise = "\u{1b}[31m\u{9b}1m\u{202e}\u{200b}\u{7}";
    let quoted = serde_json::to_string(noise).expect("a string");
    let hexadecimal: String = noise.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    // The JSON form of some of these characters is the characters themselves.
    let schema = format!(r#"{{"enum": [{quoted}], "description": {quoted}, "required": [{quoted}]}}"#);
    for component in [
        Component::new().name(noise),
        Component::new().summary(noise),
        Component::new().url_key(noise),
        Component::new().schema(&schema),
        Component::new().schema(noise),
        Component::new().imports("", "", &format!("(import \"a\" \"{hexadecimal}\" (func))")),
    ] {
        let inspected = Program::new(["plugin", "inspect", "odd.wasm"])
            .file("odd.wasm", component.build())
            .finish();
        for finished in [program(&component).finish(), inspected] {
            for character in noise.chars().filter(|character| !character.is_ascii_graphic()) {
                assert!(!finished.mentions(&character.to_string()), "{finished:?}");
            }
        }
    }
}
