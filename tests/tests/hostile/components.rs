//! Components that no compiler makes: they trap and loop where nothing does, lie about their memory, or consist
//! of far too much.

use bedcheck_tests::Program;
use bedcheck_tests::component::Component;
use serde_json::Value;

/// A loop without end.
const LOOP: &str = "(loop (br 0))";
/// What the core module sees of the random numbers and of standard output.
const RANDOM: [&str; 3] = [
    r#"(import "wasi:random/random@0.2.0" (instance $random
           (export "get-random-u64" (func (result u64)))))
       (core func $number (canon lower (func $random "get-random-u64")))"#,
    r#"(export "number" (func $number))"#,
    r#"(import "host" "number" (func $number (result i64)))"#,
];
const CLOCK: [&str; 3] = [
    r#"(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
       (alias export $poll "pollable" (type $pollable))
       (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
           (alias outer 1 $pollable (type $inner))
           (export "pollable" (type $shared (eq $inner)))
           (export "subscribe-duration" (func (param "when" u64) (result (own $shared))))))
       (core func $subscribe (canon lower (func $clock "subscribe-duration")))"#,
    r#"(export "subscribe" (func $subscribe))"#,
    r#"(import "host" "subscribe" (func $subscribe (param i64) (result i32)))"#,
];

/// Runs a check of this component, and returns the report.
#[track_caller]
fn run(component: &Component) -> Value {
    let report = program(component).finish().report();
    let duration = report["duration_s"].as_f64().unwrap_or(f64::INFINITY);
    assert!(
        duration < super::DEADLINE + super::GRACE + super::LATE,
        "{report:#}"
    );
    report
}

/// What is said about a component that is not even loaded.
#[track_caller]
pub(super) fn refused(component: &Component) -> String {
    let finished = program(component).finish();
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(64), ""),
        "{finished:?}"
    );
    assert!(finished.stderr.len() < 8192, "{} bytes", finished.stderr.len());
    finished.stderr
}

pub(super) fn program(component: &Component) -> Program {
    Program::run(
        "plugins.dir = \".\"\n[[check]]\nname = \"a\"\nplugin = \"odd\"\nbudget.deadline = \"500ms\"\n\
         budget.fuel = 1_000_000_000_000\n",
    )
    .file("odd.wasm", component.build())
}

#[track_caller]
fn assert_error(component: &Component, error_type: &str) {
    let report = run(component);
    let seen = (&report["outcome"], &report["blame"], &report["error"]["type"]);
    assert_eq!(
        seen,
        (&"error".into(), &"plugin".into(), &error_type.into()),
        "{report:#}"
    );
}

#[test]
fn a_component_written_by_hand_is_a_plugin() {
    assert_eq!(run(&Component::new())["outcome"], "pass");
}

#[test]
fn what_loops_or_traps_when_it_is_loaded_is_refused() {
    let looping = format!("(func $start {LOOP}) (start $start)");
    for looping in [Component::new().describe(LOOP), Component::new().core(looping)] {
        let said = refused(&looping);
        // On a machine that is very busy there is not enough time for all the fuel.
        assert!(
            ["`describe` used up its fuel", "`describe` did not end within 2 s"]
                .iter()
                .any(|sentence| said.contains(sentence)),
            "{said}"
        );
    }
    for (component, sentence) in [
        (Component::new().describe("unreachable"), "ended with a trap"),
        (
            Component::new().core("(func $start unreachable) (start $start)"),
            "ended with a trap",
        ),
        (
            Component::new().core("(func $deep (call $deep)) (start $deep)"),
            "call stack exhausted",
        ),
    ] {
        let said = refused(&component);
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn what_consists_of_too_much_is_refused() {
    let instances = "(core module $empty) ".to_owned() + &"(core instance (instantiate $empty))".repeat(5000);
    let tables: String = (0..200).map(|_| "(table 1000 funcref)").collect();
    let memories: String = (0..20)
        .map(|number| format!("(core module $m{number} (memory 1)) (core instance (instantiate $m{number}))"))
        .collect();
    for component in [
        Component::new().around(instances),
        Component::new().core("(table 1000000 funcref)"),
        Component::new().core(tables),
        Component::new().core("(memory 1)"),
        Component::new().around(memories),
        Component::new().pages(65536),
    ] {
        let said = refused(&component);
        assert!(said.contains("odd.wasm: "), "{said}");
    }
}

#[test]
fn what_is_nested_very_deep_does_not_overflow_the_hosts_stack() {
    const DEEP: usize = 50_000;
    let types: String = (1..DEEP)
        .map(|number| format!("(type $t{number} (list $t{}))", number - 1))
        .collect();
    let types = format!(
        "(type $t0 (list u8)) {types} (export \"deep\" (type $t{}))",
        DEEP - 1
    );
    let blocks = format!("(func {} {})", "block ".repeat(DEEP), "end ".repeat(DEEP));
    let additions = format!(
        "(func (result i32) i32.const 0 {} {})",
        "i32.const 0 ".repeat(DEEP),
        "i32.add ".repeat(DEEP)
    );
    for component in [
        Component::new().around(types),
        Component::new().core(blocks),
        Component::new().core(additions),
    ] {
        assert_ends(&component.build());
    }
    assert_ends(&nested(2000));
}

/// A component in a component in a component, so many times.
fn nested(depth: usize) -> Vec<u8> {
    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    const COMPONENT_SECTION: u8 = 4;
    let mut component = HEADER.to_vec();
    for _ in 0..depth {
        let inner = std::mem::replace(&mut component, HEADER.to_vec());
        component.push(COMPONENT_SECTION);
        component.extend(leb128(inner.len()));
        component.extend(inner);
    }
    component
}

/// A number as WebAssembly writes it.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// The program says something about the component and ends by itself.
#[track_caller]
fn assert_ends(component: &[u8]) {
    let finished = Program::new(["plugin", "inspect", "odd.wasm"])
        .file("odd.wasm", component)
        .finish();
    assert!(matches!(finished.code, Some(0 | 64)), "{finished:?}");
}

#[test]
fn tables_are_bounded_together() {
    let many: String = (0..50)
        .map(|number| {
            format!("(core module $m{number} (table 40000 funcref)) (core instance (instantiate $m{number}))")
        })
        .collect();
    refused(&Component::new().around(many));
    let growing = "(loop (br_if 0 (i32.ge_s (table.grow (ref.null func) (i32.const 1000)) (i32.const 0))))
                   unreachable";
    let component = Component::new().core("(table 1 funcref)").run(growing);
    assert_error(&component, "memory_limit");
    let finished = program(&component).finish();
    assert!(finished.mentions("elements of tables"), "{finished:?}");
}

#[test]
fn memory_that_does_not_come_is_told() {
    let growing = "(loop (br_if 0 (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable";
    assert_error(&Component::new().run(growing), "memory_limit");
}

#[test]
fn lies_to_the_canonical_abi_are_traps() {
    for component in [
        // Outside of the memory, and not aligned.
        Component::new().realloc("(i32.const -16)"),
        Component::new().realloc("unreachable"),
        Component::new().post_return("unreachable"),
        Component::new().run("(return (i32.const -16))"),
        Component::new().run("(return (i32.const 513))"),
        // A case that the result does not have.
        Component::new().result([2]),
        // A message that ends outside of the memory, and one that is no UTF-8.
        Component::new().failing_with(u32::MAX),
        Component::new()
            .run("(i32.store (i32.const 1024) (i32.const -1))")
            .failing_with(4),
    ] {
        assert_error(&component, "plugin_trap");
    }
    let component = Component::new().realloc(&format!("{LOOP} unreachable"));
    assert_error(&component, "deadline_exceeded");
}

#[test]
fn what_is_entered_again_while_it_is_left_is_a_trap() {
    let [imports, arguments, core_imports] = RANDOM;
    let component = Component::new()
        .imports(imports, arguments, core_imports)
        .realloc("(drop (call $number)) (i32.const 1048576)");
    assert_error(&component, "plugin_trap");
}

#[test]
fn calls_that_are_not_counted_are_ended_by_the_deadline() {
    let [imports, arguments, core_imports] = RANDOM;
    let component = Component::new()
        .imports(imports, arguments, core_imports)
        .run("(loop (drop (call $number)) (br 0))");
    assert_error(&component, "deadline_exceeded");
}

#[test]
fn thousands_of_things_to_wait_for_are_a_trap() {
    let [imports, arguments, core_imports] = CLOCK;
    let component = Component::new()
        .imports(imports, arguments, core_imports)
        .run("(loop (drop (call $subscribe (i64.const -1))) (br 0))");
    assert_error(&component, "plugin_trap");
}

#[test]
fn an_error_of_megabytes_is_refused_or_shortened() {
    let report = run(&Component::new().failing_with(1 << 20));
    assert_eq!(report["error"]["type"], "plugin_invalid", "{report:#}");
    let length = report["error"]["message"].as_str().map_or(0, str::len);
    assert!((1..=1027).contains(&length), "{length} bytes");
}
