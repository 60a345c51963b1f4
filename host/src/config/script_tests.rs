//! Scripts of peers as text: those of the built-in plugins, defaults, and what is refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Config, SettingsSchema, Source, parse_script};
use crate::connection::script::{Arrival, Next, Script};
use crate::connection::{Error, TlsProblem};

fn parse(text: &str) -> Script {
    parse_script(&Source::new(Path::new("peers.toml"), text)).unwrap()
}

fn problems(text: &str) -> String {
    let problems = parse_script(&Source::new(Path::new("peers.toml"), text)).unwrap_err();
    problems.to_string()
}

fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// The scripts of the built-in plugins, each with the path of its settings.
fn built_in_scripts() -> Vec<(PathBuf, PathBuf)> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut scripts = Vec::new();
    for plugin in ["imap", "http", "dns"] {
        for entry in plugins.join(plugin).join("peers").read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if let Some(stem) = name
                .strip_suffix(".toml")
                .filter(|stem| !stem.ends_with(".settings"))
            {
                let settings = path.with_file_name(format!("{stem}.settings.toml"));
                scripts.push((path, settings));
            }
        }
    }
    scripts
}

#[test]
fn the_scripts_of_the_built_in_plugins_can_be_read() {
    let scripts = built_in_scripts();
    assert_eq!(scripts.len(), 8);
    for (script, _) in scripts {
        let script = parse_script(&Source::read(&script).unwrap()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(script.latency(), Duration::from_millis(1));
    }
}

#[test]
fn the_examples_of_the_documentation_can_be_read() {
    let page = include_str!("../../../docs/testing-plugins.md");
    let examples: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|example| example.contains("[[connection]]"))
        .collect();
    assert_eq!(examples.len(), 3);
    let mut mail = parse(examples[0]).dial(0, peer(993)).unwrap();
    assert!(mail.start_tls().is_ok());
    let mut web = parse(examples[1]).dial(0, peer(80)).unwrap();
    web.written(b"GET /health HTTP/1.1\r\nhost: www.example.org\r\n\r\n")
        .unwrap();
    assert!(matches!(web.next(1000), Next::Bytes(_)));
    assert!(matches!(web.next(1000), Next::Wait(_)));
    assert_eq!(web.next(1000), Next::Bytes(b"{\"status\":\"up\"}".to_vec()));
    assert_eq!(web.complaint(), None);
    let mut names = parse(examples[2]).open_datagrams(0, peer(53)).unwrap();
    assert!(names.sent(b"\n\xff\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01"));
    assert!(matches!(names.arrival(), Arrival::Datagram(answer) if answer.starts_with(b"\n\xff\x81\x80")));
    assert_eq!(names.complaint(), None);
}

#[test]
fn steps_of_connections_are_none_of_datagrams() {
    let said = problems(
        "[[connection]]\ntransport = \"udp\"\nsteps = [{ start_tls = {} }, { hang_up = true }]\n\
         [[connection]]\ntransport = \"udp\"\nerror = \"connection-reset\"\n\
         [[connection]]\ntransport = \"sctp\"\n",
    );
    assert_eq!(
        said.matches("found a step of a connection, wanted one of datagrams")
            .count(),
        2,
        "{said}"
    );
    assert!(
        said.contains("found `connection-reset`, wanted `connection-refused`"),
        "{said}"
    );
    assert!(said.contains("found `sctp`, wanted `tcp` or `udp`"), "{said}");
}

#[test]
fn the_settings_beside_them_satisfy_the_plugins_schemas() {
    for (script, settings) in built_in_scripts() {
        let plugin = script.parent().unwrap().parent().unwrap();
        let schema = std::fs::read_to_string(plugin.join("src/settings.schema.json")).unwrap();
        let text = std::fs::read_to_string(&settings).unwrap();
        let text = format!(
            "[[check]]\nname = \"a\"\nplugin = \"any\"\n[check.settings]\n{text}\n\
             [secrets]\nmail-probe.env = \"A\"\napi-token.env = \"B\"\n"
        );
        let config = Config::parse(&Source::new(&settings, &text)).unwrap_or_else(|error| panic!("{error}"));
        let problems = SettingsSchema::parse(&schema)
            .unwrap()
            .problems(&config.checks[0]);
        assert!(problems.is_empty(), "{problems:?}");
    }
}

#[test]
fn the_whole_of_a_script_arrives() {
    let script = parse(
        r#"
latency = "20ms"
[names]
"Mail.example.org." = ["192.0.2.1", "2001:db8::1"]
"gone.example.org" = "name-not-found"
"empty.example.org" = "no-address"
"sick.example.org" = "name-server-failure"
[[connection]]
port = 143
steps = [
  { expect = "{tag} HELLO {name:rest}\r\n" }, { send = "{tag} {name}\r\n" },
  { expect_until = "\r\n\r\n" }, { expect_bytes = 3 }, { send_base64 = "AP8=" },
  { stall = "3s" }, { start_tls = {} }, { reset = true },
]
[[connection]]
error = "host-unreachable"
[[connection]]
repeat = true
steps = [{ silence = true }]
"#,
    );
    assert_eq!(script.latency(), Duration::from_millis(20));
    assert_eq!(script.resolve("mail.example.org").unwrap().len(), 2);
    let error = |name: &str| script.resolve(name).unwrap_err();
    assert_eq!(
        error("gone.example.org"),
        Error::NameNotFound("gone.example.org".into())
    );
    assert_eq!(
        error("empty.example.org"),
        Error::NoAddress("empty.example.org".into())
    );
    assert!(matches!(error("sick.example.org"), Error::NameServerFailure(_)));

    let mut dialogue = script.dial(0, peer(143)).unwrap();
    dialogue.written(b"a1 HELLO big world\r\nx\r\n\r\n123").unwrap();
    assert_eq!(dialogue.next(100), Next::Bytes(b"a1 big world\r\n".to_vec()));
    assert_eq!(dialogue.next(100), Next::Bytes(vec![0, 255]));
    assert_eq!(dialogue.before_tls(), Some(Next::Wait(Duration::from_secs(3))));
    assert_eq!(dialogue.before_tls(), None);
    dialogue.start_tls().unwrap();
    assert_eq!(dialogue.next(1), Next::Reset);
    assert_eq!(dialogue.complaint(), None);

    assert!(matches!(
        script.dial(1, peer(143)),
        Err(Error::HostUnreachable(_))
    ));
    for nth in [2, 3, 100] {
        assert_eq!(script.dial(nth, peer(1)).unwrap().next(1), Next::Never);
    }
}

#[test]
fn a_handshake_needs_no_facts_and_takes_all_of_them() {
    let facts = |steps: &str| {
        let text = format!(
            "[names]\n\"b.example\" = [\"192.0.2.1\"]\n\"a.example\" = [\"192.0.2.1\"]\n\
             [[connection]]\nsteps = [{{ start_tls = {{ {steps} }} }}]"
        );
        let mut dialogue = parse(&text).dial(0, peer(1)).unwrap();
        let result = dialogue.start_tls();
        (result, dialogue.certificate().cloned())
    };
    let (info, shown) = facts("");
    let info = info.unwrap();
    assert_eq!(info.version, "1.3");
    assert_eq!(info.alpn, None);
    assert_eq!(info.cipher, "TLS13_AES_128_GCM_SHA256");
    assert_eq!(info.certificate.subject, "CN=a.example");
    assert_eq!(info.certificate.names, ["a.example", "b.example"]);
    assert_eq!(info.certificate.not_before, 1_577_836_800);
    assert_eq!(info.certificate.not_after, 4_102_444_800);
    assert_eq!(info.certificate.sha256.len(), 64);
    assert_eq!(shown, Some(info.certificate));

    let (info, _) = facts(
        "version = \"1.2\", cipher = \"X\", alpn = \"imap\", subject = \"CN=s\", issuer = \"CN=i\", \
         names = [\"n\"], not_before = \"1970-01-01T00:00:01Z\", not_after = \"1970-01-01T01:00:00+01:00\"",
    );
    let info = info.unwrap();
    assert_eq!(info.version, "1.2");
    assert_eq!((info.cipher.as_str(), info.alpn.as_deref()), ("X", Some("imap")));
    let certificate = info.certificate;
    assert_eq!(
        (certificate.subject.as_str(), certificate.issuer.as_str()),
        ("CN=s", "CN=i")
    );
    assert_eq!(certificate.names, ["n"]);
    assert_eq!((certificate.not_before, certificate.not_after), (1, 0));

    for (error, problem, shows) in [
        ("tls-handshake", TlsProblem::Handshake, false),
        ("certificate-invalid", TlsProblem::CertificateInvalid, true),
        ("certificate-expired", TlsProblem::CertificateExpired, true),
        ("name-mismatch", TlsProblem::NameMismatch, true),
    ] {
        let (result, shown) = facts(&format!("error = \"{error}\""));
        assert!(
            matches!(result, Err(Error::Tls(found, _)) if found == problem),
            "{error}"
        );
        assert_eq!(shown.is_some(), shows, "{error}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let text = r#"latency = 1
lattency = "1ms"
[names]
"a.example" = "nxdomain"
"b.example" = []
"192.0.2.1" = ["192.0.2.1"]
"c.example" = ["192.0.2"]
[[connection]]
port = 0
repeat = true
steps = [
  { expct = "a" },
  { expect = "{a}" },
  { send = "{b}\r\n" },
  { expect = "{c:same}\r\n" },
  { expect_bytes = 0 },
  { send_base64 = "%" },
  { send = "a", stall = "1s" },
  { silence = false },
  { start_tls = { version = "1.1", not_after = "tomorrow", error = "expired" } },
  { hang_up = true },
  { send = "a" },
]
[[connection]]
error = "refused"
steps = []
"#;
    let found = problems(text);
    for wanted in [
        "peers.toml:1:11: `latency`: found `1`, wanted a duration with a unit, such as `\"1s\"`",
        "peers.toml:2:1: `lattency`: unknown key, did you mean `latency`?",
        "peers.toml:4:15: `names.a.example`: found `nxdomain`, wanted `name-not-found`, \
         `name-server-failure` or `no-address`",
        "peers.toml:5:15: `names.b.example`: found no address, wanted at least one, or `\"no-address\"`",
        "peers.toml:6:1: `names.192.0.2.1`: found an address, wanted a name; an address stands for itself",
        "peers.toml:7:16: `names.c.example`: found `\"192.0.2\"`, wanted an address",
        "peers.toml:9:8: `connection.port`: found `0`, wanted a whole number from 1 to 65535",
        "peers.toml:10:1: `connection.repeat`: only the last `[[connection]]` can be repeated",
        "peers.toml:12:5: `connection.steps.expct`: unknown key, did you mean `expect`?",
        "peers.toml:13:14: `connection.steps.expect`: found nothing behind `{a}`",
        "peers.toml:14:3: `connection.steps`: found the capture `b`, wanted one that an `expect` before it takes",
        "peers.toml:15:3: `connection.steps`: found the capture `c`",
        "peers.toml:16:20: `connection.steps.expect_bytes`: found `0`, wanted a whole number",
        "peers.toml:17:19: `connection.steps.send_base64`: ",
        "peers.toml:18:3: `connection.steps`: found several kinds of steps in one, wanted one of `expect`",
        "peers.toml:19:15: `connection.steps.silence`: found `false`, wanted `true`",
        "`connection.steps.start_tls.version`: found `1.1`, wanted `1.2` or `1.3`",
        "`connection.steps.start_tls.not_after`: found `\"tomorrow\"`, wanted a moment in RFC 3339",
        "`connection.steps.start_tls.error`: found `expired`, wanted `tls-handshake`",
        "peers.toml:22:3: `connection.steps`: found a step behind `hang_up`, wanted none: it is not reached",
        "peers.toml:24:1: `connection`: found `error` and `steps`, wanted one of them",
        "peers.toml:25:9: `connection.error`: found `refused`, wanted `connection-refused`",
    ] {
        assert!(found.contains(wanted), "{wanted}\n\n{found}");
    }
}

#[test]
fn an_empty_script_knows_nobody() {
    let script = parse("");
    assert!(matches!(script.dial(0, peer(1)), Err(Error::Refused(_))));
    assert!(matches!(script.resolve("a.example"), Err(Error::NameNotFound(_))));
}
