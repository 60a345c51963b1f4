//! The parts of a run by themselves, for whoever changes one: `cargo bench --package bedcheck-bench`. What a whole
//! check costs, and beside what, is for the rows of the benchmark to say.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bedcheck::outcome::Report;
use bedcheck::policy::TargetKey;
use bedcheck::policy::breaker::Verdict;
use bedcheck::redactor::Redactor;
use bedcheck::render;
use bedcheck::schedule::{Decision, Limits, Plan, Scheduled, Scheduler};
use bedcheck::telemetry::{CheckLabels, Exposition, Meters};
use bedcheck_bench::check::{self, Check, Written};
use bedcheck_tests::component::Component;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

/// What the parts are made for: enough that what grows with the number is seen.
const CHECKS: usize = 10_000;

/// A store, an instance, a run that does nothing, its report.
fn run(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let component = Component::new().build();
    let check = Check::of_file("odd", &component, &[], folder.path(), &runtime).expect("a check");
    criterion.bench_function("run: whole, by a component that does nothing", |bencher| {
        bencher.iter(|| runtime.block_on(check.report()));
    });
}

/// What becomes of a report.
fn report(criterion: &mut Criterion) {
    let report = report_of_http();
    criterion.bench_function("report: to JSON", |bencher| {
        bencher.iter(|| render::json(black_box(&report)));
    });
    let meters = meters(1);
    let counted = Report {
        check: name(0),
        ..report.clone()
    };
    criterion.bench_function("report: into the metrics", |bencher| {
        bencher.iter(|| meters.record(black_box(&counted)));
    });
}

/// The page for Prometheus, per check.
fn exposition(criterion: &mut Criterion) {
    let meters = meters(1_000);
    let report = report_of_http();
    for number in 0..1_000 {
        meters.record(&Report {
            check: name(number),
            ..report.clone()
        });
    }
    let mut group = criterion.benchmark_group("metrics");
    group.throughput(Throughput::Elements(1_000)).sample_size(20);
    group.bench_function("as text, 1,000 checks", |bencher| {
        bencher.iter(|| meters.write_text(Exposition::Prometheus, &mut std::io::sink()));
    });
    group.finish();
}

/// Striking a secret out of a text that does not hold it, as nearly every text.
fn redaction(criterion: &mut Criterion) {
    let redactor = Redactor::new([b"a secret of some length".as_slice()]);
    let text = "the server rejected the login: `invalid credentials`; ".repeat(20);
    let mut group = criterion.benchmark_group("redactor");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("a kilobyte without the secret", |bencher| {
        bencher.iter(|| redactor.redact(black_box(&text)).len());
    });
    group.finish();
}

/// Deciding, start and end: each step is one check that is due.
fn schedule(criterion: &mut Criterion) {
    let checks = (0..CHECKS).map(|number| Scheduled {
        name: name(number).into(),
        every: Duration::from_secs(60),
        jitter: Duration::ZERO,
        target: TargetKey::of_check(&name(number)),
        plugin: "http".into(),
        breaker: None,
        fingerprint: 0,
    });
    let limits = Limits {
        concurrency: CHECKS,
        per_target: 1,
    };
    let mut scheduler = Scheduler::new(limits, 1);
    scheduler.take_up(
        &Arc::new(Plan::new(checks)).after(&Arc::new(Plan::default())),
        Duration::ZERO,
    );
    let verdict = Verdict::from(&report_of_http());
    criterion.bench_function("schedule: the next of 10,000 checks, start and end", |bencher| {
        bencher.iter(|| {
            let now = scheduler.next_due().expect("there are checks");
            for decision in scheduler.tick(now) {
                if let Decision::Start { name, .. } = decision {
                    scheduler.finished(&name, &verdict, now);
                }
            }
        });
    });
}

fn runtime() -> Runtime {
    check::runtime(1).expect("a runtime")
}

fn name(number: usize) -> String {
    format!("check-{number}")
}

fn meters(checks: usize) -> Meters {
    let meters = Meters::new(&BTreeMap::new());
    let names: Vec<String> = (0..checks).map(name).collect();
    meters.set_checks(names.iter().map(|name| CheckLabels { name, plugin: "http" }));
    meters
}

/// The report of a real run: a page of three bytes.
fn report_of_http() -> Report {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on loopback");
    let address = listener.local_addr().expect("it is bound");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the check connects");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).expect("the check asks");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
            .expect("the check listens");
    });
    let runtime = runtime();
    let written = Written {
        plugin: "http",
        set: &[format!("url=http://{address}/")],
        ..Written::default()
    };
    let check = Check::prepare(&written, &runtime).expect("a check");
    let report = runtime.block_on(check.report());
    server.join().expect("the server ended");
    report
}

criterion_group!(benches, run, report, exposition, redaction, schedule);
criterion_main!(benches);
