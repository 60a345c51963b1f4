//! Walks the golden files: every `CASE.toml` in `tests/data/config` is refused with exactly the text in
//! `CASE.err`, and every file in its folder `valid` is accepted. With `BEDCHECK_BLESS` set, the `.err`
//! files are written anew, to be read before they are kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::capability::Capability;
use crate::connection::{ClientIdentity, Trust};
use crate::policy::breaker::Settings;

fn data() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/config"))
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// The file by its bare name, so that the golden texts are the same on every machine.
fn source(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    Source::new(Path::new(path.file_name().unwrap()), &text)
}

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(&Source::new(Path::new("/etc/bedcheck/checks.toml"), text))
}

#[test]
fn every_refusal_reads_exactly_as_it_should() {
    let cases = toml_files(&data());
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let found = match Config::parse(&source(&case)) {
            Ok(_) => "accepted\n".to_owned(),
            Err(problems) => format!("{problems}\n"),
        };
        let golden = case.with_extension("err");
        if std::env::var_os("BEDCHECK_BLESS").is_some() {
            std::fs::write(&golden, &found).unwrap();
        }
        if std::fs::read_to_string(&golden).ok().as_ref() != Some(&found) {
            wrong.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_valid_file_is_accepted() {
    let files = toml_files(&data().join("valid"));
    assert!(files.len() >= 4);
    for file in files {
        if let Err(problems) = Config::parse(&source(&file)) {
            panic!("{problems}");
        }
    }
}

#[test]
fn when_a_run_is_repeated_and_judged_is_read() {
    let config = Config::parse(&source(&data().join("valid/everything.toml"))).unwrap();
    let mail = &config.checks[0];
    let on = mail.retry.as_ref().and_then(|retry| retry.on.as_ref()).unwrap();
    let on: Vec<_> = on.iter().map(ToString::to_string).collect();
    assert_eq!(on, ["connection_refused", "dns.*", "imap.over_quota"]);
    let thresholds = mail.thresholds.unwrap();
    assert_eq!(thresholds.warn, Some(Duration::from_millis(500)));
    assert_eq!(thresholds.fail, Some(Duration::from_secs(1)));
    assert_eq!((mail.state.failures, mail.state.of), (2, 3));
    assert_eq!(
        (config.checks[1].state.failures, config.checks[1].state.of),
        (1, 1)
    );
    assert!((config.retry_budget.share - 0.1).abs() < f64::EPSILON);
    assert_eq!(
        (config.retry_budget.minimum, config.retry_budget.window),
        (5, Duration::from_secs(120))
    );
}

#[test]
fn the_sketch_of_the_design_means_what_it_says() {
    let config = Config::parse(&source(&data().join("valid/design.toml"))).unwrap();
    let otlp = config.otlp.unwrap();
    assert_eq!(
        (otlp.endpoint.as_str(), otlp.protocol),
        ("http://127.0.0.1:4317", Some(OtlpProtocol::Grpc))
    );
    assert_eq!(config.http.unwrap().listen.port(), 9315);
    assert_eq!(config.plugins_dir.as_deref(), Some(Path::new("plugins")));
    let [mail, page] = &config.checks[..] else {
        panic!("two checks")
    };
    assert_eq!((mail.name.as_str(), mail.plugin.as_str()), ("mail-login", "imap"));
    assert_eq!(mail.every, Some(Duration::from_secs(30)));
    assert_eq!(mail.limits.deadline, Duration::from_secs(5));
    assert_eq!(page.limits, crate::budget::Limits::default());
    assert!(mail.grants.allows("mail.example.org", 993));
    let retry = mail.retry.as_ref().unwrap();
    assert_eq!(
        (retry.attempts, retry.backoff, retry.max_backoff.as_secs()),
        (3, Duration::from_millis(200), 2)
    );
    assert_eq!(
        mail.breaker,
        Some(Settings {
            failures: 5,
            reset: Duration::from_secs(30),
            max_reset: Duration::from_secs(300)
        })
    );
    assert_eq!(
        mail.settings.values()["password"],
        serde_json::json!({ "secret": "mail-probe" })
    );
    assert_eq!(
        config.secrets["mail-probe"],
        SecretSource::Env("MAIL_PROBE_PASSWORD".into())
    );
    let keys: Vec<_> = page.settings.values().keys().collect();
    assert_eq!(keys, ["url", "method", "headers", "expect"]);
    assert_eq!(
        page.settings
            .location("/expect/status/0")
            .position()
            .unwrap()
            .line,
        43
    );
}

#[test]
fn every_key_arrives_in_its_type() {
    let config = Config::parse(&source(&data().join("valid/everything.toml"))).unwrap();
    assert_eq!((config.concurrency, config.per_target), (16, 2));
    assert_eq!(config.jitter, Duration::from_millis(500));
    let servers: Vec<_> = config.resolver.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["127.0.0.1:5353", "[::1]:53"]);
    let otlp = config.otlp.unwrap();
    assert_eq!(
        (otlp.protocol, otlp.timeout),
        (Some(OtlpProtocol::HttpProtobuf), Some(Duration::from_secs(3)))
    );
    let who_we_are = ClientIdentity {
        certificate: "certificates/probes.pem".into(),
        key: "/etc/probes.key".into(),
    };
    assert_eq!(otlp.client, Some(who_we_are));
    assert!(!format!("{otlp:?}").contains("token"));
    let check = &config.checks[0];
    let limits = crate::budget::Limits {
        deadline: Duration::from_secs(90),
        grace: Duration::ZERO,
        fuel: 1_000_000,
        memory: 32 << 20,
        host_calls: 500,
        bytes: 1_000_000,
    };
    assert_eq!(check.limits, limits);
    assert_eq!(check.jitter, Some(Duration::from_secs(2)));
    assert_eq!(config.checks[1].jitter, None);
    let breaker = |reset, max_reset| Settings {
        failures: 5,
        reset: Duration::from_secs(reset),
        max_reset: Duration::from_secs(max_reset),
    };
    assert_eq!(check.breaker, Some(breaker(30, 300)));
    assert_eq!(
        config.checks[1].breaker,
        Some(breaker(600, 600)),
        "no shorter than `reset`"
    );
    assert!(config.disabled.everywhere.contains(&Capability::Secrets));
    let of_plugins: Vec<_> = config
        .disabled
        .plugins
        .iter()
        .map(|disabled| (disabled.plugin.as_str(), disabled.capabilities.len()))
        .collect();
    assert_eq!(of_plugins, [("http", 1), ("imap", 0)]);
    assert!(check.grants.allows("192.0.2.77", 993) && check.grants_own_target);
    assert_eq!(check.capabilities.as_ref().map(BTreeSet::len), Some(3));
    assert_eq!(config.checks[1].capabilities, None);
    assert_eq!(
        check.disabled.iter().copied().collect::<Vec<_>>(),
        [Capability::NetTls, Capability::Secrets]
    );
    assert_eq!(check.tls.trust, Trust::File("certificates/ca.pem".into()));
    let client = ClientIdentity {
        certificate: "client.pem".into(),
        key: "/etc/client.key".into(),
    };
    assert_eq!(check.tls.client, Some(client));
    assert_eq!(check.tls.server_name.as_deref(), Some("mail.example.org"));
    assert_eq!(config.checks[1].tls.trust, Trust::DoNotVerify);
    assert_eq!(
        config.checks[1].limits.deadline,
        Duration::from_secs(3),
        "from the defaults"
    );
    assert_eq!(check.settings.values()["since"], "2026-01-01T00:00:00Z");
    let command = Command {
        program: "pass".into(),
        arguments: vec!["show".into(), "mail".into()],
    };
    assert_eq!(config.secrets["by-command"], SecretSource::Command(command));
    assert_eq!(
        config.secrets["by-file"],
        SecretSource::File("/run/secrets/mail".into())
    );
}

#[test]
fn faults_of_a_file_are_the_same_as_those_of_the_command_line() {
    let config = Config::parse(&source(&data().join("valid/everything.toml"))).unwrap();
    let texts: Vec<_> = config.faults.iter().map(|one| one.fault.to_string()).collect();
    assert_eq!(
        texts,
        [
            "check:second phase:select[[Gmail]/All Mail] net.read#3=delay 3s times 2 for 30s probability 0.5 seed 7",
            "phase:tls=certificate-expired probability 1"
        ]
    );
    let place = config.faults[0].location().position().unwrap();
    assert_eq!((place.line, place.column), (88, 9));
}

#[test]
fn faults_of_the_command_line_are_added_and_told_by_their_text() {
    let text = "[[check]]\nname = \"mail\"\nplugin = \"imap\"\n";
    let add = |fault: &str| {
        let mut config = parse(text).unwrap();
        let problems = config.add_faults(&[fault.to_owned()], true);
        (
            config.faults.len(),
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        )
    };
    assert_eq!(add("check:mail net.read=reset"), (1, Vec::new()));
    assert_eq!(
        add("net.read=rest"),
        (
            0,
            vec!["--fault `net.read=rest`: found `rest`, did you mean `reset`?".to_owned()]
        )
    );
    assert_eq!(
        add("check:mial net.read=reset"),
        (
            0,
            vec![
                "--fault `check:mial net.read=reset`: no check is called `mial`, did you mean `mail`?"
                    .to_owned()
            ]
        )
    );
}

#[test]
fn paths_are_relative_to_the_file() {
    let config = parse("[plugins]\ndir = \"plugins\"\n[[check]]\nname = \"a\"\nplugin = \"http\"\n").unwrap();
    assert_eq!(
        config.plugins_dir.as_deref(),
        Some(Path::new("/etc/bedcheck/plugins"))
    );
}

#[test]
fn what_the_otlp_table_leaves_out_is_left_to_the_environment() {
    let otlp = |table: &str| {
        let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\n";
        let config = parse(&format!("[otlp]\nendpoint = \"http://x\"\n{table}{check}")).unwrap();
        config.otlp.unwrap()
    };
    let bare = otlp("");
    assert_eq!((bare.protocol, bare.timeout, bare.headers), (None, None, None));
    // Said to be none, which is something else than nothing said.
    assert_eq!(otlp("headers = {}\n").headers, Some(BTreeMap::new()));
}

#[test]
fn attributes_of_the_resource_are_texts_by_quoted_names() {
    let otlp = |resource: &str| {
        let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\n";
        parse(&format!("[otlp]\nendpoint = \"http://x\"\n{resource}\n{check}"))
    };
    let attributes = otlp(r#"resource = { "deployment.environment.name" = "north", team = "" }"#);
    let wanted = [("deployment.environment.name", "north"), ("team", "")];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(attributes.unwrap().otlp.unwrap().resource, wanted.into());
    for wrong in [
        "resource.deployment.name = \"a\"",
        "resource = { \"\" = \"a\" }",
        "resource = { a = 1 }",
    ] {
        assert!(otlp(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn places_of_keys_are_kept() {
    let config = parse("[[check]]\nname = \"a\"\nplugin = \"http\"\n").unwrap();
    let place = |key| config.checks[0].key_location(key).to_string();
    assert_eq!(place("plugin"), "/etc/bedcheck/checks.toml:3:10");
    assert_eq!(place("allow"), "/etc/bedcheck/checks.toml:1:1");
}

#[test]
fn an_inline_password_is_repeated_nowhere() {
    for text in [
        "[secrets]\nmail = \"hunter2\"\n",
        "[secrets]\nmail = { env = { x = \"hunter2\" } }\n",
        "[secrets]\nmail = { command = \"hunter2\" }\n",
        "[secrets]\nmail = { env = \"hunter2=\" }\n",
        "[secrets]\nmail = hunter2\n",
        "[otlp]\nendpoint = \"http://x\"\nheaders = { authorization = [\"hunter2\"] }\n",
    ] {
        let source = Source::new(Path::new("checks.toml"), text);
        let problems = Config::parse(&source).unwrap_err();
        assert!(
            !source.render(&problems).contains("hunter2"),
            "{}",
            source.render(&problems)
        );
    }
}

#[test]
fn what_is_confidential_is_repeated_nowhere_whatever_is_wrong_beside_it() {
    let url = "https://hc.example.org/hunter2";
    let in_a_check = format!("[[check]]\nname = \"a\"\nplugin = \"http\"\nheartbeat = {{ url = \"{url}\"");
    for text in [
        format!("{in_a_check}, every = \"1m\" }}\n"),
        format!("{in_a_check},\n  every = \"1m\" }}\n"),
        in_a_check.replace("{ url", "{\n  ulr") + " }\n",
        in_a_check.replace("{ url = ", "") + "\n",
        in_a_check.replace("= { url = \"", ".url = ") + "\n",
        format!("[heartbeat]\nurl = \"{url}\n"),
        format!("[heartbeat]\nurl = {url}\n"),
        format!("[heartbeat]\nurl = {{ secret = \"{url}\" }}\n"),
        format!("heartbeat = \"{url}\"\n"),
        format!("heartbeat.url = {url}\n"),
        format!("sentry = {{ dsn = \"{url}\", environment = \"test\" }}\n"),
        format!("sentry = \"{url}\"\n"),
        format!("[sentry]\ndsn = {url}\n"),
        in_a_check.replace("heartbeat", "hartbeat") + " }\n",
        format!("[heartbeet]\nurl = {url}\n"),
        "secrts.mail = \"hunter2\"\n".to_owned(),
        "[[check]]\nname = \"a\"\nplugin = \"http\"\nsecrets.mail = \"hunter2\"\n".to_owned(),
        "[http]\ntoken = hunter2\n".to_owned(),
        "http = { token = hunter2 }\n".to_owned(),
        "http.token = \"hunter2\n".to_owned(),
    ] {
        let source = Source::new(Path::new("checks.toml"), &text);
        let problems = Config::parse(&source).unwrap_err();
        let rendered = source.render(&problems);
        assert!(!rendered.contains("hunter2"), "{text}{rendered}");
    }
}

/// Broken files must be refused, whatever is broken, and never bring the program down.
#[test]
fn no_damage_to_a_file_causes_a_panic() {
    let text = std::fs::read_to_string(data().join("valid/everything.toml")).unwrap();
    let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for &at in boundaries.iter().step_by(3) {
        let (before, after) = text.split_at(at);
        let mut rest = after.chars();
        rest.next();
        for damaged in [
            before.to_owned(),
            after.to_owned(),
            format!("{before}{}", rest.as_str()),
            format!("{before}[{after}"),
            format!("{before}\"{after}"),
            format!("{before}={after}"),
            format!("{before}\n{after}"),
        ] {
            let source = Source::new(Path::new("damaged.toml"), &damaged);
            if let Err(problems) = Config::parse(&source) {
                assert!(!source.render(&problems).is_empty());
            }
        }
    }
}

#[test]
fn what_may_be_a_secret_is_not_repeated() {
    let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\n";
    for text in [
        format!("{check}settings.bearer=hunter2\n"),
        "[otlp]\nendpoint = \"http://x:99999/?key=hunter2\"\n".to_owned(),
        "[otlp]\nendpoint = \"ftp://x/?key=hunter2\"\n".to_owned(),
        "[otlp]\nendpoint = \"http://x:99999/#hunter2\"\n".to_owned(),
    ] {
        let source = Source::new(Path::new("a.toml"), &text);
        let problems = Config::parse(&source).unwrap_err();
        let said = source.render(&problems) + &problems.to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }
    let said = parse("[otlp]\nendpoint = \"http://x:99999/v1\"\n")
        .unwrap_err()
        .to_string();
    assert!(said.contains("99999"), "{said}");
}

#[test]
fn a_number_alone_is_told_a_value_that_would_do() {
    let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\n";
    for (key, number, wanted) in [
        ("deadline", "5", "5s"),
        ("deadline", "0", "10s"),
        ("deadline", "-5", "10s"),
        ("deadline", "86_400", "86400s"),
        ("memory", "64", "64MiB"),
        ("memory", "0", "10MiB"),
        ("memory", "-1", "10MiB"),
    ] {
        let said = parse(&format!("{check}budget.{key} = {number}\n"))
            .unwrap_err()
            .to_string();
        assert!(
            said.contains(&format!("with a unit, such as `\"{wanted}\"`")),
            "{said}"
        );
    }
}

#[test]
fn a_fault_goes_on_for_a_week_at_most_wherever_it_is_written() {
    let mut config = parse("[[check]]\nname = \"a\"\nplugin = \"http\"\n").unwrap();
    let mut option = |window: &str| config.add_faults(&[format!("net.read=reset for {window}")], true);
    let key = |window: &str| {
        parse(&format!(
            "[[fault]]\ncall = \"net.read\"\nkind = \"reset\"\nfor = \"{window}\"\n\
             [[check]]\nname = \"a\"\nplugin = \"http\"\n"
        ))
    };
    for window in ["1ms", "7d"] {
        assert!(option(window).is_empty() && key(window).is_ok(), "{window}");
    }
    for window in ["0s", "999us", "8d"] {
        let wanted = "wanted a duration from 1ms to 7d";
        let [of_option] = &option(window)[..] else {
            panic!("{window}")
        };
        assert!(of_option.message.contains(wanted), "{of_option}");
        assert!(key(window).unwrap_err().to_string().contains(wanted), "{window}");
    }
}

#[test]
fn endpoints_are_on_loopback_and_open_unless_the_file_says_otherwise() {
    let http = |file: &str| Config::parse(&source(&data().join(file))).unwrap().http.unwrap();
    let plain = http("valid/http-by-default.toml");
    assert_eq!((plain.listen, plain.tls, plain.token), (Http::LISTEN, None, None));
    let guarded = http("valid/http.toml");
    assert_eq!(guarded.token.unwrap().as_str(), "api-token");
    let tls = guarded.tls.unwrap();
    assert!(tls.certificate.ends_with("certificates/http.pem"), "{tls:?}");
    assert!(tls.key.ends_with("certificates/http-key.pem"), "{tls:?}");
}

#[test]
fn a_check_whose_state_is_judged_otherwise_is_the_same_check() {
    let print = |more: &str| {
        let config = parse(&format!("[[check]]\nname = \"a\"\nplugin = \"odd\"\n{more}\n"));
        config.unwrap().checks[0].fingerprint()
    };
    let first = print("state = { failures = 1, of = 2 }");
    assert_eq!(print("state = { failures = 1, of = 3 }"), first);
    assert_ne!(print("budget.deadline = \"1s\""), first);
}
