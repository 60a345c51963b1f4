//! What hostile guests say: lies, secrets, and characters that do something to whoever looks at them.

use std::fs;

use bedcheck_tests::Program;
use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::Script;

use super::computing::reach;
use super::{assert_error, configuration, contained, program};

const FORMATS: [&str; 3] = ["text", "json", "nagios"];

/// What must be in no output: it steers a terminal, hides text, or turns it around.
const DANGEROUS: [char; 8] = [
    '\u{1b}', '\u{9b}', '\u{7}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2028}',
];

#[test]
fn no_output_has_characters_that_steer_hide_or_turn_around() {
    for format in FORMATS {
        let finished = program(&configuration("noisy-message", "", ""), format).finish();
        for character in DANGEROUS {
            assert!(
                !finished.mentions(&character.to_string()),
                "{format}: {finished:?}"
            );
        }
        assert!(finished.mentions("assertion_failed"), "{format}: {finished:?}");
    }
}

#[test]
fn nor_has_what_is_told_of_trying_a_plugin() {
    for format in ["text", "json"] {
        let finished = Program::new(["plugin", "test", "guest.wasm", "--settings", "settings.json"])
            .file(
                "guest.wasm",
                fs::read(guest_plugin()).expect("the guest is built"),
            )
            .file("settings.json", r#"{ "behaviour": "noisy-message" }"#)
            .file("server.toml", "")
            .argument("--server=server.toml")
            .argument(format!("--format={format}"))
            .finish();
        for character in DANGEROUS {
            assert!(
                !finished.mentions(&character.to_string()),
                "{format}: {finished:?}"
            );
        }
        assert!(finished.mentions("turned"), "{format}: {finished:?}");
    }
}

#[test]
fn numbers_of_any_size_are_shown_in_every_format() {
    for format in FORMATS {
        let finished = program(&configuration("odd-numbers", "", ""), format).finish();
        assert_eq!(finished.code, Some(0), "{format}: {finished:?}");
        let longest = finished.stdout.lines().map(str::len).max().unwrap_or_default();
        assert!(longest < 4096, "{format}: {finished:?}");
    }
}

#[test]
fn a_secret_that_a_peer_sent_back_is_shown_nowhere() {
    let secret = "hunter2hunter2hunter2";
    for format in FORMATS {
        let peer = Script::new()
            .expect_through("\n")
            .send(format!("{secret} no\n"))
            .stall()
            .serve();
        let (allow, settings) = reach(peer.port());
        let settings = format!("{settings}\nsecret = {{ secret = \"probe\" }}");
        let finished = program(&configuration("confess-everywhere", &allow, &settings), format).finish();
        assert!(!finished.mentions(secret), "{format}: {finished:?}");
        assert!(finished.mentions("guest.redacted"), "{format}: {finished:?}");
    }
}

#[test]
fn a_peer_that_was_not_dialled_is_not_shown_as_one() {
    let finished = program(&configuration("invent-peer", "", ""), "text").finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(!finished.mentions("203.0.113.7"), "{finished:?}");
}

#[test]
fn a_network_that_was_not_used_is_not_to_blame() {
    assert_error(
        &contained("lie-about-network", "", ""),
        "plugin",
        "plugin_invalid",
    );
}

#[test]
fn there_is_nothing_around_the_sandbox() {
    let report = contained("probe", "", "");
    assert_eq!(report["outcome"], "pass", "{report:#}");
    let measurements = report["measurements"].as_array().cloned().unwrap_or_default();
    assert_eq!(measurements.len(), 8, "{report:#}");
    for measurement in measurements {
        assert_eq!(measurement["value"], 0.0, "{measurement:#}");
    }
}
