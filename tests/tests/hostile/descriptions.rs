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
            Component::new().name("x".repeat(65)),
            "has 65 bytes, and at most 64 are allowed",
        ),
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
fn why_there_is_no_description_is_told() {
    let growing = "(loop (br_if 0 (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable";
    let said = refused(&Component::new().describe(growing));
    assert!(
        said.contains("`describe` asked for more memory than its 67108864 bytes"),
        "{said}"
    );
    let said = refused(&panicking(
        "thread 'main' panicked at lib.rs:1:1:\\0ano words for it\\0a",
    ));
    assert!(said.contains("panicked at lib.rs:1:1: no words for it"), "{said}");
}

/// A component whose `describe` writes this to standard error and traps.
fn panicking(message: &str) -> Component {
    let imports = format!(
        r#"(import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
        (alias export $errors "error" (type $error))
        (import "wasi:io/streams@0.2.0" (instance $streams
            (export "output-stream" (type $stream (sub resource)))
            (alias outer 1 $error (type $error'))
            (export "error" (type $error (eq $error')))
            (type $stream-error' (variant (case "last-operation-failed" (own $error)) (case "closed")))
            (export "stream-error" (type $stream-error (eq $stream-error')))
            (export "[method]output-stream.blocking-write-and-flush" (func
                (param "self" (borrow $stream)) (param "contents" (list u8))
                (result (result (error $stream-error)))))))
        (alias export $streams "output-stream" (type $stream))
        (import "wasi:cli/stderr@0.2.0" (instance $stderr
            (alias outer 1 $stream (type $stream'))
            (export "output-stream" (type $stream (eq $stream')))
            (export "get-stderr" (func (result (own $stream))))))
        (core module $memory (memory (export "memory") 1) (data (i32.const 0) "{message}"))
        (core instance $memory (instantiate $memory))
        (core func $get (canon lower (func $stderr "get-stderr")))
        (core func $write (canon lower
            (func $streams "[method]output-stream.blocking-write-and-flush")
            (memory (core memory $memory "memory"))))"#
    );
    let length = message.replace("\\0a", "\n").len();
    Component::new()
        .imports(
            &imports,
            r#"(export "get" (func $get)) (export "write" (func $write))"#,
            r#"(import "host" "get" (func $get (result i32)))
               (import "host" "write" (func $write (param i32 i32 i32 i32)))"#,
        )
        .describe(&format!(
            "(call $write (call $get) (i32.const 0) (i32.const {length}) (i32.const 1024)) unreachable"
        ))
}

#[test]
fn a_plugin_for_a_newer_contract_is_refused_with_both_versions() {
    let newer = r#"(import "bedcheck:plugin/budget@1.77.0" (instance (export "of-tomorrow" (func))))"#;
    let said = refused(&Component::new().imports(newer, "", ""));
    for words in ["`bedcheck:plugin/budget@1.77.0`", "provides version 1.2.0"] {
        assert!(said.contains(words), "{said}");
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
