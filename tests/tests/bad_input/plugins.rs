//! What is in `[plugins] dir` and is no plugin.

use std::fs;
use std::os::unix::fs::symlink;

use bedcheck_tests::Program;
use bedcheck_tests::program::guest_plugin;

use super::{problems, refused, refused_with};

/// What the program says about a file in `[plugins] dir`, by the name `odd.wasm`.
#[track_caller]
fn refused_plugin(component: &[u8]) -> String {
    let configuration = "plugins.dir = \"plugins\"\n[[check]]\nname = \"a\"\nplugin = \"odd\"\n";
    let said = refused_with(configuration, &[("plugins/odd.wasm", component)]);
    // One problem: that there is no plugin `odd` is known from it.
    let [problem] = problems(&said)[..] else {
        panic!("wanted one problem, found `{said}`");
    };
    let inspected = Program::new(["plugin", "inspect", "odd.wasm"])
        .file("odd.wasm", component)
        .finish();
    assert_eq!((inspected.code, inspected.stdout.as_str()), (Some(64), ""));
    // Two ways to the same file have the same sentence.
    let sentence = |said: &str| {
        said.trim()
            .split_once("odd.wasm: ")
            .map(|(_, rest)| rest.to_owned())
    };
    assert_eq!(sentence(&inspected.stderr), sentence(problem));
    sentence(problem).unwrap_or_else(|| panic!("the file is not named: `{problem}`"))
}

/// A plugin with nothing wrong in its file.
fn guest() -> Vec<u8> {
    fs::read(guest_plugin()).expect("the guest is built")
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the component is written in this file")
}

#[test]
fn a_file_that_is_no_component_is_no_plugin() {
    for (contents, sentence) in [
        (b"".as_slice(), "it is not a WebAssembly component"),
        (b"#!/bin/sh\n", "it is not a WebAssembly component"),
        (
            b"\0asm\x01\0\0\0",
            "it is a core WebAssembly module, not a component",
        ),
        (b"\0asm\x0d\0\x01\0\xff\xff\xff", "it is not a valid component"),
    ] {
        let said = refused_plugin(contents);
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn a_plugin_that_was_cut_off_is_refused() {
    let guest = guest();
    let said = refused_plugin(&guest[..guest.len() / 2]);
    assert!(said.contains("it is not a valid component"), "{said}");
}

#[test]
fn machine_code_is_never_loaded() {
    // An ELF header with the ABI number and the flags by which the engine knows its own.
    for flags in [1_u8, 2] {
        let mut header = b"\x7fELF\x02\x01\x01\xc8".to_vec();
        header.resize(16, 0);
        header.extend([1, 0, 62, 0, 1, 0, 0, 0]);
        header.resize(48, 0);
        header.extend([flags, 0, 0, 0, 64, 0]);
        header.resize(64, 0);
        let said = refused_plugin(&header);
        assert!(
            said.contains("it is machine code compiled ahead of time"),
            "{said}"
        );
    }
}

#[test]
fn an_import_outside_the_contract_is_named() {
    for import in [
        "foo:bar/baz@1.0.0",
        "foo:bar/baz",
        "wasi:http/outgoing-handler@0.2.6",
        "wasi:clocks/monotonic-clock@0.3.0",
        "bedcheck:plugins/net@1.0.0",
    ] {
        let said = refused_plugin(&component(&format!(
            "(component (import \"{import}\" (instance)))"
        )));
        assert!(
            said.contains(&format!("it imports `{import}`, which bedcheck does not provide")),
            "{said}"
        );
    }
}

#[test]
fn an_interface_that_the_contract_does_not_have_is_named() {
    let import = "bedcheck:plugin/teleport@1.0.0";
    let said = refused_plugin(&component(&format!(
        "(component (import \"{import}\" (instance (export \"go\" (func))))
           (instance $check) (export \"bedcheck:plugin/check@1.0.0\" (instance $check)))"
    )));
    assert!(said.contains(import), "{said}");
}

#[test]
fn another_major_version_of_the_contract_is_named() {
    for text in [
        "(component (import \"bedcheck:plugin/net@2.0.0\" (instance)))",
        "(component (instance $check) (export \"bedcheck:plugin/check@2.0.0\" (instance $check)))",
    ] {
        let said = refused_plugin(&component(text));
        let name = text.split('"').nth(1).unwrap_or_default();
        assert!(
            said.contains(&format!(
                "it is made for `{name}`, and this bedcheck provides version 1"
            )),
            "{said}"
        );
    }
}

#[test]
fn a_component_that_is_no_check_is_refused() {
    let said = refused_plugin(&component("(component)"));
    assert!(
        said.contains("it does not export `bedcheck:plugin/check@1`"),
        "{said}"
    );
    // The name is right and what it stands for is not.
    let said = refused_plugin(&component(
        "(component (instance $check) (export \"bedcheck:plugin/check@1.0.0\" (instance $check)))",
    ));
    assert!(said.contains("check"), "{said}");
}

#[test]
fn a_plugin_that_cannot_be_read_is_refused() {
    let program = |arguments: &[&str]| {
        let program = Program::new(arguments).file(
            "bedcheck.toml",
            "plugins.dir = \"plugins\"\n[[check]]\nname = \"a\"\nplugin = \"http\"\nallow = [\"self\"]\nsettings.url = \"http://127.0.0.1/\"\n",
        );
        fs::create_dir(program.path("plugins")).expect("a new folder");
        // Not even the superuser, as whom tests may run, can read what is not there or is no file.
        symlink("nothing", program.path("plugins/dangling.wasm")).expect("a new link");
        fs::create_dir(program.path("plugins/folder.wasm")).expect("a new folder");
        program.finish()
    };
    for arguments in [["run", "bedcheck.toml"], ["validate", "bedcheck.toml"]] {
        let finished = program(&arguments);
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(64), ""),
            "{finished:#?}"
        );
        let problems = problems(&finished.stderr);
        assert_eq!(problems.len(), 2, "{finished:#?}");
        assert!(
            problems[0].starts_with("plugins/dangling.wasm: the plugin cannot be read: "),
            "{problems:?}"
        );
        assert!(
            problems[1].starts_with("plugins/folder.wasm: the plugin cannot be read: "),
            "{problems:?}"
        );
    }
}

#[test]
fn a_folder_of_plugins_that_is_not_there_is_refused() {
    let said = refused(
        "plugins.dir = \"plugins\"\n[[check]]\nname = \"a\"\nplugin = \"http\"\nallow = [\"self\"]\nsettings.url = \"http://127.0.0.1/\"\n",
    );
    let [problem] = problems(&said)[..] else {
        panic!("{said}")
    };
    assert!(
        problem.starts_with("plugins: the plugin folder cannot be read: "),
        "{said}"
    );
}

#[test]
fn plugins_are_looked_at_even_when_no_check_is_understood() {
    let said = refused_with(
        "plugins.dir = \"plugins\"\n[[check]]\nname = \"two words\"\nplugin = \"http\"\n",
        &[
            ("plugins/core.wasm", b"\0asm\x01\0\0\0"),
            ("plugins/guest.wasm", &guest()),
        ],
    );
    let [plugin, name] = problems(&said)[..] else {
        panic!("wanted two problems, found\n{said}");
    };
    assert!(plugin.starts_with("plugins/core.wasm: "), "{plugin}");
    assert!(
        name.starts_with("bedcheck.toml:3:8: `check.name`: found `two words`, "),
        "{name}"
    );
}
