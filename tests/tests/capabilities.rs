//! The promise: a plugin declares what it needs, a check grants it, and an operator switches it off: for a check,
//! a plugin or everywhere. Needs and grants that cannot meet are refused before anything runs; what is switched
//! off fails before anything is tried, under a name of its own.

#[expect(dead_code, reason = "these tests do not ask for everything in a report")]
#[path = "report/mod.rs"]
mod report;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use bedcheck_tests::names::{Answer, NameServer};
use bedcheck_tests::program::guest_plugin;
use bedcheck_tests::script::{Peer, Script};
use bedcheck_tests::{Program, bedcheck};
use report::{measurements, message, phases, verdict};
use serde_json::json;

fn page() -> Script {
    Script::new()
        .expect_through("\r\n\r\n")
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .hang_up()
}

/// A check of a page, with these further keys.
fn check(url: &str, more: &str) -> String {
    format!("[[check]]\nname = \"page\"\nplugin = \"http\"\n{more}\nsettings = {{ url = \"{url}\" }}\n")
}

/// What is said about a configuration that is refused.
#[track_caller]
fn refused(configuration: &str) -> String {
    let finished = Program::new(["validate", "bedcheck.toml"])
        .file("bedcheck.toml", configuration)
        .finish();
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(64), ""),
        "{finished:#?}"
    );
    let problem = finished.stderr.lines().next();
    problem.unwrap_or_default().to_owned()
}

/// A name at which nobody but these listen, so that both would know of a packet.
struct Watched {
    names: NameServer,
    peer: Peer,
}

impl Watched {
    fn new() -> Self {
        let loopback = Answer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self {
            names: NameServer::start(loopback, Answer::NoData),
            peer: page().serve(),
        }
    }

    /// Everything but what is switched off.
    fn configuration(&self, tables: &str, more: &str) -> String {
        let port = self.peer.port();
        let allow = format!("allow = [\"self\", \"127.0.0.1:{port}\"]\n{more}");
        format!(
            "resolver.servers = [\"{}\"]\n{tables}\n{}",
            self.names.address(),
            check(&format!("http://web.test:{port}/"), &allow)
        )
    }
}

#[test]
fn a_need_that_the_check_does_not_grant_is_refused_with_both_sides() {
    let said = refused(&check(
        "https://192.0.2.1/",
        "allow = [\"self\"]\ncapabilities = [\"net.connect\"]",
    ));
    assert_eq!(
        said,
        "bedcheck.toml:5:16: plugin `http` 0.1.0 needs `net.tls` and `secrets`; check `page` grants `net.connect`"
    );
    let said = refused(&check(
        "https://192.0.2.1/",
        "allow = [\"self\"]\ncapabilities = []",
    ));
    assert_eq!(
        said,
        "bedcheck.toml:5:16: plugin `http` 0.1.0 needs `net.connect`, `net.tls` and `secrets`; check `page` grants none"
    );
}

#[test]
fn a_check_that_grants_no_host_and_port_to_a_plugin_that_needs_one_is_refused() {
    let advice = "plugin `http` 0.1.0 needs `net.connect`; check `page` grants no `host:port`: \
                  add `\"192.0.2.1:443\"`, or `\"self\"`, to `allow`";
    let said = refused(&check("https://192.0.2.1/", ""));
    assert_eq!(said, format!("bedcheck.toml:1:1: {advice}"));
    let said = refused(&check("https://192.0.2.1/", "allow = []"));
    assert_eq!(said, format!("bedcheck.toml:4:9: {advice}"));
    let said = refused(&check("https://0.0.0.0/", "allow = [\"self\"]"));
    assert_eq!(
        said,
        "bedcheck.toml:4:9: found `self`, wanted `host:port`: `settings.url` names no host and port that can be dialled"
    );
}

#[test]
fn a_grant_that_the_plugin_does_not_need_is_noted() {
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    let finished = Program::run(
        "plugins.dir = \".\"\n[[check]]\nname = \"a\"\nplugin = \"guest\"\nallow = [\"192.0.2.1:9\"]\n\
         capabilities = [\"net.connect\", \"secrets\", \"net.tls\"]\nsettings.behaviour = \"ask\"\n",
    )
    .file("guest.wasm", guest)
    .finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(
        finished.stderr,
        "note: check `a` grants `net.tls`, which plugin `guest` 0.1.0 does not need\n"
    );
    // What it did not ask for it does not have.
    let measured = measurements(&finished.report());
    assert_eq!(measured[..2], ["guest.connect{} 1 1", "guest.tls{} 0 1"]);
}

#[test]
fn what_is_switched_off_fails_before_anything_is_tried_wherever_it_is_switched_off() {
    let watched = Watched::new();
    let ways: [(&str, &str, &[&str], &str); 6] = [
        ("", "disable = [\"net.connect\"]", &[], "for the check `page`"),
        ("disable.everywhere = [\"net.connect\"]", "", &[], "everywhere"),
        (
            "disable.plugins = { http = [\"net.connect\"] }",
            "",
            &[],
            "for the plugin `http`",
        ),
        ("", "", &["net.connect"], "everywhere"),
        (
            "",
            "",
            &["secrets", "plugin:http=net.connect"],
            "for the plugin `http`",
        ),
        ("", "", &["check:page=net.connect"], "for the check `page`"),
    ];
    for (tables, more, options, scope) in ways {
        let program = Program::run(&watched.configuration(tables, more));
        let with = |program: Program, option: &&str| program.argument("--disable").argument(option);
        let finished = options.iter().fold(program, with).finish();
        assert_eq!(finished.code, Some(3), "{finished:#?}");
        let report = finished.report();
        assert_eq!(
            verdict(&report),
            "error config capability_disabled connect",
            "{report:#}"
        );
        assert_eq!(
            message(&report),
            format!("the capability `net.connect` is disabled {scope}")
        );
        assert!(
            phases(&report).contains(&"connect denied".to_owned()),
            "{report:#}"
        );
        assert_eq!(report["usage"]["denied_calls"], json!({ "net.connect": 1 }));
    }
    assert_eq!(watched.names.questions(), Vec::<String>::new());
    assert_eq!(watched.peer.finish(), []);
}

#[test]
fn what_is_switched_off_for_others_is_on() {
    let watched = Watched::new();
    let tables = "disable.plugins = { imap = [\"net.connect\"] }";
    let finished = Program::run(&watched.configuration(tables, ""))
        .argument("--disable")
        .argument("plugin:imap=net.tls")
        .finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(watched.names.questions(), ["web.test"]);
}

#[test]
fn without_tls_nothing_is_sent() {
    let peer = Script::new().stall().serve();
    let port = peer.port();
    let configuration = check(
        &format!("https://127.0.0.1:{port}/"),
        "allow = [\"self\"]\ndisable = [\"net.tls\"]",
    );
    let report = Program::run(&configuration).finish().report();
    assert_eq!(
        verdict(&report),
        "error config capability_disabled tls",
        "{report:#}"
    );
    assert!(phases(&report).contains(&"tls denied".to_owned()), "{report:#}");
    let transcripts = peer.finish();
    assert!(
        transcripts
            .iter()
            .all(|transcript| transcript.received.is_empty()),
        "{transcripts:#?}"
    );
}

#[test]
fn without_secrets_none_is_sent() {
    let peer = page().serve();
    let port = peer.port();
    let finished = Program::run(&format!(
        "[[check]]\nname = \"page\"\nplugin = \"http\"\nallow = [\"self\"]\ndisable = [\"secrets\"]\n\
         settings = {{ url = \"http://127.0.0.1:{port}/\", bearer = {{ secret = \"token\" }} }}\n\
         [secrets]\ntoken = {{ env = \"TOKEN\" }}\n"
    ))
    .env("TOKEN", "open-sesame-4711")
    .finish();
    let report = finished.report();
    assert_eq!(report["error"]["type"], "capability_disabled", "{report:#}");
    assert_eq!(report["blame"], "config");
    assert_eq!(report["usage"]["denied_calls"], json!({ "secrets": 1 }));
    let transcripts = peer.finish();
    assert!(
        transcripts
            .iter()
            .all(|transcript| !transcript.text().contains("sesame")),
        "{transcripts:#?}"
    );
}

#[test]
fn a_guest_is_told_what_is_switched_off() {
    let guest = fs::read(guest_plugin()).expect("the guest is built");
    let report = Program::run(
        "plugins.dir = \".\"\n[[check]]\nname = \"a\"\nplugin = \"guest\"\nallow = [\"192.0.2.1:9\"]\n\
         disable = [\"net.connect\"]\nsettings.behaviour = \"ask\"\n",
    )
    .file("guest.wasm", guest)
    .finish()
    .report();
    assert_eq!(verdict(&report), "pass", "{report:#}");
    assert_eq!(measurements(&report)[0], "guest.connect{} 0 1");
    // Asking is not trying.
    assert_eq!(report["usage"]["denied_calls"], json!({}));
}

#[test]
fn a_check_of_the_command_line_can_be_switched_off_too() {
    let peer = page().serve();
    let url = format!("url=http://127.0.0.1:{}/", peer.port());
    for disable in ["net.connect", "plugin:http=net.connect", "check:http=net.connect"] {
        let arguments = [
            "run",
            "--plugin",
            "http",
            "--set",
            &url,
            "--disable",
            disable,
            "--format",
            "json",
        ];
        let report = bedcheck(arguments).report();
        assert_eq!(
            verdict(&report),
            "error config capability_disabled connect",
            "{report:#}"
        );
    }
    assert_eq!(peer.finish(), []);
}

#[test]
fn names_that_match_nothing_are_refused() {
    let configuration =
        |tables: &str| format!("{tables}\n{}", check("http://192.0.2.1/", "allow = [\"self\"]"));
    assert_eq!(
        refused(&configuration("disable.plugins = { htp = [\"net.tls\"] }")),
        "bedcheck.toml:1:21: found no plugin called `htp`, did you mean `http`?"
    );
    for (option, said) in [
        (
            "plugin:htp=net.tls",
            "--disable: found no plugin called `htp`, did you mean `http`?",
        ),
        (
            "plugin:smtp=net.tls",
            "--disable: found no plugin called `smtp`, wanted `dns`, `http`, `imap` or `tcp`",
        ),
        (
            "check:pagee=net.tls",
            "--disable: found no check called `pagee`, did you mean `page`?",
        ),
        (
            "net.udp",
            "--disable: found `net.udp`, wanted a capability: `net.connect`, `net.datagram`, `net.tls` or `secrets`",
        ),
    ] {
        let finished = Program::run(&configuration(""))
            .argument("--disable")
            .argument(option)
            .finish();
        assert_eq!(
            (finished.code, finished.stderr.trim_end()),
            (Some(64), said),
            "{finished:#?}"
        );
    }
}
