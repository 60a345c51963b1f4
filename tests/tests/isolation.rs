//! The promise: nothing that can be read survives from one run to the next. A plugin first searches all that it can
//! reach for what an earlier run may have left there, then leaves something in all of it. Its runs take turns in the
//! same places, because there is room for one at a time.
//!
//! What a guest can reach: its linear memory, to which it can have pages added, tables, globals, and the handles that
//! the host gave it. Its own stack it can read nowhere but in its memory, and locals begin as zeros.

use bedcheck_tests::Program;
use bedcheck_tests::component::Component;
use serde_json::Value;

/// More runs than the one slot has tables, of which an engine keeps the most: one of them at least is used again.
const RUNS: usize = 64;

/// What the search needs of the host: handles, here of moments to wait for.
const HANDLES: [&str; 3] = [
    r#"(import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
       (alias export $poll "pollable" (type $pollable))
       (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
           (alias outer 1 $pollable (type $inner))
           (export "pollable" (type $shared (eq $inner)))
           (export "subscribe-duration" (func (param "when" u64) (result (own $shared))))))
       (core func $handle (canon lower (func $clock "subscribe-duration")))"#,
    r#"(export "handle" (func $handle))"#,
    r#"(import "host" "handle" (func $handle (param i64) (result i32)))"#,
];

/// Searching and leaving something behind, by the kinds of places. A search that finds something ends with
/// `unreachable`. The word that is searched for stands in no data, but only in the code.
const PLACES: &str = r#"
    (global $global (mut i64) (i64.const 0))
    (table $table 600 2000 funcref)
    (func $nothing)
    (elem declare func $nothing)
    (func $found (if (i32.const 1) (then unreachable)))

    (func $search-global
        (if (i64.ne (global.get $global) (i64.const 0)) (then (call $found))))
    (func $leave-in-global
        (global.set $global (i64.const 0x7365637265742121)))

    (func $search-table (local $at i32)
        (drop (table.grow $table (ref.null func) (i32.const 400)))
        (loop $next
            (if (i32.eqz (ref.is_null (table.get $table (local.get $at)))) (then (call $found)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $at) (table.size $table)))))
    (func $leave-in-table
        (table.fill $table (i32.const 0) (ref.func $nothing) (table.size $table))
        (drop (table.grow $table (ref.func $nothing) (i32.const 400))))

    (func $search-memory (local $at i32)
        (drop (memory.grow (i32.const 4)))
        (loop $next
            (if (i64.eq (i64.load (local.get $at)) (i64.const 0x7365637265742121)) (then (call $found)))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $next (i32.lt_u (local.get $at) (i32.shl (memory.size) (i32.const 16))))))
    (func $leave-in-memory (param $at i32) (param $step i32)
        (drop (memory.grow (i32.const 4)))
        (loop $next
            (i64.store (local.get $at) (i64.const 0x7365637265742121))
            (local.set $at (i32.add (local.get $at) (local.get $step)))
            (br_if $next (i32.lt_u (local.get $at) (i32.shl (memory.size) (i32.const 16))))))

    (func $search-handles
        (if (i32.ne (call $handle (i64.const 1000000000)) (i32.const 1)) (then (call $found))))
    (func $leave-handles (local $number i32)
        (loop $next
            (drop (call $handle (i64.const 1000000000)))
            (local.set $number (i32.add (local.get $number) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $number) (i32.const 100)))))"#;

const SEARCH: &str =
    "(call $search-global) (call $search-table) (call $search-handles) (call $search-memory)";

/// Leaves a word in each page of the memory, of which there are more than are rewritten.
const LEAVE_MUCH: &str = "(call $leave-in-global) (call $leave-in-table) (call $leave-handles)
    (call $leave-in-memory (i32.const 0x10000) (i32.const 0x1000))";
/// Leaves something in a few pages, as most runs do.
const LEAVE_LITTLE: &str = "(call $leave-in-global) (call $leave-in-table) (call $leave-handles)
    (call $leave-in-memory (i32.const 0x180008) (i32.const 0x80000))";

/// A plugin that does this in `run`.
fn plugin(name: &str, instructions: &str) -> Vec<u8> {
    let [imports, arguments, core_imports] = HANDLES;
    Component::new()
        .name(name)
        .imports(imports, arguments, core_imports)
        .core(PLACES)
        .run(instructions)
        .build()
}

/// Runs checks of these plugins in turns, one at a time, and returns the reports.
fn runs(plugins: &[(&str, &str)], number: usize) -> Vec<Value> {
    let mut configuration = String::from("plugins.dir = \".\"\n[runner]\nconcurrency = 1\n");
    for (at, (name, _)) in plugins.iter().cycle().take(number).enumerate() {
        configuration.push_str(&format!(
            "[[check]]\nname = \"{name}-{at}\"\nplugin = \"{name}\"\nbudget.deadline = \"20s\"\n\
             budget.fuel = 20_000_000\n"
        ));
    }
    let program = Program::run(&configuration);
    let program = plugins.iter().fold(program, |program, (name, instructions)| {
        program.file(&format!("{name}.wasm"), plugin(name, instructions))
    });
    let reports = program.finish().reports();
    assert_eq!(reports.len(), number);
    reports
}

#[track_caller]
fn assert_end(report: &Value, outcome: &str, error_type: Option<&str>, said: &str) {
    let seen = (&report["outcome"], &report["error"]["type"]);
    let message = report["error"]["message"].as_str().unwrap_or_default();
    assert!(
        seen == (&outcome.into(), &error_type.into()) && message.contains(said),
        "{report:#}"
    );
}

#[test]
fn a_run_finds_nothing_of_the_ones_before_however_those_ended() {
    let ends = [
        ("", "pass", None, ""),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "error",
            Some("plugin_trap"),
            "divide by zero",
        ),
        (
            "(loop $for-ever (br $for-ever))",
            "error",
            Some("fuel_exhausted"),
            "",
        ),
    ];
    for leave in [LEAVE_LITTLE, LEAVE_MUCH] {
        for (end, outcome, error_type, said) in ends {
            for report in runs(&[("odd", &format!("{SEARCH} {leave} {end}"))], RUNS) {
                assert_end(&report, outcome, error_type, said);
            }
        }
    }
}

#[test]
fn a_plugin_finds_nothing_of_another_one() {
    let leaving = format!("{SEARCH} {LEAVE_MUCH}");
    let little = format!("{SEARCH} {LEAVE_LITTLE}");
    let plugins = [("much", leaving.as_str()), ("little", &little), ("none", SEARCH)];
    for report in runs(&plugins, RUNS) {
        assert_end(&report, "pass", None, "");
    }
}

/// What shows that the search would find something: where it was left in the same run, it does.
#[test]
fn what_is_left_in_a_place_is_found_there() {
    for (leave, search) in [
        ("(call $leave-in-global)", "(call $search-global)"),
        ("(call $leave-in-table)", "(call $search-table)"),
        ("(call $leave-handles)", "(call $search-handles)"),
        // In the first page; in what the memory begins with; in a page that was added.
        (
            "(call $leave-in-memory (i32.const 0) (i32.const 0x1000000))",
            "(call $search-memory)",
        ),
        (
            "(call $leave-in-memory (i32.const 0x180000) (i32.const 0x1000000))",
            "(call $search-memory)",
        ),
        (
            "(call $leave-in-memory (i32.const 0x23fff8) (i32.const 8))",
            "(call $search-memory)",
        ),
    ] {
        let [report] = &runs(&[("odd", &format!("{leave} {search}"))], 1)[..] else {
            panic!("one report")
        };
        assert_end(report, "error", Some("plugin_trap"), "unreachable");
    }
}
