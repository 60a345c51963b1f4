//! The promise: bad input is refused with a clear error that says where, what was found and what was wanted, all
//! problems at once, with exit code 64, and nothing runs. `validate` says the same as `run`.

#[path = "bad_input/faults.rs"]
mod faults;
#[path = "bad_input/plugins.rs"]
mod plugins;

use std::path::Path;

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::script::Script;
use bedcheck_tests::{Program, bedcheck};

/// A file of the folder which the program starts in.
type File<'f> = (&'f str, &'f [u8]);

/// What the program says about a configuration, beside other files, that it refuses.
#[track_caller]
fn refused_with(configuration: &str, files: &[File<'_>]) -> String {
    let call = |arguments: &[&str]| {
        let program = Program::new(arguments).file("bedcheck.toml", configuration);
        let program = files
            .iter()
            .fold(program, |program, (name, contents)| program.file(name, contents));
        let finished = program.finish();
        assert_eq!(finished.code, Some(64), "{arguments:?}: {finished:#?}");
        assert_eq!(finished.stdout, "", "{arguments:?}");
        finished.stderr
    };
    let said = call(&["run", "bedcheck.toml"]);
    assert_eq!(said, call(&["validate", "bedcheck.toml"]));
    assert_eq!(said, call(&["run", "bedcheck.toml", "--format", "json"]));
    said
}

#[track_caller]
fn refused(configuration: &str) -> String {
    refused_with(configuration, &[])
}

/// The problems without the lines of the file that are shown beneath them.
fn problems(said: &str) -> Vec<&str> {
    let begins = ["bedcheck.toml", "plugins/", "plugins:"];
    said.lines()
        .filter(|line| begins.iter().any(|begin| line.starts_with(begin)))
        .collect()
}

#[test]
fn an_unknown_key_is_refused_at_its_line() {
    let said = refused(
        "[[check]]\nname = \"a\"\nplugin = \"http\"\nevry = \"30s\"\nsettings.url = \"http://127.0.0.1/\"\n",
    );
    assert_eq!(
        said,
        "bedcheck.toml:4:1: `check.evry`: unknown key, did you mean `every`?\n  |\n4 | evry = \"30s\"\n  | ^\n"
    );
}

/// A check with nothing wrong.
fn checked() -> &'static str {
    r#"
    [[check]]
    name = "a"
    plugin = "http"
    every = "1h"
    allow = ["self"]
    settings.url = "http://127.0.0.1/"
    "#
}

#[test]
fn what_exporting_needs_and_does_not_find_is_refused() {
    let check = checked();
    for protocol in ["grpc", "http/protobuf"] {
        let otlp = format!("[otlp]\nendpoint = \"https://127.0.0.1:1\"\nprotocol = \"{protocol}\"\n");
        let said = refused(&format!("{otlp}ca_file = \"missing.pem\"\n{check}"));
        assert_eq!(
            said,
            "otlp: `missing.pem`: No such file or directory (os error 2)\n"
        );
        let identity = "client_certificate = \"text\"\nclient_key = \"text\"\n";
        let said = refused_with(&format!("{otlp}{identity}{check}"), &[("text", b"no PEM")]);
        assert_eq!(said, "otlp: `text`: wanted certificates in PEM\n");
    }
    for command in ["run", "validate"] {
        let finished = Program::new([command, "bedcheck.toml"])
            .file("bedcheck.toml", check)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")
            .finish();
        assert_eq!(finished.code, Some(64), "{finished:#?}");
        assert!(
            finished.stderr.contains("OTEL_EXPORTER_OTLP_TIMEOUT"),
            "{finished:#?}"
        );
    }
}

#[test]
fn what_the_daemon_needs_for_itself_is_told_by_validate_as_well() {
    let check = checked();
    let secret = "[secrets]\nown = { env = \"NOT_SET_ANYWHERE\" }\n";
    let text = "[secrets]\nown = { file = \"text\" }\n";
    let of_sentry = "wanted a Sentry DSN, such as `https://KEY@HOST/PROJECT`";
    for (table, secret, said) in [
        (
            "[http]\nlisten = \"127.0.0.1:0\"\ntoken = { secret = \"own\" }\n",
            secret,
            "the secret `own` could not be read: the environment variable `NOT_SET_ANYWHERE` is not set\n"
                .to_owned(),
        ),
        (
            "[heartbeat]\nurl = { secret = \"own\" }\n",
            text,
            "the heartbeat of `the runner`: wanted an `http` or `https` URL\n".to_owned(),
        ),
        (
            "[sentry]\ndsn = { secret = \"own\" }\n",
            text,
            format!("`sentry.dsn`: {of_sentry}\n"),
        ),
        ("", "", format!("`SENTRY_DSN`: {of_sentry}\n")),
    ] {
        for command in ["validate", "serve"] {
            let finished = Program::new([command, "bedcheck.toml"])
                .file("bedcheck.toml", format!("{table}{secret}{check}"))
                .file("text", "neither")
                .env("SENTRY_DSN", if table.is_empty() { "neither" } else { "" })
                .finish();
            assert_eq!((finished.code, &finished.stderr), (Some(64), &said), "{command}");
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_shown_is_told_by_validate_as_well() {
    let certificates = Certificates::new();
    let (shown, other) = (certificates.valid(), certificates.self_signed());
    let table = |certificate: &Path, key: &Path| {
        format!(
            "journal.enabled = false\nhttp.listen = \"127.0.0.1:0\"\n\
             http.tls = {{ certificate = {certificate:?}, key = {key:?} }}\n{}",
            checked()
        )
    };
    let missing = Path::new("/nonexistent/file.pem");
    let not_found = "`/nonexistent/file.pem`: No such file or directory (os error 2)";
    for (certificate, key, said) in [
        (missing, &*shown.key_file, not_found),
        (&shown.certificate_file, missing, not_found),
        (&shown.key_file, &shown.key_file, "wanted certificates in PEM"),
        (&shown.certificate_file, &other.key_file, "cannot be used: "),
    ] {
        let call = |command| {
            let finished = Program::new([command, "bedcheck.toml"])
                .file("bedcheck.toml", table(certificate, key))
                .finish();
            assert_eq!(
                (finished.code, finished.stdout.as_str()),
                (Some(64), ""),
                "{command}: {finished:#?}"
            );
            finished.stderr
        };
        let told = call("validate");
        assert!(told.starts_with("http.tls: ") && told.contains(said), "{told}");
        assert!(call("serve").ends_with(&told), "{told}");
    }
}

#[test]
fn everything_that_the_daemon_needs_for_itself_is_told_at_once() {
    let configuration = format!(
        "[heartbeat]\nurl = {{ secret = \"own\" }}\n[sentry]\ndsn = {{ secret = \"own\" }}\n\
         [http]\nlisten = \"127.0.0.1:0\"\ntls = {{ certificate = \"missing.pem\", key = \"missing.pem\" }}\n\
         [secrets]\nown = {{ file = \"text\" }}\n{}",
        checked()
    );
    let finished = Program::new(["validate", "bedcheck.toml"])
        .file("bedcheck.toml", configuration)
        .file("text", "neither")
        .finish();
    let begins: Vec<_> = finished
        .stderr
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(
        begins,
        ["the heartbeat of `the runner`", "`sentry.dsn`", "http.tls"],
        "{finished:#?}"
    );
}

#[test]
fn a_duration_without_a_unit_is_refused() {
    let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\nsettings.url = \"http://127.0.0.1/\"\n";
    let said = refused(&format!("{check}budget.deadline = 5\nbudget.memory = \"64\"\n"));
    let problems = problems(&said);
    assert_eq!(problems.len(), 2, "{said}");
    assert!(
        problems[0].starts_with(
            "bedcheck.toml:5:19: `check.budget.deadline`: found `5`, wanted a duration with a unit"
        ),
        "{said}"
    );
    assert!(
        problems[1].starts_with("bedcheck.toml:6:17: `check.budget.memory`: found `64`, wanted a size"),
        "{said}"
    );
}

#[test]
fn an_unknown_plugin_is_refused_with_those_there_are() {
    let said = refused("[[check]]\nname = \"a\"\nplugin = \"smtp\"\n");
    assert_eq!(
        problems(&said),
        ["bedcheck.toml:3:10: found no plugin called `smtp`, wanted one of `dns`, `http`, `imap`, `tcp`"]
    );
}

#[test]
fn settings_are_held_against_the_schema_of_the_plugin() {
    let said = refused(
        r#"
        [[check]]
        name = "page"
        plugin = "http"
        allow = ["self"]
        [check.settings]
        url = 7
        methd = "GET"
        expect = { certificate_days = -1, status = ["2xx", "9xx"] }

        [[check]]
        name = "mail"
        plugin = "imap"
        allow = ["self"]
        [check.settings]
        host = "127.0.0.1"
        tls = "startls"
        user = "probe"
        mailboxes = "INBOX"
        "#,
    );
    let wanted = [
        ("7:15", "`settings.url`: found `7`, wanted a string"),
        ("8:9", "`settings.methd`: unknown key, did you mean `method`?"),
        (
            "9:39",
            "`settings.expect.certificate_days`: found `-1`, wanted at least 0",
        ),
        (
            "9:60",
            "`settings.expect.status[1]`: found `\"9xx\"`, wanted a text that matches",
        ),
        ("15:9", "`settings`: "),
        (
            "17:15",
            "`settings.tls`: found `\"startls\"`, wanted `\"implicit\"`, `\"starttls\"` or `\"none\"`",
        ),
        ("19:21", "`settings.mailboxes`: found a string, wanted an array"),
    ];
    let problems = problems(&said);
    assert_eq!(problems.len(), wanted.len(), "{said}");
    for (problem, (place, words)) in problems.iter().zip(wanted) {
        assert!(
            problem.starts_with(&format!("bedcheck.toml:{place}: {words}")),
            "wanted {place} {words} in `{problem}`\n{said}"
        );
    }
    // `user` needs `password`.
    assert!(problems[4].contains("password"), "{said}");
}

#[test]
fn what_only_a_plugin_knows_of_its_settings_is_told_by_validate() {
    let configuration = r#"
        [[check]]
        name = "sizes"
        plugin = "http"
        allow = ["self"]
        settings = { url = "http://www.example.org/", expect = { min_size = 5, max_size = 4 } }

        [[check]]
        name = "unreachable"
        plugin = "http"
        allow = ["self"]
        settings = { url = "http://www.example.org/" }

        [[module]]
        name = "expression"
        plugin = "tcp"
        targets = ["*.example.org:25"]
        settings.steps = [{ expect = "(" }]
    "#;
    let validated = Program::new(["validate", "bedcheck.toml"])
        .file("bedcheck.toml", configuration)
        .finish();
    assert_eq!((validated.code, validated.stdout.as_str()), (Some(64), ""));
    let said = problems(&validated.stderr);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(
        said[0].contains(":6:")
            && said[0].ends_with(
                "the plugin `http` does not take the settings: expect.max_size: found 4, wanted no less than \
                 expect.min_size, which is 5"
            ),
        "{said:#?}"
    );
    assert!(
        said[1].contains(":18:")
            && said[1].contains("the plugin `tcp` does not take the settings: step 1: expect: "),
        "{said:#?}"
    );
}

#[test]
fn a_name_server_that_nobody_can_be_is_refused() {
    for server in ["127.0.0.1:0", "224.0.0.1", "255.255.255.255:53", "[ff02::1]:53"] {
        let said = refused(&format!("resolver.servers = [\"{server}\"]\n"));
        assert!(said.contains("the address of a name server"), "{said}");
    }
}

#[test]
fn settings_that_exclude_each_other_are_named() {
    let said = refused(
        r#"
        [[check]]
        name = "a"
        plugin = "http"
        allow = ["self"]
        [check.settings]
        url = "http://127.0.0.1/"
        method = "CONNECT"
        basic = { user = "ann", password = { secret = "own" } }
        bearer = { secret = "own" }
        [secrets]
        own = { env = "PATH" }
        "#,
    );
    assert_eq!(
        problems(&said),
        [
            "bedcheck.toml:8:18: `settings.method`: found `\"CONNECT\"`, wanted anything but `\"CONNECT\"`",
            "bedcheck.toml:10:9: `settings.bearer`: it does not go together with `basic`",
        ]
    );
}

#[test]
fn a_file_of_authorities_is_told_by_its_option() {
    let said = bedcheck([
        "run",
        "--plugin=http",
        "--set=url=http://127.0.0.1/",
        "--ca-file=/nonexistent",
    ]);
    assert_eq!(said.code, Some(64), "{said:#?}");
    assert!(said.stderr.starts_with("--ca-file: "), "{said:#?}");
}

#[test]
fn a_grant_that_does_not_parse_is_refused() {
    let said = refused(
        "[[check]]\nname = \"a\"\nplugin = \"http\"\nsettings.url = \"http://127.0.0.1/\"\n\
         allow = [\"www.example.org\", \"*.org:443\", \"127.0.0.1:0\"]\n",
    );
    let problems = problems(&said);
    assert_eq!(problems.len(), 3, "{said}");
    for (problem, (column, found)) in
        problems
            .iter()
            .zip([(10, "www.example.org"), (29, "*.org:443"), (42, "127.0.0.1:0")])
    {
        let begin = format!("bedcheck.toml:5:{column}: `check.allow`: found `{found}`, wanted ");
        assert!(problem.starts_with(&begin), "{problem}");
    }
}

#[test]
fn a_missing_secret_is_refused_wherever_it_should_have_come_from() {
    let said = refused(
        r#"
        [[check]]
        name = "variable"
        plugin = "http"
        allow = ["self"]
        settings = { url = "http://127.0.0.1/", bearer = { secret = "variable" } }

        [[check]]
        name = "file"
        plugin = "http"
        allow = ["self"]
        settings = { url = "http://127.0.0.1/", bearer = { secret = "file" } }

        [[check]]
        name = "command"
        plugin = "http"
        allow = ["self"]
        settings = { url = "http://127.0.0.1/", bearer = { secret = "command" } }

        [secrets]
        variable = { env = "BEDCHECK_TEST_SECRET_THAT_IS_NOT_SET" }
        file = { file = "no-such-file" }
        command = { command = ["false"] }
        "#,
    );
    let problems = problems(&said);
    let wanted = [
        (
            21,
            "variable",
            "the environment variable `BEDCHECK_TEST_SECRET_THAT_IS_NOT_SET` is not set",
        ),
        (22, "file", "no-such-file"),
        (23, "command", "`false` ended with exit status: 1"),
    ];
    assert_eq!(problems.len(), wanted.len(), "{said}");
    for (problem, (line, name, reason)) in problems.iter().zip(wanted) {
        let begin = format!("bedcheck.toml:{line}:9: the secret `{name}` could not be read: ");
        assert!(problem.starts_with(&begin), "{problem}");
        assert!(problem.contains(reason), "{problem}");
    }
}

#[test]
fn a_secret_that_is_not_defined_is_refused_at_its_reference() {
    let said = refused(
        "[[check]]\nname = \"a\"\nplugin = \"http\"\nsettings.url = \"http://127.0.0.1/\"\n\
         settings.bearer = { secret = \"tokn\" }\nallow = [\"self\"]\n[secrets]\ntoken = { env = \"HOME\" }\n",
    );
    assert_eq!(
        problems(&said),
        [
            "bedcheck.toml:5:19: `check.settings.bearer`: no secret is called `tokn` in `[secrets]`, did you mean `token`?"
        ]
    );
}

#[test]
fn an_inline_secret_is_refused_and_not_repeated() {
    let said = refused(
        "[[check]]\nname = \"a\"\nplugin = \"http\"\nsettings.url = \"http://127.0.0.1/\"\n\
         settings.bearer = \"hunter2hunter2\"\n[secrets]\ntoken = \"hunter2hunter2\"\n",
    );
    assert!(said.contains("bedcheck.toml:7:"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_refused() {
    for command in ["run", "validate"] {
        for (program, begin) in [
            (
                Program::new([command, "bedcheck.toml"]),
                "bedcheck.toml: the file cannot be read: ",
            ),
            (Program::new([command, "."]), ".: the file cannot be read: "),
            (
                Program::new([command, "bedcheck.toml"]).file("bedcheck.toml", b"name = \"\xff\"\n"),
                "bedcheck.toml",
            ),
            (
                Program::new([command, "bedcheck.toml"]).file("bedcheck.toml", ""),
                "bedcheck.toml: no check",
            ),
        ] {
            let finished = program.finish();
            assert_eq!(
                (finished.code, finished.stdout.as_str()),
                (Some(64), ""),
                "{finished:#?}"
            );
            assert!(finished.stderr.starts_with(begin), "{finished:#?}");
        }
    }
}

#[test]
fn a_command_line_that_means_nothing_is_refused() {
    for arguments in [
        vec![],
        vec!["run"],
        vec!["validate"],
        vec!["rum"],
        vec!["run", "bedcheck.toml", "--fromat", "json"],
        vec!["run", "bedcheck.toml", "--plugin", "http"],
        vec!["run", "--plugin", "http", "--set", "url"],
        vec![
            "run",
            "--plugin",
            "http",
            "--set",
            "url=http://127.0.0.1/",
            "--deadline",
            "5",
        ],
        vec![
            "run",
            "--plugin",
            "http",
            "--set",
            "url=http://127.0.0.1/",
            "--allow",
            "127.0.0.1",
        ],
        vec!["run", "--plugin", "smtp"],
        vec!["run", "--plugin", "http"],
        vec!["demo", "--deadline", "300"],
    ] {
        let finished = bedcheck(&arguments);
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(64), ""),
            "{arguments:?}: {finished:#?}"
        );
        assert!(!finished.stderr.trim().is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_option_that_would_not_be_applied_is_refused() {
    let of_one_check = [
        "--set=url=http://127.0.0.1/",
        "--secret=bearer=env:TOKEN",
        "--deadline=5s",
        "--allow=127.0.0.1:1",
        "--ca-file=missing.pem",
        "--plugins-dir=missing",
    ];
    let of_files = ["--check=missing"];
    let of_live_runs = [
        "--disable=net.connect",
        "--fault=net.read=reset",
        "--record=again",
    ];
    let replay = "--replay=missing";
    let pairs = of_one_check
        .map(|option| ["bedcheck.toml", option])
        .into_iter()
        .chain(of_files.map(|option| ["--plugin=http", option]))
        .chain([
            ["bedcheck.toml", "--plugin=http"],
            ["bedcheck.toml", replay],
            ["--plugin=http", replay],
        ])
        .chain(
            [&of_one_check[..], &of_files, &of_live_runs]
                .concat()
                .into_iter()
                .map(|option| [replay, option]),
        );
    for pair in pairs {
        let finished = Program::new(["run"].iter().chain(&pair))
            .file("bedcheck.toml", checked())
            .finish();
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(64), ""),
            "{pair:?}: {finished:#?}"
        );
        assert!(
            finished.stderr.contains(" cannot be used with"),
            "{pair:?}: {finished:#?}"
        );
    }
}

#[test]
fn all_problems_of_a_configuration_are_told_at_once_whoever_finds_them() {
    let said = refused_with(
        r#"
        plugins.dir = "plugins"

        [[check]]
        name = "key"
        plugin = "http"
        evry = "30s"
        settings.url = "http://127.0.0.1/"

        [[check]]
        name = "unit"
        plugin = "http"
        budget.deadline = "5"
        settings.url = "http://127.0.0.1/"

        [[check]]
        name = "grant"
        plugin = "http"
        allow = ["www.example.org"]
        settings.url = "http://127.0.0.1/"

        [[check]]
        name = "plugin"
        plugin = "smtp"

        [[check]]
        name = "settings"
        plugin = "http"
        allow = ["self"]
        settings = { url = 7 }

        [[check]]
        name = "secret"
        plugin = "http"
        allow = ["self"]
        settings = { url = "http://127.0.0.1/", bearer = { secret = "token" } }

        [secrets]
        token = { env = "BEDCHECK_TEST_SECRET_THAT_IS_NOT_SET" }
        "#,
        &[("plugins/core.wasm", b"\0asm\x01\0\0\0")],
    );
    for words in [
        "unknown key",
        "a duration with a unit",
        "found `www.example.org`",
        "found no plugin called `smtp`",
        "`settings.url`: found `7`",
        "the secret `token` could not be read",
        "plugins/core.wasm: ",
    ] {
        assert!(said.contains(words), "`{words}` is missing in\n{said}");
    }
    assert_eq!(problems(&said).len(), 7, "{said}");
}

#[test]
fn nothing_runs_when_anything_is_wrong() {
    let peer = Script::new().stall().serve();
    let port = peer.port();
    for broken in [
        "budget.deadline = \"5\"",
        "settings.methd = \"GET\"",
        "plugin = \"smtp\"",
    ] {
        let plugin = if broken.starts_with("plugin") {
            ""
        } else {
            "plugin = \"http\"\n"
        };
        let said = refused(&format!(
            "[[check]]\nname = \"good\"\nplugin = \"http\"\nallow = [\"127.0.0.1:{port}\"]\n\
             settings.url = \"http://127.0.0.1:{port}/\"\n\
             [[check]]\nname = \"bad\"\n{plugin}{broken}\nsettings.url = \"http://127.0.0.1:{port}/\"\n"
        ));
        assert!(!problems(&said).is_empty(), "{said}");
    }
    assert_eq!(peer.finish(), []);
}
