//! The promise.
#[path = "telemetry/runs.rs"]
mod runs;

#[test]
fn show() {
    for r in &runs::RUNS.reports { println!("{r}"); }
    println!("{}", runs::RUNS.stderr);
    println!("{:?}", runs::RUNS.between);
    println!("{}", runs::RUNS.report("page"));
    std::fs::write("/tmp/tele/rec.txt", &runs::RUNS.text).unwrap();
    println!("{}", runs::RUNS.received.spans.len());
}
