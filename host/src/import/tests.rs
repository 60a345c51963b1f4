//! Whole configurations turned. The texts are ours, modelled on what blackbox_exporter can be told.

use super::*;

fn turned(text: &str) -> Imported {
    import(text, "blackbox.yml", &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// The notes as `12 left out: …`.
fn notes(imported: &Imported) -> Vec<String> {
    imported.notes.iter().map(ToString::to_string).collect()
}

/// The part of the output from the first module on.
fn modules(imported: &Imported) -> &str {
    let first = imported.toml.find("[[module]]").expect("there is a module");
    &imported.toml[first..]
}

#[test]
fn http() {
    let imported = turned(
        r#"
modules:
  page:
    prober: http
    timeout: 5s
    http:
      valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
      valid_status_codes: [200, 204]
      method: post
      headers:
        Host: front.example.org
      http_headers:
        Accept-Language:
          values: ["en"]
      body: '{}'
      body_size_limit: 5MB
      follow_redirects: false
      fail_if_not_ssl: true
      fail_if_body_matches_regexp: ['database \S+ down']
      fail_if_body_not_matches_regexp: ["welcome"]
      fail_if_header_matches:
      - header: Set-Cookie
        regexp: '.*'
        allow_missing: true
      - header: Server
        regexp: 'old'
      fail_if_header_not_matches:
      - header: Content-Type
        regexp: '^text/'
      - header: content-type
        regexp: 'utf-8'
      - header: Age
        regexp: '^\d+$'
        allow_missing: true
      compression: gzip
      tls_config:
        ca_file: /etc/ca.pem
        cert_file: /etc/cert.pem
        key_file: /etc/key.pem
        server_name: page.example.org
        min_version: TLS13
"#,
    );
    assert_eq!(notes(&imported), [""; 0]);
    assert!(imported.is_whole());
    assert_eq!(
        modules(&imported),
        r#"[[module]]
name = "page"
plugin = "http"
targets = []
budget.deadline = "5s"
tls.ca_file = "/etc/ca.pem"
tls.client_certificate = "/etc/cert.pem"
tls.client_key = "/etc/key.pem"
tls.server_name = "page.example.org"
budget.fuel = 9437184000
[module.settings]
method = "POST"
expect.encoding = "gzip"
headers = { Host = "front.example.org", Accept-Language = "en", Accept-Encoding = "gzip" }
body = "{}"
max_body = 5242880
redirects = 0
expect.status = [200, 204]
expect.http_version = ["1.1"]
expect.tls = true
expect.body_not_matches = ['database \S+ down']
expect.body_matches = ["welcome"]
expect.headers_not_match = { Set-Cookie = ".*", Server = { matches = "old", required = true } }
expect.headers = { Content-Type = ["^text/", "utf-8"], Age = { matches = '^\d+$', required = false } }
expect.tls_version = "1.3"
"#
    );
}

#[test]
fn what_http_cannot_do_is_said_with_its_line() {
    let imported = turned(
        r#"modules:
  a:
    prober: http
    http:
      proxy_url: http://127.0.0.1:3128
      fail_if_body_json_matches_cel: body.x == 1
      enable_http3: true
      valid_http_versions: ["HTTP/3.0"]
      preferred_ip_protocol: ip4
      ip_protocol_fallback: true
      fail_if_body_matches_regexp: ['\p{Greek}']
      no_such_key: 1
      compression: br
"#,
    );
    let lines: Vec<usize> = imported.notes.iter().map(|note| note.line).collect();
    assert_eq!(lines, [5, 6, 7, 8, 9, 11, 12, 13]);
    assert!(imported.notes.iter().all(|note| note.is_left_out));
    assert!(
        notes(&imported)[0]
            .starts_with("line 5: module `a`: left out: `http.proxy_url`: there are no proxies")
    );
    for note in &imported.notes {
        let comment = format!("# line {}: left out: {}\n", note.line, note.message);
        assert!(imported.toml.contains(&comment), "{comment}\n{}", imported.toml);
    }
    assert!(!imported.is_whole());
}

#[test]
fn secrets_are_never_copied() {
    let imported = turned(
        r#"
modules:
  basic:
    prober: http
    http:
      basic_auth: {username: ann, password: hunter1}
      headers: {X-Api-Key: hunter2, Cookie: id=hunter3, Accept: text/html}
      http_headers:
        X-One: {secrets: [hunter4]}
        X-Two: {files: [/run/two]}
      body: '{"password": "hunter5"}'
      oauth2: {client_id: x, client_secret: hunter6}
      proxy_connect_header: {Proxy-Authorization: [Bearer hunter7]}
      tls_config: {key: hunter8}
  bearer:
    prober: http
    http: {authorization: {credentials: hunter9}}
  digest:
    prober: http
    http: {authorization: {type: Digest, credentials: hunter10}}
  old:
    prober: http
    http: {bearer_token: hunter11}
  files:
    prober: http
    http:
      basic_auth: {username: ann, password_file: /run/password}
  imap:
    prober: tcp
    tcp:
      query_response:
      - send: "a LOGIN ann hunter12"
      - send: "AUTH PLAIN hunter13\r"
      - expect: "334"
        send: "hunter14=="
      - send: "QUIT"
      - send: "PASS hunter15"
      - send: "GET / HTTP/1.0\r\nAuthorization: Basic hunter16\r\n"
      - send: "USER probe\r\nPASS hunter17\r"
      - send: "EHLO x\r\nAUTH PLAIN hunter18\r\nNOOP\r"
      - send: !!binary UEFTUyBodW50ZXIxOQ0=
      - send: !!binary //4KUEFTUyBodW50ZXIyMA==
      - send: |
          STAT
          AUTH LOGIN
          hunter21
"#,
    );
    let everything = format!("{}{:?}", imported.toml, imported.notes);
    assert!(!everything.contains("hunter"), "{everything}");
    for line in [
        r#"basic = { user = "ann", password = { secret = "basic-password" } }"#,
        r#"headers = { X-Api-Key = { secret = "basic-x-api-key" }, Cookie = { secret = "basic-cookie" }, Accept = "text/html", X-One = { secret = "basic-x-one" }, X-Two = { secret = "basic-x-two" } }"#,
        r#"bearer = { secret = "bearer-token" }"#,
        r#"headers = { Authorization = { secret = "digest-authorization" } }"#,
        r#"bearer = { secret = "old-token" }"#,
        r#"basic-password = { env = "BASIC_PASSWORD" }"#,
        r#"basic-x-two = { file = "/run/two" }"#,
        r#"files-password = { file = "/run/password" }"#,
        r#"  { send = ["a LOGIN ", { secret = "imap-send-1" }, "\n"] },"#,
        r#"  { send = ["AUTH PLAIN ", { secret = "imap-send-2" }, "\r\n"] },"#,
        r#"  { send = [{ secret = "imap-send-4" }, "\n"] },"#,
        r#"  { send = "QUIT\n" },"#,
        r#"  { send = ["PASS ", { secret = "imap-send-6" }, "\n"] },"#,
        r#"  { send = ["GET / HTTP/1.0\r\n", { secret = "imap-send-7" }, "\r\n\n"] },"#,
        r#"  { send = ["USER probe\r\nPASS ", { secret = "imap-send-8" }, "\r\n"] },"#,
        r#"  { send = ["EHLO x\r\nAUTH PLAIN ", { secret = "imap-send-9" }, "\r\nNOOP\r\n"] },"#,
        r#"  { send = ["PASS ", { secret = "imap-send-10" }, "\r\n"] },"#,
        r#"  { send = [{ secret = "imap-send-11" }, "\n"] },"#,
        r#"  { send = ["STAT\nAUTH LOGIN\n", { secret = "imap-send-12" }, "\n\n"] },"#,
    ] {
        assert!(
            imported.toml.lines().any(|found| found == line),
            "{line}\n{}",
            imported.toml
        );
    }
}

#[test]
fn each_secret_has_a_variable_of_its_own() {
    let module = |name: &str| format!("  {name}: {{prober: http, http: {{bearer_token: x}}}}\n");
    let names = ["mail-1", "mail_1", "Mail.1", "MAIL-1-TOKEN-2", "1"];
    let imported = turned(&("modules:\n".to_owned() + &names.map(module).concat()));
    let secrets = imported
        .toml
        .split("[secrets]\n")
        .nth(1)
        .expect("there are secrets");
    let lines: BTreeSet<&str> = secrets.lines().collect();
    let wanted = [
        r#"mail-1-token = { env = "MAIL_1_TOKEN" }"#,
        r#"mail_1-token = { env = "MAIL_1_TOKEN_2" }"#,
        r#""Mail.1-token" = { env = "MAIL_1_TOKEN_3" }"#,
        r#"MAIL-1-TOKEN-2-token = { env = "MAIL_1_TOKEN_2_TOKEN" }"#,
        r#"1-token = { env = "_1_TOKEN" }"#,
    ];
    assert_eq!(lines, BTreeSet::from(wanted));
    for line in wanted {
        let variable = line.split('"').rev().nth(1).expect("it is in quotes");
        let told = format!("put it into the environment variable `{variable}`");
        let noted = imported.notes.iter().filter(|note| note.message.ends_with(&told));
        assert_eq!(noted.count(), 1, "{variable}");
    }
}

#[test]
fn a_bearer_token_is_given_once() {
    let imported = turned(
        "modules:\n  m:\n    prober: http\n    http:\n      bearer_token: x\n      bearer_token_file: /t\n      \
         authorization: {credentials: y}\n",
    );
    let lines: Vec<usize> = imported
        .notes
        .iter()
        .filter(|note| note.is_left_out)
        .map(|note| note.line)
        .collect();
    assert_eq!(lines, [6, 7], "{:?}", imported.notes);
    assert_eq!(imported.toml.matches("bearer = ").count(), 1, "{}", imported.toml);
}

#[test]
fn a_body_may_be_as_large_as_the_plugin_takes_where_there_is_no_limit() {
    for (table, most, is_told) in [
        ("", 16 << 20, false),
        ("    http: {}\n", 16 << 20, false),
        ("    http: {body_size_limit: 0}\n", 16 << 20, true),
        ("    http: {body_size_limit: 1KB}\n", 1 << 10, false),
    ] {
        let imported = turned(&format!("modules:\n  m:\n    prober: http\n{table}"));
        let line = format!("max_body = {most}");
        assert!(
            imported.toml.lines().any(|found| found == line),
            "{table}: {}",
            imported.toml
        );
        assert!(imported.is_whole(), "{table}: {:?}", imported.notes);
        let told = imported
            .notes
            .iter()
            .any(|note| note.line == 4 && note.message.contains("16777216"));
        assert_eq!(told, is_told, "{table}: {:?}", imported.notes);
    }
}

#[test]
fn a_body_that_is_looked_through_has_the_fuel_for_it() {
    for (limit, fuel) in [
        ("", Some("45298483200")),
        ("body_size_limit: 3MB, ", Some("8493465600")),
        ("body_size_limit: 1KB, ", None),
    ] {
        let imported = turned(&format!(
            "modules:\n  m:\n    prober: http\n    http: {{{limit}fail_if_body_matches_regexp: [a, b], \
             fail_if_body_not_matches_regexp: [c]}}\n"
        ));
        let found = imported
            .toml
            .lines()
            .find_map(|line| line.strip_prefix("budget.fuel = "));
        assert_eq!(found, fuel, "{limit}");
    }
}

#[test]
fn that_tls_1_3_fails_targets_without_tls_is_told_where_they_may_be() {
    for (more, is_told) in [
        ("", true),
        (", fail_if_not_ssl: true", false),
        (", fail_if_not_ssl: false", true),
    ] {
        let imported = turned(&format!(
            "modules:\n  m:\n    prober: http\n    http: {{tls_config: {{min_version: TLS13}}{more}}}\n"
        ));
        assert!(imported.is_whole(), "{:?}", imported.notes);
        let told = imported
            .notes
            .iter()
            .any(|note| note.message.contains("a target without TLS fails too"));
        assert_eq!(told, is_told, "{more}: {:?}", imported.notes);
    }
}

#[test]
fn tcp() {
    let imported = turned(
        r#"
modules:
  smtp:
    prober: tcp
    tcp:
      query_response:
      - expect: "^220 ([^ ]+) ESMTP (?P<software>.+)$"
        labels:
        - name: host
          value: "${1}"
        send: "EHLO $1 $$5\r"
      - send: "costs $5 ${1}"
      - send: !!binary AAT/
      - expect_bytes: S
      - starttls: true
      tls_config: {insecure_skip_verify: true, ca_file: /ca.pem}
  tls_only:
    prober: tcp
    tcp: {tls: true}
  plain:
    prober: tcp
"#,
    );
    assert!(imported.is_whole(), "{:?}", imported.notes);
    assert_eq!(
        modules(&imported),
        r#"[[module]]
name = "smtp"
plugin = "tcp"
targets = []
tls.do_not_verify = true
[module.settings]
steps = [
  { expect = "^220 ([^ ]+) ESMTP (?P<software>.+)$", labels = { host = "${1}" } },
  { send = "EHLO ${1} $$5\r\n" },
  { send = "costs $$5 $${1}\n" },
  { send = [{ hex = "0004ff" }, "\n"] },
  { expect_bytes = "S" },
  { starttls = true },
]

# `tls_only`, line 17
[[module]]
name = "tls_only"
plugin = "tcp"
targets = []
[module.settings]
tls = "implicit"

# `plain`, line 20
[[module]]
name = "plain"
plugin = "tcp"
targets = []
"#
    );
}

#[test]
fn dns() {
    let imported = turned(
        r#"
modules:
  zone:
    prober: dns
    timeout: 1500ms
    dns:
      transport_protocol: tcp
      query_name: example.org
      query_type: SOA
      query_class: CH
      recursion_desired: false
      valid_rcodes: [NOERROR, NXDOMAIN]
      validate_answer_rrs:
        fail_if_not_matches_regexp: ["example.org.\t300\tIN\tSOA\t.*"]
  any:
    prober: dns
    dns: {query_name: example.org, dns_over_tls: true}
"#,
    );
    assert!(imported.is_whole(), "{:?}", imported.notes);
    assert_eq!(
        modules(&imported),
        r#"[[module]]
name = "zone"
plugin = "dns"
targets = []
budget.deadline = "1s500ms"
[module.settings]
transport = "tcp"
query = { name = "example.org", type = "SOA", class = "CH", recursion = false }
expect.rcodes = ["NOERROR", "NXDOMAIN"]
expect.validate_answer = { fail_if_not_matches_regexp = ["example.org.\t300\tIN\tSOA\t.*"] }

# `any`, line 15
[[module]]
name = "any"
plugin = "dns"
targets = []
[module.settings]
transport = "tls"
query = { name = "example.org", type = "ANY" }
"#
    );
}

#[test]
fn probers_that_are_not_ours_leave_a_comment() {
    let imported =
        turned("modules:\n  ping:\n    prober: icmp\n  odd name:\n    prober: tcp\n  no:\n    timeout: 5s\n");
    assert_eq!(
        notes(&imported),
        [
            "line 3: module `ping`: left out: the module: its prober is `icmp`, and raw sockets are nothing that a \
             sandboxed plugin gets",
            "line 4: module `odd name`: left out: the name: it is `odd-name` here, and has to be so in the jobs of \
             Prometheus",
            "line 6: module `no`: left out: the module: it has no `prober`",
        ]
    );
    assert_eq!(imported.modules, 1);
    assert!(
        imported
            .toml
            .contains("# `ping`, line 2\n# line 3: left out: the module"),
        "{}",
        imported.toml
    );
}

#[test]
fn names_are_told_apart() {
    let long = "x".repeat(120);
    let imported = turned(&format!(
        "modules: {{a b: {{prober: tcp}}, a-b: {{prober: tcp}}, a/b: {{prober: tcp}}, {long}y: {{prober: tcp}}, {long}z: {{prober: tcp}}}}"
    ));
    let names: Vec<&str> = imported
        .toml
        .lines()
        .filter_map(|line| line.strip_prefix("name = "))
        .collect();
    let (whole, numbered) = ("x".repeat(100), "x".repeat(92) + "-2");
    let wanted = ["a-b", "a-b-2", "a-b-3", &whole, &numbered].map(|name| format!("\"{name}\""));
    assert_eq!(names, wanted);
}

#[test]
fn targets_are_given_to_every_module() {
    let targets = ["*.example.org:443".to_owned(), "192.0.2.0/24:80".to_owned()];
    let imported = import(
        "modules: {a: {prober: tcp}, b: {prober: http}}",
        "x.yml",
        &targets,
    )
    .unwrap();
    let line = "targets = [\"*.example.org:443\", \"192.0.2.0/24:80\"]\n";
    assert_eq!(imported.toml.matches(line).count(), 2, "{}", imported.toml);
    assert!(!imported.toml.contains("every probe is refused"));
}

#[test]
fn what_is_no_configuration_says_where() {
    for (text, wanted) in [
        ("", "line 1: found nothing, wanted `modules`"),
        ("a: 1", "line 1: found no key `modules`"),
        ("- a", "line 1: found no table"),
        ("modules: 1", "line 1: `modules` is no table"),
        ("modules:\n  a: [", "not YAML"),
    ] {
        let error = import(text, "x.yml", &[]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text:?}: {error}");
    }
}

#[test]
fn comments_hold_whatever_names_there_are() {
    let imported = turned("modules:\n  \"a\\n[secrets]\":\n    prober: \"x\\ny\"\n");
    assert!(
        imported
            .toml
            .lines()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "{}",
        imported.toml
    );
}
