//! Tests of whole probes: the built-in plugin `http` in the sandbox against servers on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use http::Request;

use super::*;
use crate::config::{Config, Source};
use crate::runner::{DefaultGrant, Preparation};

/// A server that answers each connection in its turn with these words, and says what it heard.
fn server(answers: Vec<String>) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        let heard = answers.iter().map(|answer| {
            let (mut stream, _) = listener.accept().unwrap();
            let head = head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
            head
        });
        heard.collect()
    };
    (address, thread::spawn(serve))
}

fn head(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).unwrap() {
            0 => break,
            _ => request.extend(byte),
        }
    }
    String::from_utf8(request).unwrap()
}

fn ok() -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()
}

/// Probes of one module, and how many reports there were.
async fn probes(keys: &str, slots: usize) -> (Arc<Probes>, Arc<AtomicUsize>) {
    let text = format!("[[module]]\nname = \"http_2xx\"\nplugin = \"http\"\n{keys}\n");
    let config = Config::parse(&Source::new(Path::new("probes.toml"), &text)).unwrap();
    let preparation = Preparation::new(&config, Vec::new(), DefaultGrant::Nothing, None)
        .await
        .unwrap();
    let runner = Arc::new(Runner::new(preparation.sandbox, slots));
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let observer = Box::new(move |_: Arc<Report>| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let offset = Duration::from_millis(500);
    (
        Arc::new(Probes::new(runner, preparation.modules, offset, observer)),
        seen,
    )
}

async fn ask(probes: &Probes, query: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let mut request = Request::get(format!("/probe?{query}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let answer = probes.answer(&parts).await;
    let content_type = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    (answer.status().as_u16(), content_type, answer.into_body())
}

const LOOPBACK: &str = "targets = [\"127.0.0.0/8:1-65535\"]";

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_answers_with_metrics_in_the_format_that_is_wanted() {
    let (probes, seen) = probes(LOOPBACK, 1).await;
    let (address, heard) = server(vec![ok(), ok()]);
    let (status, content_type, text) = ask(&probes, &format!("target={address}"), &[]).await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "probe_success 1",
        "probe_http_status_code 200",
        "probe_ip_protocol 4",
        "probe_timeout_seconds 120",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in {text}");
    }
    let headers = [
        ("accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1"),
        ("x-prometheus-scrape-timeout-seconds", "10"),
    ];
    let (_, content_type, text) = ask(&probes, &format!("target={address}&module=http_2xx"), &headers).await;
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    assert!(
        text.contains("probe_timeout_seconds 9.5\n") && text.ends_with("# EOF\n"),
        "{text}"
    );
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    assert!(heard.join().unwrap()[0].starts_with("GET / HTTP/1.1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_has_a_status_and_runs_nothing() {
    let (probes, seen) = probes(LOOPBACK, 1).await;
    let timeout = ("x-prometheus-scrape-timeout-seconds", "soon");
    for (query, headers, status, text) in [
        ("", &[][..], 400, "Target parameter is missing\n"),
        ("target=x&module=none", &[], 400, "Unknown module \"none\"\n"),
        (
            "target=10.0.0.1",
            &[],
            403,
            "the module does not allow the target `10.0.0.1:80`; to allow it, add it to `targets`\n",
        ),
        (
            "target=http%3A%2F%2F127.0.0.1%40evil.test%2F",
            &[],
            400,
            "the target `http://127.0.0.1@evil.test/` cannot be used: it has a user or a password in it\n",
        ),
        (
            "target=127.0.0.1",
            &[timeout],
            500,
            "Failed to parse timeout from Prometheus header: \"soon\" is not a number of seconds\n",
        ),
    ] {
        let (found, _, said) = ask(&probes, query, headers).await;
        assert_eq!((found, said.as_str()), (status, text), "{query}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_ends_before_its_scraper_gives_up() {
    let (probes, _) = probes(LOOPBACK, 1).await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("target={}", silent.local_addr().unwrap());
    let begun = Instant::now();
    let scraper = [("x-prometheus-scrape-timeout-seconds", "1")];
    let (status, _, text) = ask(&probes, &target, &scraper).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(status, 200);
    for line in [
        "probe_success 0",
        "probe_timeout_seconds 0.5",
        "probe_failure_info{phase=\"processing\",reason=\"deadline_exceeded\"} 1",
        "probe_phase_status{phase=\"transfer\",status=\"not-reached\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in {text}");
    }
    assert!(
        !text.contains("probe_http_duration_seconds{phase=\"transfer\"}"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_slot_is_part_of_the_time_and_who_hangs_up_frees_it() {
    let (probes, seen) = probes(LOOPBACK, 1).await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("target={}", silent.local_addr().unwrap());
    let (waiting, query) = (Arc::clone(&probes), target.clone());
    let first = tokio::spawn(async move { ask(&waiting, &query, &[]).await });
    // The only slot is taken once the server has been asked.
    let (mut asked, _) =
        tokio::task::spawn_blocking(move || silent.accept().map(|(stream, _)| (stream, silent)))
            .await
            .unwrap()
            .unwrap();
    let (status, _, text) = ask(
        &probes,
        &target,
        &[("x-prometheus-scrape-timeout-seconds", "0.4")],
    )
    .await;
    assert_eq!(
        (status, text.as_str()),
        (
            503,
            "no run could begin within 0.2 s: all slots are taken (`runner.concurrency`)\n"
        )
    );

    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // The run ends with who asked for it, and the connection with the run.
    let ended = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        asked.read_to_end(&mut rest).map(|_| rest)
    });
    assert!(ended.await.unwrap().unwrap().starts_with(b"GET / "));
    let (address, heard) = server(vec![ok()]);
    assert_eq!(ask(&probes, &format!("target={address}"), &[]).await.0, 200);
    assert_eq!((seen.load(Ordering::SeqCst), heard.join().unwrap().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_only_to_what_the_module_allows() {
    let (probes, _) = probes("targets = [\"127.0.0.1:1-65535\"]", 1).await;
    let (inside, heard) = server(vec![ok()]);
    let leading = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let (address, _) = server(vec![
        leading(&format!("http://{inside}/")),
        leading("http://127.0.0.2:1/"),
    ]);
    let (_, _, text) = ask(&probes, &format!("target={address}"), &[]).await;
    assert!(
        text.contains("probe_success 1\n") && text.contains("probe_http_redirects 1\n"),
        "{text}"
    );
    assert_eq!(heard.join().unwrap().len(), 1);
    let (_, _, text) = ask(&probes, &format!("target={address}"), &[]).await;
    assert!(text.contains("probe_success 0\n"), "{text}");
    assert!(
        text.contains("probe_failure_info{phase=\"connect\",reason=\"grant_denied\"} 1\n"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_shows_the_waterfall_the_metrics_and_the_module() {
    let keys = format!("{LOOPBACK}\nsettings.headers = {{ authorization = \"Bearer hunter2\" }}");
    let (probes, _) = probes(&keys, 1).await;
    let (address, heard) = server(vec![ok()]);
    let query = format!("target={address}&debug=true&hostname=www.example.org");
    let (status, content_type, text) = ask(&probes, &query, &[]).await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/plain; charset=utf-8")
    );
    let parts = [
        "Logs for the probe:",
        "  processing ",
        "Metrics that would have been returned:",
        "probe_success 1",
        "Module configuration:",
        "\"targets\"",
    ];
    let mut rest = text.as_str();
    for part in parts {
        let found = rest.find(part).unwrap_or_else(|| panic!("no `{part}` in {text}"));
        rest = &rest[found..];
    }
    assert!(!text.contains("hunter2"), "{text}");
    let head = heard.join().unwrap().remove(0).to_ascii_lowercase();
    assert!(
        head.contains("host: www.example.org\r\n") && head.contains("bearer hunter2"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_modules_take_effect_for_the_next_probe() {
    let (probes, _) = probes(LOOPBACK, 1).await;
    let runner = Arc::clone(&probes.probed.read().unwrap().runner);
    probes.set(runner, Modules::new(), Duration::ZERO);
    let (status, _, text) = ask(&probes, "target=127.0.0.1", &[]).await;
    assert_eq!((status, text.as_str()), (400, "Unknown module \"http_2xx\"\n"));
}
