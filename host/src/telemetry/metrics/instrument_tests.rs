//! Tests of an instrument: what is forgotten, what is bounded, what is refused, and that showing holds nobody up.

use std::borrow::Cow;

use super::super::catalogue;
use super::*;

fn of(kind: Kind, limit: usize) -> Instrument {
    let definition = Definition {
        name: Cow::Borrowed("a"),
        kind,
        unit: Cow::Borrowed("1"),
        attributes: &[],
        limit,
        description: "",
    };
    Instrument::new(definition, false)
}

fn number(value: i64) -> [KeyValue; 1] {
    [KeyValue::new("number", value)]
}

/// The check of this name, with this attribute.
fn owner(name: &str, check: &'static str) -> Owner {
    Owner::new(name, [KeyValue::new("check", check)], 7)
}

/// Each series as `attributes value`.
fn shown(instrument: &Instrument) -> Vec<String> {
    let mut shown = Vec::new();
    instrument.each(|owner, series| {
        let pairs = owner.base().iter().chain(series.own.iter());
        let pairs: Vec<String> = pairs.map(|pair| format!("{}={}", pair.key, pair.value)).collect();
        let value = match &series.value {
            Value::Whole(value) => value.to_string(),
            Value::Real(value) => value.to_string(),
            Value::Histogram(histogram) => format!("{:?}", histogram.counts()),
        };
        shown.push(format!("{} {value}", pairs.join(",")));
    });
    shown.sort();
    shown
}

#[test]
fn what_belonged_to_a_removed_check_is_forgotten() {
    let (counter, page, mail) = (
        of(Kind::Counter, 10),
        owner("page", "page"),
        owner("mail", "mail"),
    );
    counter.add(&page, &number(1), 1);
    counter.add(&page, &number(1), 2);
    counter.add(&mail, &number(1), 5);
    counter.add(&Owner::nobody(7), &number(3), 7);
    let all = ["check=mail,number=1 5", "check=page,number=1 3", "number=3 7"];
    assert_eq!(shown(&counter), all);
    counter.retain(|owner| owner == "page");
    assert_eq!(shown(&counter), all[1..]);
    assert_eq!(counter.held(), 2);
    counter.forget_unowned();
    assert_eq!((shown(&counter), counter.held()), (vec![all[1].to_owned()], 1));
}

#[test]
fn another_check_under_the_same_name_counts_from_the_start() {
    let counter = of(Kind::Counter, 10);
    let (http, tcp) = (owner("page", "http"), owner("page", "tcp"));
    counter.add(&http, &number(1), 5);
    counter.add(&tcp, &number(1), 1);
    assert_eq!(shown(&counter), ["check=tcp,number=1 1"]);
    assert_eq!(counter.held(), 1);
}

#[test]
fn what_is_over_the_limit_is_added_up_and_counted_and_there_is_room_again_after_a_removal() {
    let (counter, page, mail) = (of(Kind::Counter, 2), owner("page", "page"), owner("mail", "mail"));
    for value in 1..=4 {
        counter.add(&page, &number(value), 1);
    }
    counter.add(&page, &number(1), 1);
    let overflow = "otel.metric.overflow=true 2";
    assert_eq!(
        shown(&counter),
        ["check=page,number=1 2", "check=page,number=2 1", overflow]
    );
    assert_eq!((counter.held(), counter.overflowed()), (2, 2));
    counter.retain(|owner| owner != "page");
    counter.add(&mail, &number(5), 1);
    assert_eq!(shown(&counter), ["check=mail,number=5 1", overflow]);
}

#[test]
fn what_is_no_number_is_refused_and_counted() {
    let (gauge, histogram) = (of(Kind::Gauge, 10), of(Kind::Histogram(&[1.0]), 10));
    let page = owner("page", "page");
    gauge.set(&page, &[], Value::Real(1.5));
    gauge.set(&page, &[], Value::Real(f64::NAN));
    gauge.set(&page, &[], Value::Real(f64::INFINITY));
    assert_eq!(
        (shown(&gauge), gauge.refused()),
        (vec!["check=page 1.5".to_owned()], 2)
    );
    for value in [0.5, f64::NAN, f64::NEG_INFINITY, -0.1, 2.0] {
        histogram.record(&page, &[], value, None);
    }
    assert_eq!(
        (shown(&histogram), histogram.refused()),
        (vec!["check=page [1, 1]".to_owned()], 3)
    );
}

#[test]
fn a_count_keeps_the_newest_exemplar() {
    let (counter, page) = (of(Kind::Counter, 10), owner("page", "page"));
    let exemplar = |time| Exemplar {
        trace_id: [1; 16],
        span_id: [2; 8],
        value: 1.0,
        time,
    };
    counter.add_with(&page, &[], 1, Some(exemplar(1)));
    counter.add_with(&page, &[], 1, Some(exemplar(2)));
    counter.add_with(&page, &[], 1, None);
    counter.each(|_, series| {
        assert_eq!(series.exemplar, Some(Box::new(exemplar(2))));
        assert_eq!((series.start, &series.value), (7, &Value::Whole(3)));
    });
}

#[test]
fn attributes_that_many_checks_have_are_kept_once() {
    let counter = of(Kind::Counter, 1_000);
    for check in 0..500 {
        counter.add(&owner(&check.to_string(), "any"), &number(1), 1);
    }
    let mut kept = HashSet::new();
    counter.each(|_, series| {
        kept.insert(Arc::as_ptr(&series.own));
    });
    assert!(kept.len() <= PARTS, "{}", kept.len());
}

#[test]
fn counting_goes_on_while_the_values_are_shown() {
    let (counter, page) = (of(Kind::Counter, 10), owner("page", "page"));
    counter.add(&page, &number(1), 1);
    counter.each(|_, _| {
        let is_free = counter.parts.iter().all(|part| part.try_lock().is_ok());
        assert!(is_free, "a run would wait until all of them are shown");
    });
}

#[test]
fn there_is_room_for_each_state_of_as_many_checks_as_there_may_be() {
    assert_eq!(catalogue::UP.limit, catalogue::OF_CHECKS);
    assert_eq!(catalogue::CHECK_STATES.limit, 4 * catalogue::OF_CHECKS);
}

#[test]
fn what_was_over_the_limit_goes_on_as_the_one_series_of_that() {
    let (before, after) = (of(Kind::Counter, 1), of(Kind::Counter, 1));
    for one in 0..3 {
        before.add(&owner("page", "page"), &number(one), 1);
    }
    // Of a check that is gone nothing is put back: there is room for another one.
    before.each(|owner, series| {
        if owner.is_nobody() {
            after.restore(owner, series);
        }
    });
    for one in 0..3 {
        after.add(&owner("mail", "mail"), &number(one), 1);
    }
    let wanted = ["check=mail,number=0 1", "otel.metric.overflow=true 4"];
    assert_eq!(
        (shown(&after), after.held()),
        (wanted.map(str::to_owned).to_vec(), 1)
    );
}
