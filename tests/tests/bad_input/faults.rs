//! Faults that name what is not there, in a file and on the command line, whoever finds out.

use bedcheck_tests::Program;

use super::{problems, refused};

const CHECKS: &str = "\
[[check]]
name = \"mail\"
plugin = \"imap\"
allow = [\"self\"]
settings = { host = \"127.0.0.1\", user = \"probe\", password = { secret = \"mail\" } }

[[check]]
name = \"page\"
plugin = \"http\"
allow = [\"self\"]
settings.url = \"http://127.0.0.1/\"

[secrets]
mail.file = \"bedcheck.toml\"
";

/// What `run` says about a fault of the command line that it refuses.
#[track_caller]
fn refused_option(fault: &str) -> String {
    let arguments = ["run", "bedcheck.toml", "--fault", fault];
    let finished = Program::new(&arguments).file("bedcheck.toml", CHECKS).finish();
    assert_eq!(finished.code, Some(64), "{fault}: {finished:#?}");
    assert_eq!(finished.stdout, "", "{fault}");
    finished.stderr
}

#[test]
fn a_phase_that_no_plugin_has_is_refused_at_its_place() {
    let said = refused(&format!(
        "{CHECKS}\n[[fault]]\nphase = \"selct\"\nkind = \"reset\"\n\n\
         [[fault]]\ncheck = \"page\"\nphase = \"select[INBOX]\"\nkind = \"reset\"\n\n\
         [[fault]]\ncheck = \"page\"\nphase = \"resolve\"\nkind = \"not-found\"\n"
    ));
    assert_eq!(
        problems(&said),
        [
            "bedcheck.toml:17:9: found no phase `selct` in the plugin `http` or `imap`, did you mean `select`?",
            "bedcheck.toml:22:9: found no phase `select` in the plugin `http`, wanted `resolve`, `connect`, \
             `tls`, `processing` or `transfer`",
        ],
        "{said}"
    );
}

#[test]
fn a_fault_of_the_command_line_is_refused_in_a_sentence() {
    for (fault, sentence) in [
        (
            "net.read#3=rest",
            "--fault `net.read#3=rest`: found `rest`, did you mean `reset`?\n",
        ),
        (
            "check:mial net.read=reset",
            "--fault `check:mial net.read=reset`: no check is called `mial`, did you mean `mail`?\n",
        ),
        (
            "check:page phase:login=reset",
            "--fault `check:page phase:login=reset`: found no phase `login` in the plugin `http`, wanted \
             `resolve`, `connect`, `tls`, `processing` or `transfer`\n",
        ),
    ] {
        assert_eq!(refused_option(fault), sentence);
    }
}

#[test]
fn a_fault_for_a_check_that_is_left_out_is_no_mistake() {
    let file = format!("{CHECKS}\n[[fault]]\nphase = \"select\"\nkind = \"delay 1ms\"\n");
    let arguments = ["run", "bedcheck.toml", "--check", "page"];
    let finished = Program::new(&arguments).file("bedcheck.toml", &file).finish();
    assert_ne!(finished.code, Some(64), "{finished:#?}");
    let note = "note: failures are injected: phase:select=delay 1ms\n";
    assert!(finished.stderr.contains(note), "{finished:#?}");
}
