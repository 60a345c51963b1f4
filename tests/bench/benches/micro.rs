//! The parts of a run by themselves, for whoever changes one: `cargo bench --package bedcheck-bench`.

use criterion::{Criterion, criterion_group, criterion_main};

fn statistics(criterion: &mut Criterion) {
    criterion.bench_function("summary of 100 rounds", |bencher| {
        let figures: Vec<f64> = (0..100).map(f64::from).collect();
        bencher.iter(|| bedcheck_bench::statistics::Summary::of(&figures));
    });
}

criterion_group!(benches, statistics);
criterion_main!(benches);
