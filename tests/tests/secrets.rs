//! The promise: a secret reaches the server it is meant for and nobody else. It is in no output, no standard
//! error, no diagnostics and no telemetry, raw or in base64, whatever the server says back and however a run
//! ends.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bedcheck_tests::Program;
use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::{Peer, Script};

/// With characters that JSON, URLs and base64 write differently.
const PASSWORD: &str = r#"s3same-gate/"öffne\dich"+?"#;
const USER: &str = "probe";

const FORMATS: [&str; 3] = ["text", "json", "nagios"];

/// A web server's answer to everything, also to telemetry.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How the password crosses the network: as SASL PLAIN (RFC 4616).
fn plain() -> String {
    STANDARD.encode(format!("\0{USER}\0{PASSWORD}"))
}

/// Everything that would give the password away.
fn traces() -> Vec<Vec<u8>> {
    let encoded = [
        PASSWORD.to_owned(),
        format!("\0{USER}\0{PASSWORD}"),
        format!("{USER}:{PASSWORD}"),
        format!("user:{PASSWORD}"),
    ];
    let json = serde_json::Value::from(PASSWORD).to_string();
    let hexadecimal = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = PASSWORD
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let written = [
        PASSWORD.to_owned(),
        json[1..json.len() - 1].to_owned(),
        hexadecimal,
        percent,
        PASSWORD.escape_default().to_string(),
        PASSWORD.as_bytes().escape_ascii().to_string(),
    ];
    // Without padding a text is found in one with it.
    let encoded = encoded.map(|text| STANDARD_NO_PAD.encode(text));
    written
        .into_iter()
        .chain(encoded)
        .map(String::into_bytes)
        .collect()
}

#[track_caller]
fn assert_without_password(where_: &str, bytes: &[u8]) {
    for trace in traces() {
        let found = bytes.windows(trace.len()).any(|window| window == trace);
        assert!(
            !found,
            "{where_} has `{}`:\n{}",
            trace.escape_ascii(),
            String::from_utf8_lossy(bytes)
        );
    }
}

/// How the password is given.
#[derive(Clone, Copy, Debug)]
enum Source {
    Variable,
    File,
    Command,
}

/// Runs one check in every format, with everything on that could show the password: telemetry, diagnostics,
/// and looks for it in all that comes out. Returns what was printed, one format after the other.
#[track_caller]
fn run_from(source: Source, check: &str, exit_code: i32) -> Vec<String> {
    let secret = match source {
        Source::Variable => "{ env = \"PROBE_PASSWORD\" }",
        Source::File => "{ file = \"password\" }",
        Source::Command => "{ command = [\"cat\", \"password\"] }",
    };
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    let run = |format: &str| {
        let collector = Script::new()
            .expect_through("\r\n\r\n")
            .send(OK)
            .hang_up()
            .serve();
        let configuration = format!(
            "[otlp]\nendpoint = \"http://127.0.0.1:{}\"\nprotocol = \"http/protobuf\"\n\
             [plugins]\ndir = \".\"\n[secrets]\nprobe = {secret}\n[[check]]\nname = \"the-check\"\n{check}\n",
            collector.port()
        );
        let program =
            Program::new(["run", "bedcheck.toml", "--format", format]).file("bedcheck.toml", configuration);
        let program = match source {
            Source::Variable => program.env("PROBE_PASSWORD", PASSWORD),
            // As an editor leaves it.
            Source::File | Source::Command => program.file("password", format!("{PASSWORD}\n")),
        };
        let finished = program
            .file("guest.wasm", &guest)
            .env("RUST_LOG", "trace")
            .finish();
        assert_eq!(
            finished.code,
            Some(exit_code),
            "{source:?} {format}: {finished:#?}"
        );
        assert_without_password("standard output", finished.stdout.as_bytes());
        assert_without_password("standard error", finished.stderr.as_bytes());
        let exports = collector.finish();
        for (signal, path) in [("traces", "/v1/traces"), ("metrics", "/v1/metrics")] {
            // The name of the check shows that the export can be read at all.
            let readable = exports
                .iter()
                .map(|export| export.text())
                .find(|text| text.starts_with(&format!("POST {path} ")))
                .is_some_and(|text| text.contains("the-check"));
            assert!(readable, "no {signal} were exported: {exports:#?}");
        }
        for export in exports {
            assert_without_password("the telemetry", &export.received);
        }
        finished.stdout
    };
    FORMATS.iter().map(|format| run(format)).collect()
}

#[track_caller]
fn run(check: &str, exit_code: i32) -> Vec<String> {
    run_from(Source::Variable, check, exit_code)
}

fn imap(port: u16) -> String {
    format!(
        "plugin = \"imap\"\nallow = [\"127.0.0.1:{port}\"]\nbudget.deadline = \"3s\"\n\
         settings = {{ host = \"127.0.0.1\", port = {port}, tls = \"none\", user = \"{USER}\", \
         password = {{ secret = \"probe\" }} }}"
    )
}

fn http(port: u16, settings: &str) -> String {
    format!(
        "plugin = \"http\"\nallow = [\"127.0.0.1:{port}\"]\nbudget.deadline = \"3s\"\n[check.settings]\n\
         url = \"http://127.0.0.1:{port}/\"\n{settings}"
    )
}

fn guest(behaviour: &str, port: u16) -> String {
    format!(
        "plugin = \"guest\"\nallow = [\"127.0.0.1:{port}\"]\nbudget.deadline = \"3s\"\n\
         settings = {{ behaviour = \"{behaviour}\", host = \"127.0.0.1\", port = {port}, secret = {{ secret = \"probe\" }} }}"
    )
}

/// Every connection has brought this.
#[track_caller]
fn assert_received(peer: Peer, secret: &str) {
    let transcripts = peer.finish();
    assert_eq!(transcripts.len(), FORMATS.len());
    for transcript in transcripts {
        assert_eq!(transcript.mismatch, None, "{}", transcript.text());
        assert!(
            transcript.text().contains(secret),
            "`{secret}` did not arrive: {}",
            transcript.text()
        );
    }
}

/// A mail server that takes `AUTHENTICATE PLAIN` at once and answers it with this.
fn sasl_server(answer: &str) -> Peer {
    Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
        .expect(format!("A1 AUTHENTICATE PLAIN {}\r\n", plain()))
        .send(answer)
        .stall()
        .serve()
}

/// What a server may know of the password, and say.
fn repeated() -> String {
    format!(
        "{PASSWORD} {} {} {USER}:{PASSWORD}",
        plain(),
        STANDARD.encode(PASSWORD)
    )
}

#[test]
fn a_wrong_password_that_the_server_repeats_is_struck_out() {
    let server = sasl_server(&format!("A1 NO [AUTHENTICATIONFAILED] not {}\r\n", repeated()));
    let shown = run(&imap(server.port()), 2);
    for output in shown {
        assert!(output.contains("auth.rejected"), "{output}");
        assert!(output.contains("[redacted]"), "{output}");
    }
    assert_received(server, &plain());
}

#[test]
fn a_right_password_that_the_server_repeats_is_struck_out() {
    let repeated = repeated();
    let server = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n")
        .expect(format!("A1 AUTHENTICATE PLAIN {}\r\n", plain()))
        .send(format!(
            "* OK [ALERT] change {repeated}\r\nA1 OK [CAPABILITY IMAP4rev1] it was {repeated}\r\n"
        ))
        .expect_through("\r\n")
        .send(format!("A2 NO [NONEXISTENT] INBOX of {repeated}\r\n"))
        .stall()
        .serve();
    let shown = run(&imap(server.port()), 2);
    for output in shown {
        assert!(
            output.contains("NONEXISTENT") && output.contains("[redacted]"),
            "{output}"
        );
    }
    assert_received(server, &plain());
}

#[test]
fn a_password_in_what_breaks_the_protocol_is_struck_out() {
    let server = sasl_server(&format!("{}\r\n", repeated()));
    let shown = run(&imap(server.port()), 2);
    assert!(shown[0].contains("protocol.unexpected_response"), "{}", shown[0]);
    assert_received(server, &plain());
}

#[test]
fn a_password_that_is_cut_off_where_a_long_answer_is_shortened_is_struck_out() {
    // Plugins show 200 characters of an answer. From 8 bytes on, a beginning of a secret counts as the secret.
    for padding in (176..200).step_by(3) {
        let long = format!("{}{PASSWORD}", "x".repeat(padding));
        let mail = sasl_server(&format!("A1 NO {long}\r\n"));
        let web = Script::new()
            .expect_through("\r\n\r\n")
            .send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}",
                long.len()
            ))
            .hang_up()
            .serve();
        let page = http(
            web.port(),
            "bearer = { secret = \"probe\" }\nexpect.body_contains = \"welcome\"",
        );
        for check in [imap(mail.port()), page] {
            for output in run(&check, 2) {
                assert!(
                    output.contains("xxxx") || output.contains("[redacted]"),
                    "{padding}: {output}"
                );
                assert!(!output.contains(&PASSWORD[..8]), "{padding}: {output}");
            }
        }
    }
}

#[test]
fn login_sends_the_password_as_a_literal_and_shows_it_nowhere() {
    let literal = |text: &str| format!("{{{}}}\r\n", text.len());
    let server = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1] ready\r\n")
        .expect(format!("A1 LOGIN {}", literal(USER)))
        .send("+ go on\r\n")
        .expect(format!("{USER} {}", literal(PASSWORD)))
        .send(format!("+ {PASSWORD}?\r\n"))
        .expect(format!("{PASSWORD}\r\n"))
        .send(format!("A1 NO LOGIN {USER} {PASSWORD} failed\r\n"))
        .stall()
        .serve();
    let shown = run(&imap(server.port()), 2);
    assert!(shown[0].contains("LOGIN probe [redacted] failed"), "{}", shown[0]);
    assert_received(server, PASSWORD);
}

#[test]
fn a_web_server_that_repeats_the_credentials_is_quoted_without_them() {
    let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let body = format!("no entry for {} or {basic}", repeated());
    let server = Script::new()
        .expect_through("\r\n\r\n")
        .send(format!(
            "HTTP/1.1 403 {PASSWORD}\r\nX-Echo: {basic}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .hang_up()
        .serve();
    let settings = format!(
        "basic = {{ user = \"{USER}\", password = {{ secret = \"probe\" }} }}\n\
         expect = {{ status = 200, body_contains = \"welcome\", headers = {{ x-echo = \"^welcome$\" }}, \
         json = {{ \"/status\" = \"up\" }} }}"
    );
    let shown = run(&http(server.port(), &settings), 2);
    assert!(
        shown[0].contains("assertion_failed") && shown[0].contains("[redacted]"),
        "{}",
        shown[0]
    );
    assert_received(server, &format!("Basic {basic}"));
}

#[test]
fn a_token_in_a_redirect_is_struck_out() {
    let token = "open-sesame-4711";
    let server = Script::new()
        .expect_through("\r\n\r\n")
        .send(format!(
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/{token}?token={token}\r\nContent-Length: 0\r\n\r\n"
        ))
        .hang_up()
        .serve();
    for format in FORMATS {
        let settings = "bearer = { secret = \"probe\" }";
        let configuration = format!(
            "[[check]]\nname = \"a\"\n{}\n[secrets]\nprobe = {{ env = \"TOKEN\" }}\n",
            http(server.port(), settings)
        );
        let finished = Program::new(["run", "bedcheck.toml", "--format", format])
            .file("bedcheck.toml", configuration)
            .env("TOKEN", token)
            .finish();
        assert_eq!(finished.code, Some(3), "{finished:#?}");
        assert!(
            finished.mentions("grant_denied") && !finished.mentions(token),
            "{finished:#?}"
        );
    }
    assert_received(server, token);
}

#[test]
fn secrets_from_variables_files_and_commands_are_kept_alike() {
    for source in [Source::Variable, Source::File, Source::Command] {
        let server = sasl_server(&format!("A1 NO [AUTHENTICATIONFAILED] not {}\r\n", repeated()));
        run_from(source, &imap(server.port()), 2);
        assert_received(server, &plain());
    }
}

#[test]
fn a_plugin_that_says_and_logs_what_the_server_repeats_gives_nothing_away() {
    let encoded = STANDARD.encode(format!("user:{PASSWORD}"));
    let server = Script::new()
        .expect(format!("{PASSWORD} {encoded}\n"))
        .send(format!("{PASSWORD} {encoded} {}\n", STANDARD.encode(PASSWORD)))
        .stall()
        .serve();
    let shown = run(&guest("confess", server.port()), 2);
    let report: serde_json::Value = serde_json::from_str(&shown[1]).expect("a report");
    for said in [&report["error"]["message"], &report["log"][0]["message"]] {
        assert_eq!(said, "[redacted] [redacted] [redacted]", "{report:#}");
    }
    assert_received(server, &encoded);
}

#[test]
fn a_plugin_that_crashes_gives_nothing_away() {
    let server = Script::new().stall().serve();
    for behaviour in ["panic", "recurse", "hoard"] {
        run(&guest(behaviour, server.port()), 3);
    }
}

#[test]
fn a_secret_of_several_lines_that_a_plugin_prints_and_panics_with_is_struck_out() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n47+11/ZqFJ0cVYkK2t1x\n-----END KEY-----";
    // As many lines as leave all of it, its beginning, and nothing of it in what is kept.
    for count in [0, 100, 2000] {
        let server = Script::new().send(format!("<{key}>\n")).hang_up().serve();
        let settings = guest("print-answer-and-panic", server.port());
        let settings = settings.replace("behaviour =", &format!("count = {count}, behaviour ="));
        for format in FORMATS {
            let finished = Program::new(["run", "bedcheck.toml", "--format", format])
                .file(
                    "bedcheck.toml",
                    format!(
                        "plugins.dir = \".\"\n[secrets]\nprobe = {{ file = \"key\" }}\n[[check]]\nname = \"a\"\n{settings}"
                    ),
                )
                .file("key", key)
                .file("guest.wasm", fs::read(guest_plugin()).expect("the guest is built"))
                .finish();
            assert_eq!(finished.code, Some(3), "{finished:#?}");
            assert!(finished.mentions("<[redacted]>"), "{finished:#?}");
            for line in key.lines() {
                assert!(!finished.mentions(line), "{count}: `{line}` in {finished:#?}");
            }
        }
    }
}

#[test]
fn a_token_in_the_host_of_a_redirect_is_struck_out_although_it_has_lost_its_case() {
    let token = "Open-Sesame-4711";
    let server = Script::new()
        .expect_through("\r\n\r\n")
        .send(format!(
            "HTTP/1.1 302 Found\r\nLocation: http://{token}.idp.test/\r\nContent-Length: 0\r\n\r\n"
        ))
        .hang_up()
        .serve();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recording = folder.path().join("recording");
    for format in FORMATS {
        let check = http(server.port(), "bearer = { secret = \"probe\" }");
        let configuration =
            format!("[[check]]\nname = \"a\"\n{check}\n[secrets]\nprobe = {{ env = \"TOKEN\" }}\n");
        let finished = Program::new(["run", "bedcheck.toml", "--format", format, "--record"])
            .argument(&recording)
            .file("bedcheck.toml", configuration)
            .env("TOKEN", token)
            .finish();
        assert_eq!(finished.code, Some(3), "{finished:#?}");
        assert!(finished.mentions("[redacted].idp.test"), "{finished:#?}");
        let recorded = fs::read_to_string(&recording).expect("a recording is text");
        for written in [token, &token.to_ascii_lowercase()] {
            assert!(!finished.mentions(written), "{finished:#?}");
            assert!(!recorded.contains(written), "{recorded}");
        }
    }
    assert_received(server, token);
}

#[test]
fn a_missing_secret_is_told_without_the_others() {
    let finished = Program::run(&format!(
        "[[check]]\nname = \"a\"\n{}\n[[check]]\nname = \"b\"\n{}\n\
         [secrets]\nprobe = {{ env = \"PROBE_PASSWORD\" }}\nother = {{ env = \"BEDCHECK_TEST_SECRET_THAT_IS_NOT_SET\" }}\n",
        imap(1),
        imap(1).replace("\"probe\" }", "\"other\" }")
    ))
    .env("PROBE_PASSWORD", PASSWORD)
    .finish();
    assert_eq!(finished.code, Some(64), "{finished:#?}");
    assert_without_password("standard error", finished.stderr.as_bytes());
}
