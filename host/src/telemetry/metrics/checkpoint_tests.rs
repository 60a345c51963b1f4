//! Tests of what is kept over the end of the process: that it comes back as it was, and that nothing else is taken.

use super::super::catalogue::{DURATION, LAST_RUN, RUNS};
use super::super::{Exemplar, Registry};
use super::*;

struct World {
    registry: Registry,
    page: Owner,
    /// The same, made anew in a process that began later.
    page_later: Owner,
    nobody: Owner,
}

impl World {
    fn new(is_exponential: bool) -> Self {
        let registry = Registry::new(is_exponential);
        for definition in [&RUNS, &DURATION, &LAST_RUN] {
            registry.make(definition);
        }
        let base = [KeyValue::new(super::super::super::names::CHECK, "page")];
        Self {
            registry,
            page: Owner::new("page", base.clone(), 7),
            page_later: Owner::new("page", base, 99),
            nobody: Owner::nobody(1),
        }
    }

    fn instrument(&self, name: &str) -> Option<Arc<Instrument>> {
        let instruments = self.registry.instruments();
        instruments
            .into_iter()
            .find(|instrument| instrument.definition().name == name)
    }

    fn counted(self) -> Self {
        let failed = [KeyValue::new("outcome", "fail"), KeyValue::new("retried", true)];
        let runs = self.instrument(&RUNS.name).unwrap();
        runs.add(&self.page, &failed, 3);
        runs.add(&self.nobody, &[], 5);
        let duration = self.instrument(&DURATION.name).unwrap();
        let exemplar = Exemplar {
            trace_id: [1; 16],
            span_id: [2; 8],
            value: 0.1,
            time: 3,
        };
        for value in [0.1, 0.2, 0.7, 0.0, 99.0] {
            duration.record(&self.page, &failed, value, Some(exemplar));
        }
        let last = self.instrument(&LAST_RUN.name).unwrap();
        last.set(&self.page, &[], Value::Real(0.1 + 0.2));
        self
    }

    fn kept(&self) -> serde_json::Value {
        let check = KeptCheck {
            name: "page".into(),
            plugin: "http".into(),
            start: 7,
        };
        let checkpoint = Checkpoint::of(vec![check], true, &self.registry.instruments());
        let text = serde_json::to_string(&checkpoint).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn restore(&self, kept: serde_json::Value) -> Vec<String> {
        let checkpoint = Checkpoint::read(kept).unwrap();
        let problems = checkpoint.restore(
            |name, _| self.instrument(name),
            |name| (name == "page").then_some(&self.page_later),
            &self.nobody,
            99,
        );
        problems.iter().map(ToString::to_string).collect()
    }

    /// Every series, without exemplars.
    fn series(&self) -> Vec<String> {
        let mut series = Vec::new();
        for instrument in self.registry.instruments() {
            instrument.each(|owner, one| {
                let value = match &one.value {
                    Value::Histogram(histogram) => {
                        format!(
                            "{:?} {:?} {:?}",
                            histogram.counts(),
                            histogram.sum(),
                            histogram.exponential()
                        )
                    }
                    other => format!("{other:?}"),
                };
                let own = one.own.iter();
                let own: Vec<String> = own
                    .map(|pair| format!("{}={:?}", pair.key, pair.value.to_string()))
                    .collect();
                let is_so = one.own.iter().filter(|pair| pair.value == true.into()).count();
                series.push(format!(
                    "{} {} {own:?} {is_so} {} {value}",
                    instrument.definition().name,
                    owner.name(),
                    one.start
                ));
            });
        }
        series.sort();
        series
    }
}

#[test]
fn everything_comes_back_with_its_start_and_goes_on() {
    for is_exponential in [false, true] {
        let before = World::new(is_exponential).counted();
        let after = World::new(is_exponential);
        assert_eq!(after.restore(before.kept()), [""; 0]);
        assert_eq!(after.series(), before.series());
        let after = after.counted();
        let runs: Vec<String> = after
            .series()
            .into_iter()
            .filter(|series| series.starts_with("synthetic.check.runs page"))
            .collect();
        assert!(runs.len() == 1 && runs[0].ends_with(" 7 Whole(6)"), "{runs:?}");
    }
}

#[test]
fn a_check_that_is_gone_is_left_out() {
    let before = World::new(false).counted();
    let after = World::new(false);
    let checkpoint = Checkpoint::read(before.kept()).unwrap();
    checkpoint.restore(|name, _| after.instrument(name), |_| None, &after.nobody, 99);
    assert_eq!(after.series().len(), 1);
}

#[test]
fn another_version_is_not_read() {
    let mut kept = World::new(false).kept();
    kept["version"] = 2.into();
    assert_eq!(
        Checkpoint::read(kept).unwrap_err(),
        "its version is `2`, wanted `1`"
    );
    assert_eq!(
        Checkpoint::read(serde_json::json!([])).unwrap_err(),
        "it has no version"
    );
    assert!(Checkpoint::read(serde_json::json!({"version": 1})).is_err());
}

#[test]
fn what_does_not_fit_counts_anew_and_the_rest_goes_on() {
    let mut kept = World::new(false).counted().kept();
    kept["instruments"][1]["bounds"] = serde_json::json!([1.0]);
    kept["instruments"][2]["name"] = "synthetic.check.former".into();
    let after = World::new(false);
    assert_eq!(
        after.restore(kept),
        [
            "`synthetic.check.duration` counts anew: its buckets are others now",
            "`synthetic.check.former` counts anew: there is no such metric any more",
        ]
    );
    assert_eq!(after.series().len(), 2);
}

/// Whatever stands at each place of the file, it is taken or refused.
#[test]
fn no_damage_is_more_than_a_refusal() {
    let text = World::new(true).counted().kept().to_string();
    for at in 0..text.len() {
        for with in ["9", "-", "null", "\"", "1e999"] {
            let damaged = format!("{}{with}{}", &text[..at], &text[at + 1..]);
            if let Ok(kept) = serde_json::from_str(&damaged)
                && let Ok(checkpoint) = Checkpoint::read(kept)
            {
                let after = World::new(true);
                checkpoint.restore(
                    |name, _| after.instrument(name),
                    |_| Some(&after.page),
                    &after.nobody,
                    99,
                );
                let after = after.counted();
                assert!(!after.series().is_empty());
            }
        }
    }
}
