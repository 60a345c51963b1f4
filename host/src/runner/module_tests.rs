//! Tests of modules: the built-in plugins aimed at targets, without any of them being dialled.

use std::path::Path;

use serde_json::{Value, json};

use super::super::kept::MAX_KEPT;
use super::*;
use crate::config::{Config, Source};
use crate::runner::{DefaultGrant, Preparation};

async fn preparation(text: &str) -> Result<Preparation, String> {
    let config = Config::parse(&Source::new(Path::new("probes.toml"), text))
        .map_err(|problems| problems.to_string())?;
    let prepared = Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, None).await;
    prepared.map_err(|problems| problems.to_string())
}

async fn module(plugin: &str, keys: &str) -> Arc<PreparedModule> {
    let text = format!("[[module]]\nname = \"m\"\nplugin = \"{plugin}\"\n{keys}\n");
    let preparation = preparation(&text).await.unwrap();
    Arc::clone(&preparation.modules["m"])
}

fn request(target: &str) -> Request {
    Request {
        target: target.into(),
        hostname: None,
    }
}

fn granted(prepared: &Prepared) -> Vec<String> {
    prepared.access.grants.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_target_is_allowed_by_what_is_dialled_and_nothing_else() {
    let module = module(
        "http",
        "targets = [\"*.example.org:443\", \"192.0.2.0/24:8000-8099\", \"localhost:80\"]",
    )
    .await;
    for (target, is_allowed) in [
        ("https://www.example.org/", true),
        ("https://WWW.EXAMPLE.ORG./x?y", true),
        ("http://192.0.2.7:8080/", true),
        ("192.0.2.7:8099/metrics", true),
        ("localhost", true),
        ("http://[::ffff:192.0.2.7]:8080/", true),
        // Another port, another scheme's port, the suffix itself, another name that ends alike.
        ("https://www.example.org:8443/", false),
        ("http://www.example.org/", false),
        ("https://example.org/", false),
        ("https://evilexample.org/", false),
        ("https://www.example.org.evil.test/", false),
        ("http://192.0.3.7:8080/", false),
        ("http://192.0.2.7:8100/", false),
        ("http://127.0.0.1/", false),
        ("http://0x7f.1/", false),
        // The allowed name stands where only a careless reader looks for the host.
        ("https://evil.test/#https://www.example.org/", false),
        ("https://evil.test/?https://www.example.org:443/", false),
        ("https://evil.test\\@www.example.org/", false),
        ("www.example.org:443.evil.test", false),
    ] {
        let aimed = module.aim(&request(target));
        assert_eq!(aimed.is_ok(), is_allowed, "{target}: {:?}", aimed.err());
    }
    for tricky in [
        "https://www.example.org@evil.test/",
        "https://www.example.org:443@evil.test/",
        "https://x:y@www.example.org/",
    ] {
        assert!(
            matches!(module.aim(&request(tricky)), Err(NotAimed::Unusable(_))),
            "{tricky}"
        );
    }
    assert_eq!(
        module
            .aim(&request("https://evil.test/"))
            .unwrap_err()
            .to_string(),
        "the module does not allow the target `evil.test:443`; to allow it, add it to `targets`"
    );
}

#[tokio::test]
async fn without_targets_nothing_is_allowed_and_that_is_noted() {
    let text = "[[module]]\nname = \"m\"\nplugin = \"http\"\n";
    let preparation = preparation(text).await.unwrap();
    assert_eq!(
        preparation.notices,
        ["module `m` accepts no target: it has no `targets`"]
    );
    let aimed = preparation.modules["m"].aim(&request("http://192.0.2.1/"));
    assert!(matches!(aimed, Err(NotAimed::NotAllowed(_))), "{aimed:?}");
}

#[tokio::test]
async fn settings_are_checked_without_the_target_when_they_are_loaded() {
    let refused = async |keys: &str| {
        let text =
            format!("[[module]]\nname = \"m\"\nplugin = \"http\"\ntargets = [\"a.example:80\"]\n{keys}\n");
        preparation(&text).await.err().unwrap_or_default()
    };
    assert_eq!(refused("settings.method = \"POST\"").await, "");
    assert_eq!(
        refused("settings.url = \"http://a.example/\"").await,
        "probes.toml:5:10: `settings.url`: a module does not name its target, which is what `target=` says"
    );
    let problem = refused("settings.redirects = 99").await;
    assert!(
        problem.starts_with("probes.toml:5:22: `settings.redirects`: found `99`"),
        "{problem}"
    );
    let problem = refused("settings.expcet = {}").await;
    assert!(problem.contains("did you mean `expect`?"), "{problem}");
}

#[tokio::test]
async fn a_target_becomes_settings_and_is_kept_for_the_next_probe() {
    let keys = "targets = [\"a.example:80\", \"b.example:80\"]\nsettings.method = \"HEAD\"";
    let module = module("http", keys).await;
    let first = module.aim(&request("a.example/x")).unwrap();
    assert_eq!(first.name, "m");
    let settings: Value = serde_json::from_str(&first.settings).unwrap();
    assert_eq!(settings, json!({ "method": "HEAD", "url": "http://a.example/x" }));
    assert!(Arc::ptr_eq(&first, &module.aim(&request("a.example/x")).unwrap()));
    assert!(!Arc::ptr_eq(
        &first,
        &module.aim(&request("a.example/y")).unwrap()
    ));
    // Where redirects may lead is what the module allows.
    assert_eq!(granted(&first), ["a.example:80", "b.example:80"]);
}

#[tokio::test]
async fn what_is_not_asked_for_any_more_makes_room() {
    let module = module("http", "targets = [\"a.example:80\"]").await;
    let first = module.aim(&request("a.example/0")).unwrap();
    for number in 1..=MAX_KEPT {
        module.aim(&request(&format!("a.example/{number}"))).unwrap();
    }
    let kept = module.kept.lock().unwrap();
    assert_eq!((kept.ready.len(), kept.order.len()), (MAX_KEPT, MAX_KEPT));
    assert!(!kept.ready.values().any(|ready| Arc::ptr_eq(ready, &first)));
}

#[tokio::test]
async fn a_host_and_a_port_grant_nothing_else_of_the_modules_targets() {
    let module = module(
        "imap",
        "targets = [\"*.internal.example:993\", \"10.0.0.0/8:993\"]",
    )
    .await;
    let aimed = module.aim(&request("mail.internal.example")).unwrap();
    assert_eq!(granted(&aimed), ["mail.internal.example:993"]);
    let grants = &aimed.access.grants;
    // The name may lead into the network that is allowed; that network cannot be dialled.
    let inside = "10.1.2.3:993".parse().unwrap();
    assert_eq!(grants.allows_address("mail.internal.example", inside), Ok(()));
    assert!(!grants.allows("10.1.2.3", 993));
    let outside = "192.168.1.1:993".parse().unwrap();
    assert!(grants.allows_address("mail.internal.example", outside).is_err());
    assert!(matches!(
        module.aim(&request("mail.internal.example:143")),
        Err(NotAimed::NotAllowed(_))
    ));
}

#[tokio::test]
async fn a_hostname_is_asked_for_and_verified_instead_of_the_targets() {
    let named = |hostname: &str| Request {
        target: "https://192.0.2.1/".into(),
        hostname: Some(hostname.into()),
    };
    let module_of =
        async |keys: &str| module("http", &format!("targets = [\"192.0.2.1:443\"]\n{keys}")).await;
    let plain = module_of("").await;
    let aimed = plain.aim(&named("www.example.org:8443")).unwrap();
    let settings: Value = serde_json::from_str(&aimed.settings).unwrap();
    assert_eq!(settings["headers"], json!({ "Host": "www.example.org:8443" }));
    assert_eq!(aimed.access.tls.server_name(None, "192.0.2.1"), "www.example.org");
    // A redirect leads to somebody who has a name of their own.
    assert_eq!(
        aimed.access.tls.server_name(None, "other.example"),
        "other.example"
    );

    let own_name = module_of("tls.server_name = \"own.example\"").await;
    let aimed = own_name.aim(&named("www.example.org")).unwrap();
    assert_eq!(aimed.access.tls.server_name(None, "192.0.2.1"), "own.example");

    let own_header = module_of("settings.headers = { host = \"own.example\" }").await;
    for request in [
        named("own.example"),
        Request {
            hostname: None,
            ..named("")
        },
    ] {
        let aimed = own_header.aim(&request).unwrap();
        assert_eq!(aimed.access.tls.server_name(None, "192.0.2.1"), "own.example");
        assert_eq!(
            aimed.access.tls.server_name(None, "other.example"),
            "other.example"
        );
    }
    assert_eq!(
        own_header.aim(&named("www.example.org")).unwrap_err().to_string(),
        "the hostname `www.example.org` cannot be used: the module has another `Host` header"
    );
    for none in [
        "a b",
        "a\r\nX: y",
        "user@a.example",
        "a.example:99999",
        "a.example/x",
        "",
    ] {
        assert!(
            matches!(plain.aim(&named(none)), Err(NotAimed::Unusable(_))),
            "{none:?}"
        );
    }
}

#[tokio::test]
async fn what_is_shown_of_a_module_has_no_credentials() {
    let keys = "targets = [\"a.example:80\"]\n\
                settings.headers = { Authorization = \"Bearer hunter2\", X-Api-Key = \"hunter2\", accept = \"text/html\" }\n\
                settings.basic = { user = \"probe\", password = { secret = \"mail\" } }\n\
                [secrets]\nmail = { env = \"PATH\" }";
    let shown = module("http", keys).await.shown();
    assert_eq!(shown["settings"]["headers"]["accept"], "text/html");
    assert_eq!(
        shown["settings"]["basic"]["password"],
        json!({ "secret": "mail" })
    );
    let text = shown.to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains(&std::env::var("PATH").unwrap()), "{text}");
}
