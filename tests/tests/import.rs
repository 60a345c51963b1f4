//! The promise: `bedcheck import` turns a configuration of blackbox_exporter into ours, copies no secret, tells with
//! its line whatever it could not turn, and ends with a code that says whether that was anything.

use std::process::Command;

use bedcheck_tests::Program;
use bedcheck_tests::program::executable;

/// A configuration in which everything can be turned.
const WHOLE: &str = r#"
modules:
  page:
    prober: http
    timeout: 5s
    http:
      method: GET
      fail_if_not_ssl: true
      basic_auth: {username: ann, password: hunter2}
  banner:
    prober: tcp
    tcp:
      query_response:
      - expect: "^SSH-2.0-([^ -]+)"
        labels: [{name: version, value: "${1}"}]
"#;

/// One in which something cannot.
const PARTLY: &str = "modules:\n  ping:\n    prober: icmp\n  page:\n    prober: http\n";

/// One with most of what can be told to the probers `http` and `tcp`.
const BROAD: &str = r#"
modules:
  everything:
    prober: http
    timeout: 1500ms
    http:
      valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
      valid_status_codes: [200, 301]
      method: POST
      headers: {Host: front.example.org, Cookie: id=1}
      http_headers:
        Accept-Language: {values: [en]}
        X-Key: {secrets: [hunter2]}
      body: '{"a": "b\\c"}'
      body_size_limit: 5MB
      follow_redirects: false
      fail_if_not_ssl: true
      fail_if_body_matches_regexp: ['it''s "down"', 'a\s+b']
      fail_if_body_not_matches_regexp: ["welcome\n"]
      fail_if_header_matches:
      - {header: Set-Cookie, regexp: '.*', allow_missing: true}
      - {header: Server, regexp: 'old'}
      fail_if_header_not_matches:
      - {header: Content-Type, regexp: '^text/'}
      - {header: Content-Type, regexp: 'utf-8'}
      - {header: Age, regexp: '^\d+$', allow_missing: true}
      basic_auth: {username: ann, password: hunter2}
      compression: deflate
      tls_config: {insecure_skip_verify: true, server_name: front.example.org, min_version: TLS13}
  nothing:
    prober: http
  bearer:
    prober: http
    http: {bearer_token: hunter2}
  dialogue:
    prober: tcp
    tcp:
      query_response:
      - expect: '^220 (?P<host>[^ ]+) "ESMTP"'
        labels: [{name: Host, value: "$host"}]
        send: "EHLO $host $$\r"
      - send: !!binary AAT/
      - send: "AUTH PLAIN hunter2"
      - expect_bytes: S
      - expect_bytes: !!binary AAT/
      - starttls: true
  over_tls:
    prober: tcp
    tcp: {tls: true}
  connect:
    prober: tcp
"#;

fn import(yaml: &str) -> Program {
    Program::new(["import", "blackbox.yml"]).file("blackbox.yml", yaml)
}

#[test]
fn a_file_that_can_be_turned_as_a_whole_ends_with_0() {
    let finished = import(WHOLE).argument("--targets=*.example.org:443").finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    for line in [
        r#"name = "page""#,
        r#"budget.deadline = "5s""#,
        r#"targets = ["*.example.org:443"]"#,
        r#"basic = { user = "ann", password = { secret = "page-password" } }"#,
        r#"page-password = { env = "PAGE_PASSWORD" }"#,
        r#"  { expect = "^SSH-2.0-([^ -]+)", labels = { version = "${1}" } },"#,
    ] {
        assert!(
            finished.stdout.lines().any(|found| found == line),
            "{line}: {finished:#?}"
        );
    }
    assert!(!finished.mentions("hunter2"), "{finished:#?}");
    let told = "blackbox.yml: line 9: module `page`: note: the password is not copied: put it into the environment \
                variable `PAGE_PASSWORD`\nblackbox.yml: 2 modules turned, 0 things left out\n";
    assert_eq!(finished.stderr, told);
}

#[test]
fn what_is_left_out_is_told_twice_and_ends_with_1() {
    let finished = import(PARTLY).finish();
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let why = "the module: its prober is `icmp`, and raw sockets are nothing that a sandboxed plugin gets";
    let told = format!("blackbox.yml: line 3: module `ping`: left out: {why}\n");
    assert!(finished.stderr.contains(&told), "{finished:#?}");
    assert!(
        finished.stdout.contains(&format!("# line 3: left out: {why}\n")),
        "{finished:#?}"
    );
    assert!(finished.stdout.contains("targets = []\n"), "{finished:#?}");
}

#[test]
fn what_comes_out_is_a_configuration() {
    let finished = import(BROAD).argument("--targets=*.example.org:443").finish();
    // The label has a capital letter.
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(
        finished.stderr.ends_with("6 modules turned, 1 thing left out\n"),
        "{finished:#?}"
    );
    assert!(!finished.mentions("hunter2"), "{finished:#?}");
    let variables = [
        "EVERYTHING_COOKIE",
        "EVERYTHING_X_KEY",
        "EVERYTHING_PASSWORD",
        "BEARER_TOKEN",
        "DIALOGUE_SEND_4",
    ];
    let validate = Program::new(["validate", "ours.toml"]).file("ours.toml", &finished.stdout);
    let validated = variables
        .into_iter()
        .fold(validate, |program, variable| program.env(variable, "a secret"))
        .finish();
    assert_eq!(validated.code, Some(0), "{validated:#?}\n{}", finished.stdout);
    assert!(
        validated.stdout.contains("0 checks, 6 modules, nothing wrong"),
        "{validated:#?}"
    );
}

/// A module that can be turned, and others whose plugins would not take what comes out.
fn refused_by_plugins() -> String {
    let rules: String = (0..40).map(|rule| format!("        - r{rule}\n")).collect();
    format!(
        "modules:\n  sound:\n    prober: http\n    http:\n      tls_config: {{ca_file: missing.pem}}\n      bearer_token: hunter2\n\
         \x20 colon:\n    prober: http\n    http:\n      basic_auth: {{username: \"ann:bob\", password: hunter3}}\n\
         \x20 method:\n    prober: http\n    http: {{method: CONNECT}}\n\
         \x20 space:\n    prober: http\n    http: {{method: \"GET \"}}\n\
         \x20 rules:\n    prober: dns\n    dns:\n      query_name: example.org\n      query_type: A\n      \
         validate_answer_rrs:\n        fail_if_matches_regexp:\n{rules}"
    )
}

#[test]
fn what_a_plugin_would_not_take_is_left_out() {
    let finished = import(&refused_by_plugins())
        .argument("--targets=*.example.org:443")
        .finish();
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    for told in [
        "line 7: module `colon`: left out: the module: `settings.basic.user`: found ",
        "line 11: module `method`: left out: the module: `settings.method`: found ",
        "line 14: module `space`: left out: the module: `settings.method`: found ",
        "line 17: module `rules`: left out: the module: `settings.expect.validate_answer.fail_if_matches_regexp`: found ",
        "1 module turned, 4 things left out",
    ] {
        assert!(finished.stderr.contains(told), "{told}: {finished:#?}");
    }
    assert!(
        !finished.stdout.contains("COLON"),
        "no secret of a module that is not there: {finished:#?}"
    );
    let validated = Program::new(["validate", "ours.toml"])
        .file(
            "ours.toml",
            finished.stdout.replace("tls.ca_file", "# tls.ca_file"),
        )
        .env("BEARER_TOKEN", "a secret")
        .env("SOUND_TOKEN", "a secret")
        .finish();
    assert_eq!(validated.code, Some(0), "{validated:#?}\n{}", finished.stdout);
}

#[test]
fn the_output_is_a_new_file() {
    let finished = import(WHOLE).argument("--output=ours.toml").finish();
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), ""),
        "{finished:#?}"
    );
    let finished = import(WHOLE)
        .file("ours.toml", "# edited")
        .argument("--output=ours.toml")
        .finish();
    assert_eq!(finished.code, Some(64), "{finished:#?}");
    assert_eq!(
        finished.stderr,
        "ours.toml: found something there, wanted a file to make\n"
    );
}

#[test]
fn an_output_that_cannot_be_written_is_not_left_there() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("blackbox.yml"), WHOLE).expect("written");
    // A limit instead of a full disk.
    let ended = Command::new("sh")
        .args([
            "-c",
            "ulimit -f 0; exec \"$0\" import blackbox.yml --output=ours.toml",
        ])
        .arg(executable())
        .current_dir(&folder)
        .output()
        .expect("there is a shell");
    assert_eq!(ended.status.code(), Some(64), "{ended:?}");
    assert_eq!(
        String::from_utf8_lossy(&ended.stderr),
        "ours.toml: File too large (os error 27)\n"
    );
    assert!(!folder.path().join("ours.toml").exists());
}

#[test]
fn what_cannot_be_read_ends_with_64() {
    for (yaml, told) in [
        ("modules:\n  a: b: c", "blackbox.yml: line 2: not YAML"),
        ("check: []", "blackbox.yml: line 1: found no key `modules`"),
    ] {
        let finished = import(yaml).finish();
        assert_eq!(finished.code, Some(64), "{finished:#?}");
        assert!(finished.stderr.contains(told), "{finished:#?}");
    }
    let missing = Program::new(["import", "missing.yml"]).finish();
    assert_eq!(missing.code, Some(64), "{missing:#?}");
    let wrong = import(WHOLE).argument("--targets=*:443").finish();
    assert_eq!(wrong.code, Some(64), "{wrong:#?}");
    assert!(wrong.stderr.starts_with("--targets *:443: "), "{wrong:#?}");
}

#[test]
fn a_module_that_its_plugin_would_not_take_is_left_out_with_what_the_plugin_says() {
    let nine = r"^(?P<a>.)(?P<b>.)(?P<c>.)(?P<d>.)(?P<e>.)(?P<f>.)(?P<g>.)(?P<h>.)(?P<i>.)";
    let configuration = format!(
        r#"
modules:
  groups:
    prober: tcp
    tcp:
      query_response:
      - expect: "{nine}"
  name:
    prober: dns
    dns: {{query_name: a..b}}
  page:
    prober: http
  head:
    prober: http
    http: {{method: HEAD, body: x}}
"#
    );
    let finished = Program::new(["import", "blackbox.yml"])
        .file("blackbox.yml", &configuration)
        .finish();
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    for (module, plugin) in [("groups", "tcp"), ("name", "dns"), ("head", "http")] {
        let words = format!(
            "module `{module}`: left out: the module: the plugin `{plugin}` does not take the settings: "
        );
        assert!(finished.stderr.contains(&words), "{words}{finished:#?}");
        assert!(
            !finished.stdout.contains(&format!("name = \"{module}\"")),
            "{finished:#?}"
        );
    }
    assert!(finished.stdout.contains("name = \"page\""), "{finished:#?}");
    assert!(
        finished
            .stderr
            .ends_with("blackbox.yml: 1 module turned, 3 things left out\n"),
        "{finished:#?}"
    );
}
