//! The promise: the dashboard can be imported as it is. Its panels lie beside each other, each query says where it asks
//! and what, every variable that is used is defined, and every unit is one that Grafana knows. That the queries find
//! something is shown in `contrib_queries.rs`.
//!
//! Grafana's own schema (`dashboard` and the panels' of grafana-foundation-sdk) has accepted the file; it is not part of
//! this repository.

#[expect(dead_code, reason = "these tests need a part of what is shared")]
mod contrib;

use std::collections::BTreeSet;

use contrib::dashboard::{dashboard, is_row, list, panels, text, variables};
use serde_json::Value;

/// The columns of Grafana's grid.
const COLUMNS: u64 = 24;
/// Units of Grafana's that mean what the panels show.
const UNITS: [&str; 6] = ["short", "none", "s", "bytes", "percentunit", "cps"];
/// Kinds of panels that Grafana has without a plugin.
const KINDS: [&str; 6] = [
    "stat",
    "timeseries",
    "heatmap",
    "table",
    "bargauge",
    "state-timeline",
];

/// Where a panel lies.
struct Place {
    left: u64,
    top: u64,
    right: u64,
    bottom: u64,
}

impl Place {
    fn of(panel: &Value) -> Self {
        let number = |key: &str| {
            let number = panel["gridPos"][key].as_u64();
            number.unwrap_or_else(|| panic!("no `{key}` in {panel:#}"))
        };
        let (left, top) = (number("x"), number("y"));
        Self {
            left,
            top,
            right: left + number("w"),
            bottom: top + number("h"),
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

#[test]
fn panels_lie_beside_each_other() {
    let dashboard = dashboard();
    let places: Vec<(&str, Place)> = panels(&dashboard)
        .map(|panel| (text(&panel["title"]), Place::of(panel)))
        .collect();
    assert!(places.len() > 30, "only {} panels", places.len());
    for (index, (title, place)) in places.iter().enumerate() {
        assert!(
            place.left < place.right && place.top < place.bottom,
            "{title} is empty"
        );
        assert!(place.right <= COLUMNS, "{title} is too wide");
        for (other_title, other) in &places[..index] {
            assert!(!place.overlaps(other), "{title} lies on {other_title}");
        }
    }
}

#[test]
fn panels_say_what_they_show() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is taken");
        assert!(!title.is_empty(), "{panel:#}");
        if is_row(panel) {
            continue;
        }
        assert!(titles.insert(title), "two panels `{title}`");
        assert!(
            KINDS.contains(&text(&panel["type"])),
            "{title}: {}",
            panel["type"]
        );
        assert!(
            !text(&panel["description"]).is_empty(),
            "{title} has no description"
        );
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(
            UNITS.contains(&text(&defaults["unit"])),
            "{title}: {}",
            defaults["unit"]
        );
    }
}

#[test]
fn queries_say_where_they_ask_and_what() {
    let dashboard = dashboard();
    for panel in panels(&dashboard).filter(|panel| !is_row(panel)) {
        let title = text(&panel["title"]);
        let mut names = BTreeSet::new();
        for target in list(&panel["targets"]) {
            assert!(names.insert(text(&target["refId"])), "{title}: {target:#}");
            let (kind, source) = (&target["datasource"]["type"], &target["datasource"]["uid"]);
            let wanted = match text(kind) {
                "prometheus" => ("${datasource}", "expr"),
                "tempo" => ("${traces}", "query"),
                other => panic!("{title} asks `{other}`"),
            };
            assert_eq!(source, wanted.0, "{title}");
            assert!(!text(&target[wanted.1]).is_empty(), "{title}: {target:#}");
        }
        assert!(!names.is_empty(), "{title} asks nothing");
    }
}

#[test]
fn every_variable_that_is_used_is_defined_and_the_other_way_round() {
    let dashboard = dashboard();
    let defined: BTreeSet<String> = list(&dashboard["templating"]["list"])
        .map(|variable| text(&variable["name"]).to_owned())
        .collect();
    let used = variables(&dashboard.to_string());
    assert_eq!(used, defined);
}
