//! Tests of every endpoint by a client that speaks TCP, and of the answers against the schema.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::samples::{check, failing, plugin, report};
use super::*;
use crate::capability::Capability;
use crate::serve::board::{
    BreakerFacts, Keep, PluginFacts, Readiness, Refusal, RefusedFileFacts, ShadowFacts,
};
use crate::switches::{Scope, Switches};
use crate::telemetry::strict;
use client::{Answer, Server};

#[path = "client.rs"]
pub(crate) mod client;

/// A daemon that does what the test says.
#[derive(Default)]
pub(super) struct Daemon {
    switches: Arc<Switches>,
    reload: Option<String>,
    sick: Option<String>,
    /// The plugin beside which a new version runs.
    shadow: Option<String>,
}

#[async_trait]
impl Actions for Daemon {
    async fn reload(&self) -> Result<String, String> {
        match &self.reload {
            None => Ok("reloaded: 2 checks".to_owned()),
            Some(complaint) => Err(complaint.clone()),
        }
    }

    async fn promote(&self, plugin: &str) -> Result<String, String> {
        match &self.shadow {
            Some(shadow) if shadow == plugin => Ok("the new version has taken over".to_owned()),
            _ => Err(format!("there is no new version of the plugin `{plugin}`")),
        }
    }

    fn health(&self) -> Result<(), String> {
        self.sick.clone().map_or(Ok(()), Err)
    }

    fn switches(&self) -> Arc<Switches> {
        Arc::clone(&self.switches)
    }
}

/// A board with something of everything on it.
fn board() -> Arc<Board> {
    let board = Board::new(Keep::default());
    board.change_checks(&[], &["page", "mail"].map(|name| Arc::new(check(name))));
    board.started("page");
    board.finished(report("page", 1), "passing");
    board.finished(failing("page", 2), "failing");
    board.skipped(super::samples::still_running("page", 3));
    board.due("page", std::time::Instant::now() + Duration::from_secs(30));
    board.breaker(BreakerFacts {
        target: "page.example.org:443".into(),
        plugin: "http".into(),
        state: "half-open",
        failures: 5,
        retry_at: Some(std::time::Instant::now()),
        checks: Arc::from(["page".into()]),
    });
    let facts = PluginFacts {
        identity: plugin(),
        origin: "plugins/http.wasm".into(),
        since: SystemTime::now(),
        last_refusal: Some(Refusal {
            at: SystemTime::now(),
            message: "not a component".into(),
        }),
        shadow: Some(ShadowFacts {
            identity: plugin(),
            since: SystemTime::now(),
            lasts: Duration::from_secs(600),
            is_over: false,
            runs: 3,
            differences: (1, 2),
            slowdown: Some(1.7),
            examples: vec!["check `page`: outcome `pass` became `fail`".into()],
        }),
    };
    let refused = RefusedFileFacts {
        file: "plugins/new.wasm".into(),
        plugin: None,
        at: SystemTime::now(),
        message: "not a component".into(),
    };
    board.set_plugins(vec![facts], vec![refused]);
    board.reloaded(Ok(1));
    board.reloaded(Err("checks.toml:1:1: no".into()));
    board.set_readiness(Readiness::Ready);
    board
}

pub(super) fn endpoints(daemon: Daemon, token: Option<&str>) -> Endpoints {
    let meters = Meters::new(&std::collections::BTreeMap::new());
    meters.record(&report("page", 1));
    let token = token.map(|token| Secret::new(token.as_bytes().to_vec()));
    let endpoints = Endpoints::new(board(), meters, Arc::new(daemon), token);
    let (journal, _) = Journal::open(crate::journal::Settings::default(), Vec::new()).unwrap();
    drop(journal.feed("traces"));
    endpoints.show_journal(journal);
    endpoints
}

async fn serve(daemon: Daemon, token: Option<&str>) -> Server {
    Server::start(router(endpoints(daemon, token), Router::new()), Bounds::default()).await
}

/// Holds an answer against a schema of the served document.
async fn assert_valid(server: &Server, answer: &Answer, schema: &str) -> Value {
    let document = server.get("/api/v1/openapi.json").await.json();
    let schema = json!({
        "$ref": format!("#/components/schemas/{schema}"),
        "components": document["components"],
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = answer.json();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?} in {value:#}");
    value
}

#[tokio::test]
async fn every_answer_is_as_the_schema_says() {
    let server = serve(Daemon::default(), None).await;
    for (path, status, schema) in [
        ("/api/v1/status", 200, "Status"),
        ("/api/v1/checks", 200, "Checks"),
        ("/api/v1/checks?limit=1", 200, "Checks"),
        ("/api/v1/checks?limit=0", 400, "Error"),
        ("/api/v1/checks/page", 200, "CheckWithReport"),
        ("/api/v1/checks/mail", 200, "CheckWithReport"),
        ("/api/v1/checks/other", 404, "Error"),
        ("/api/v1/checks/page/reports", 200, "Reports"),
        ("/api/v1/checks/other/reports", 404, "Error"),
        ("/api/v1/checks/%FF", 404, "Error"),
        ("/api/v1/checks/%FF/reports", 404, "Error"),
        ("/api/v1/breakers", 200, "Breakers"),
        ("/api/v1/breakers?limit=1", 200, "Breakers"),
        ("/api/v1/breakers?limit=10001", 400, "Error"),
        ("/api/v1/journal", 200, "Journal"),
        ("/api/v1/plugins", 200, "Plugins"),
        ("/api/v1/switches", 200, "Switches"),
        ("/nothing", 404, "Error"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert_valid(&server, &answer, schema).await;
    }
}

#[tokio::test]
async fn the_first_page_leads_to_everything_that_can_be_read() {
    let server = serve(Daemon::default(), None).await;
    let document = server.get("/api/v1/openapi.json").await.json();
    let page = server.get("/").await.body;
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(path.contains('{') || page.contains(path), "{path}: {page}");
    }
}

#[tokio::test]
async fn the_schema_names_every_path_and_method_there_is_and_no_other() {
    let server = serve(Daemon::default(), None).await;
    let document = server.get("/api/v1/openapi.json").await.json();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "page");
        let said: std::collections::BTreeSet<String> = methods
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let refused = server.request("PATCH", &path, &[], "").await;
        assert_eq!(refused.status, 405, "{path}");
        assert_valid(&server, &refused, "Error").await;
        let allowed = refused.header("allow").unwrap_or_default().split(',');
        let allowed = allowed.map(str::to_owned).filter(|method| method != "HEAD");
        assert_eq!(allowed.collect::<std::collections::BTreeSet<_>>(), said, "{path}");
    }
}

#[tokio::test]
async fn a_check_is_shown_with_its_report_as_the_command_line_writes_it() {
    let server = serve(Daemon::default(), None).await;
    let latest = crate::render::json(&super::samples::still_running("page", 3)).unwrap();
    let answer = server.get("/api/v1/checks/page").await;
    assert!(
        answer.body.contains(&format!("\"report\":{latest}")),
        "{}",
        answer.body
    );
    let page = answer.json();
    assert_eq!(
        (
            &page["state"],
            &page["breaker"],
            &page["runs"]["fail"],
            &page["skipped"]["still_running"]
        ),
        (&json!("failing"), &json!("half-open"), &json!(1), &json!(1))
    );
    let reports = server.get("/api/v1/checks/page/reports?limit=2").await;
    let failed = crate::render::json(&failing("page", 2)).unwrap();
    assert_eq!(reports.body, format!("{{\"reports\":[{latest},{failed}]}}\n"));
    let page = server.get("/api/v1/checks?limit=1").await.json();
    assert_eq!(
        (&page["checks"][0]["name"], &page["next"]),
        (&json!("mail"), &json!("mail"))
    );
    let page = server.get("/api/v1/checks?after=mail").await.json();
    assert_eq!(
        (&page["checks"][0]["name"], &page["next"]),
        (&json!("page"), &Value::Null)
    );
}

#[tokio::test]
async fn breakers_come_in_pages_in_the_order_of_their_targets() {
    let endpoints = endpoints(Daemon::default(), None);
    for (target, plugin) in [("a.example.org:1", "tcp"), ("page.example.org:443", "imap")] {
        endpoints.0.board.breaker(BreakerFacts {
            target: target.into(),
            plugin: plugin.into(),
            state: "closed",
            failures: 0,
            retry_at: None,
            checks: Arc::from([]),
        });
    }
    let server = Server::start(router(endpoints, Router::new()), Bounds::default()).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/breakers?limit=1".to_owned();
    loop {
        let page = server.get(&path).await.json();
        assert_eq!(
            (&page["total"], page["breakers"].as_array().unwrap().len()),
            (&json!(3), 1)
        );
        let shown = &page["breakers"][0];
        seen.push(format!(
            "{} {}",
            shown["target"].as_str().unwrap(),
            shown["plugin"].as_str().unwrap()
        ));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/breakers?limit=1&after={}", next.replace(' ', "%20"));
    }
    let (first, second) = ("page.example.org:443 http", "page.example.org:443 imap");
    assert_eq!(seen, ["a.example.org:1 tcp", first, second]);
}

#[tokio::test]
async fn a_long_answer_waits_for_its_turn_and_whoever_waits_too_long_is_to_ask_again() {
    let mut endpoints = endpoints(Daemon::default(), None);
    let share = super::share::Share::of(1, 1_000_000, Duration::from_millis(50));
    Arc::get_mut(&mut endpoints.0).unwrap().answers = share.clone();
    let server = Server::start(router(endpoints, Router::new()), Bounds::default()).await;
    let turn = share.turn(share.patience_ends()).await.unwrap();
    let long = [
        "/api/v1/checks",
        "/api/v1/checks/page",
        "/api/v1/checks/page/reports",
        "/api/v1/breakers",
        "/api/v1/plugins",
    ];
    for path in long {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("10")),
            "{path}"
        );
        assert_valid(&server, &answer, "Error").await;
    }
    for path in ["/metrics", "/-/healthy", "/api/v1/status"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    drop(turn);
    for path in long {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let server = serve(Daemon::default(), None).await;
    let plain = server.get("/metrics").await;
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    strict::prometheus(&plain.body).unwrap();
    let accept = (
        "accept",
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    );
    let open = server.request("GET", "/metrics", &[accept], "").await;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(media_type));
    let samples = strict::open_metrics(&open.body).unwrap();
    assert!(
        samples
            .iter()
            .any(|sample| sample.name == "synthetic_check_runs_total")
    );
    let gzip = server
        .request("GET", "/metrics", &[("accept-encoding", "gzip")], "")
        .await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&gzip.bytes[..]), &mut text).unwrap();
    strict::prometheus(&text).unwrap();
}

#[tokio::test]
async fn health_readiness_and_reload_say_what_they_find() {
    let daemon = Daemon {
        sick: Some("the task `watch` has died".into()),
        reload: Some("checks.toml:1:1: `x`: unknown key\nchecks.toml:2:1: `y`: unknown key".into()),
        ..Daemon::default()
    };
    let sick = serve(daemon, None).await;
    let well = serve(Daemon::default(), None).await;
    for (server, method, path, status, body) in [
        (&well, "GET", "/-/healthy", 200, "healthy\n"),
        (&sick, "GET", "/-/healthy", 503, "the task `watch` has died\n"),
        (&well, "POST", "/-/reload", 200, "reloaded: 2 checks\n"),
        (&well, "PUT", "/-/reload", 200, "reloaded: 2 checks\n"),
        (
            &sick,
            "POST",
            "/-/reload",
            500,
            "checks.toml:1:1: `x`: unknown key\nchecks.toml:2:1: `y`: unknown key\n",
        ),
        (&well, "GET", "/-/ready", 200, "ready\n"),
    ] {
        let answer = server.request(method, path, &[], "").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
    }
    let endpoints = endpoints(Daemon::default(), None);
    let server = Server::start(router(endpoints.clone(), Router::new()), Bounds::default()).await;
    for (readiness, word) in [
        (Readiness::Starting, "no configuration"),
        (Readiness::Stopping, "shutting down"),
    ] {
        endpoints.0.board.set_readiness(readiness);
        let answer = server.get("/-/ready").await;
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains(word), "{}", answer.body);
    }
}

#[tokio::test]
async fn without_the_token_there_is_health_and_nothing_else() {
    let endpoints = endpoints(Daemon::default(), Some("s3cret"));
    let more = Router::new().route("/probe", get(async || "probed"));
    let server = Server::start(router(endpoints.clone(), more), Bounds::default()).await;
    for path in ["/", "/metrics", "/probe", "/api/v1/checks", "/nothing"] {
        for headers in [&[][..], &[("authorization", "Bearer s3cre")]] {
            let answer = server.request("GET", path, headers, "").await;
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"bedcheck\"")
            );
        }
        let answer = server
            .request("GET", path, &[("authorization", "Bearer s3cret")], "")
            .await;
        assert_eq!(
            answer.status,
            if path == "/nothing" { 404 } else { 200 },
            "{path}"
        );
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(server.request("POST", "/-/reload", &[], "").await.status, 401);
    endpoints.set_token(None);
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn capabilities_are_switched_off_and_on_again() {
    let daemon = Daemon::default();
    let switches = Arc::clone(&daemon.switches);
    let server = serve(daemon, None).await;
    let json_type = [("content-type", "application/json")];
    let post = async |body: &str| server.request("POST", "/api/v1/switches", &json_type, body).await;
    let off = post(r#"{"capability":"net.tls","check":"page","enabled":false}"#).await;
    assert_eq!(off.status, 200, "{}", off.body);
    let listed = assert_valid(&server, &off, "Switches").await;
    assert_eq!(listed["disabled"][0]["check"], "page");
    assert_eq!(
        switches.disabled(),
        [(Scope::Check("page".into()), Capability::NetTls)]
    );
    post(r#"{"capability":"secrets","everywhere":true,"enabled":false}"#).await;
    post(r#"{"capability":"net.tls","check":"page","enabled":true}"#).await;
    assert_eq!(switches.disabled(), [(Scope::Everywhere, Capability::Secrets)]);
    for (body, status) in [
        (r#"{"capability":"net.tls","check":"other","enabled":false}"#, 404),
        (
            r#"{"capability":"net.tls","plugin":"other","enabled":false}"#,
            404,
        ),
        (r#"{"capability":"net.udp","check":"page","enabled":false}"#, 400),
        (r#"{"capability":"net.tls","enabled":false}"#, 400),
        (
            r#"{"capability":"net.tls","check":"page","plugin":"http","enabled":false}"#,
            400,
        ),
        (
            r#"{"capability":"net.tls","check":"page","enabled":false,"more":1}"#,
            400,
        ),
        ("{", 400),
    ] {
        let answer = post(body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert_valid(&server, &answer, "Error").await;
    }
    assert_eq!(post(&"x".repeat(17 * 1024)).await.status, 413);
    assert_eq!(
        server.request("POST", "/api/v1/switches", &[], "{}").await.status,
        415
    );
    assert_eq!(switches.disabled(), [(Scope::Everywhere, Capability::Secrets)]);
}

#[tokio::test]
async fn a_new_version_of_a_plugin_is_promoted() {
    let daemon = Daemon {
        shadow: Some("http".into()),
        ..Daemon::default()
    };
    for (daemon, plugin, status, schema) in [
        (daemon, "http", 200, "Done"),
        (Daemon::default(), "http", 409, "Error"),
        (Daemon::default(), "other", 404, "Error"),
    ] {
        let server = serve(daemon, None).await;
        let path = format!("/api/v1/plugins/{plugin}/promote");
        let answer = server.request("POST", &path, &[], "").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_valid(&server, &answer, schema).await;
    }
}

#[tokio::test]
async fn a_web_page_changes_nothing() {
    let server = serve(Daemon::default(), None).await;
    let origin = [
        ("origin", "http://evil.example.org"),
        ("content-type", "application/json"),
    ];
    for path in ["/-/reload", "/api/v1/switches", "/api/v1/plugins/http/promote"] {
        assert_eq!(
            server.request("POST", path, &origin, "{}").await.status,
            403,
            "{path}"
        );
    }
    assert_eq!(
        server.request("GET", "/api/v1/status", &origin, "").await.status,
        200
    );
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = serve(Daemon::default(), None).await;
    for path in ["/", "/metrics", "/-/ready", "/api/v1/checks"] {
        let head = server.request("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert!(
            head.header("content-length").is_some_and(|length| length != "0"),
            "{path}"
        );
    }
}
