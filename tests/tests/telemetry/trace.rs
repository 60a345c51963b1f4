//! Holds a trace against the report it tells of, field by field. Which runs there are is told elsewhere.

use std::collections::BTreeMap;

use bedcheck_tests::collector::{Attributes, Received, Span};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What OTLP calls the kinds and the status codes of spans.
const INTERNAL: u64 = 1;
const CLIENT: u64 = 3;
const UNSET: u64 = 0;
const ERROR: u64 = 2;

/// The attribute which the report has to the microsecond only.
const LAG: &str = "synthetic.check.lag";

/// The spans of a run.
pub(crate) struct Trace<'a> {
    report: &'a Value,
    spans: Vec<&'a Span>,
    root: &'a Span,
}

impl<'a> Trace<'a> {
    /// The trace that the report names.
    pub(crate) fn of(report: &'a Value, received: &'a Received) -> Self {
        let spans: Vec<&Span> = received
            .spans
            .iter()
            .filter(|span| report["trace_id"] == span.trace_id.as_str())
            .collect();
        let roots: Vec<&Span> = spans
            .iter()
            .copied()
            .filter(|span| span.parent.is_empty())
            .collect();
        let [root] = roots[..] else {
            panic!("wanted one root, found {roots:#?} for {report:#}")
        };
        Self { report, spans, root }
    }

    /// The run.
    pub(crate) fn root(&self) -> &'a Span {
        self.root
    }

    /// The spans under this one, in the order in which they started.
    pub(crate) fn under(&self, parent: &Span) -> Vec<&'a Span> {
        let children = self.spans.iter().copied();
        let mut children: Vec<&Span> = children.filter(|span| span.parent == parent.id).collect();
        children.sort_by_key(|span| span.start);
        children
    }

    /// The span of this name, which has to be the only one.
    pub(crate) fn only(&self, name: &str) -> &'a Span {
        let named: Vec<&Span> = self
            .spans
            .iter()
            .copied()
            .filter(|span| span.name == name)
            .collect();
        let [span] = named[..] else {
            panic!("wanted one span `{name}`, found {named:#?}")
        };
        span
    }

    /// Fails where the trace says something else than the report, or more, or less.
    pub(crate) fn assert_tells_the_report(&self) {
        self.assert_root();
        let attempts = elements(&self.report["attempts"]);
        let spans: Vec<&Span> = self.children_named("attempt");
        assert_eq!(spans.len(), attempts.len(), "{:#?}", self.spans);
        let mut phases = 0;
        for (index, (attempt, span)) in attempts.iter().zip(&spans).enumerate() {
            self.assert_attempt(index, attempt, span);
            let previous = index.checked_sub(1).map(|previous| spans[previous].id.clone());
            assert_eq!(span.links, Vec::from_iter(previous), "{span:#?}");
            phases += self.assert_phases(attempt, span);
        }
        let pauses = self.children_named("backoff");
        for (pair, pause) in spans.windows(2).zip(&pauses) {
            assert_eq!(
                (pause.start, pause.end),
                (pair[0].end, pair[1].start),
                "{pause:#?}"
            );
            assert_eq!((pause.kind, pause.status), (INTERNAL, UNSET));
        }
        assert_eq!(pauses.len(), attempts.len().saturating_sub(1));
        self.assert_events();
        assert_eq!(
            self.spans.len(),
            1 + attempts.len() + pauses.len() + phases,
            "{:#?}",
            self.spans
        );
    }

    fn children_named(&self, name: &str) -> Vec<&'a Span> {
        let mut children = self.under(self.root);
        children.retain(|span| span.name == name);
        children
    }

    fn assert_root(&self) {
        let (report, root) = (self.report, self.root);
        assert_eq!(report["run_id"], root.id.as_str());
        assert_eq!(root.name, format!("check {}", text(&report["plugin"]["name"])));
        assert_eq!(root.kind, INTERNAL);
        let started = OffsetDateTime::parse(text(&report["started"]), &Rfc3339).expect("a time");
        let milliseconds = i128::from(root.start) / 1_000_000;
        assert_eq!(
            milliseconds,
            started.unix_timestamp_nanos() / 1_000_000,
            "{report:#}"
        );
        assert_eq!(
            (root.end - root.start) / 1000,
            microseconds(&report["duration_s"])
        );
        assert_status(root, outcome_error(report));
        self.assert_attributes(root, self.root_attributes());

        let hit = &report["deadline_hit"];
        let event = json!({
            "synthetic.check.deadline.phase": hit["phase"],
            "synthetic.check.deadline.host_call": hit["host_call"],
            "synthetic.check.phase.detail": hit["detail"],
        });
        let events = hit
            .is_object()
            .then(|| ("deadline.hit".to_owned(), present(&event)));
        let told = root.events.iter().filter(|(name, _)| name == "deadline.hit");
        assert_eq!(
            told.cloned().collect::<Vec<_>>(),
            Vec::from_iter(events),
            "{report:#}"
        );
        let relations = &report["relations"];
        let to = |run: &Value, why: &str| {
            run.is_object().then(|| {
                (
                    text(&run["trace_id"]).to_owned(),
                    text(&run["run_id"]).to_owned(),
                    why.to_owned(),
                )
            })
        };
        let wanted: Vec<_> = [
            to(&relations["opened_by"], "opened_circuit"),
            to(&relations["state_change"]["previous"], "previous_state"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let links = root.linked.iter().map(|link| {
            let why = text(&link.attributes["synthetic.check.link"]).to_owned();
            (link.trace_id.clone(), link.span_id.clone(), why)
        });
        assert_eq!(links.collect::<Vec<_>>(), wanted, "{report:#}");
    }

    /// The events of all spans are those that follow from the report.
    fn assert_events(&self) {
        let events = self.spans.iter().flat_map(|span| &span.events);
        let mut found: Vec<&str> = events.map(|(name, _)| name.as_str()).collect();
        let attempts = elements(&self.report["attempts"]).len();
        let mut wanted = vec!["retry.scheduled"; attempts.saturating_sub(1)];
        wanted.extend(self.report["deadline_hit"].is_object().then_some("deadline.hit"));
        let denials = elements(&self.report["denials"]).iter();
        wanted.extend(denials.map(|denial| match text(&denial["denial"]) {
            "grant" => "grant.denied",
            _ => "capability.denied",
        }));
        wanted.extend(elements(&self.report["faults"]).iter().map(|_| "fault.injected"));
        let changes = elements(&self.report["circuit"]).iter();
        wanted.extend(changes.map(|change| match text(&change["to"]) {
            "open" => "circuit.opened",
            "closed" => "circuit.closed",
            _ => "circuit.half_opened",
        }));
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{:#}", self.report);
    }

    fn root_attributes(&self) -> Value {
        let report = self.report;
        let (plugin, usage, hit) = (&report["plugin"], &report["usage"], &report["deadline_hit"]);
        let denials = usage["denied_calls"].as_object().cloned().unwrap_or_default();
        let attempts = elements(&report["attempts"]);
        let last = attempts
            .last()
            .map_or(&[][..], |attempt| elements(&attempt["phases"]));
        let not_reached: Vec<String> = last
            .iter()
            .filter(|phase| phase["status"] == "not-reached")
            .map(|phase| match phase["detail"].as_str() {
                Some(detail) => format!("{}({detail})", text(&phase["name"])),
                None => text(&phase["name"]).to_owned(),
            })
            .collect();
        json!({
            "synthetic.check.outcome": report["outcome"],
            "synthetic.check.blame": report["blame"],
            "error.type": report["error"]["type"],
            "error.message": report["error"]["message"],
            "synthetic.check.phase": report["error"]["phase"],
            "synthetic.check.run.id": report["run_id"],
            "synthetic.check.deadline": report["deadline_s"],
            "synthetic.check.deadline.exceeded": report["deadline_exceeded"],
            "synthetic.check.deadline.phase": hit["phase"],
            "synthetic.check.deadline.host_call": hit["host_call"],
            "synthetic.check.lag": report["lag_s"],
            "synthetic.check.attempts": attempts.len(),
            "synthetic.check.state": report["relations"]["state_change"]["to"],
            "synthetic.check.state.before": report["relations"]["state_change"]["from"],
            "synthetic.check.retry_denied": report["retry_denied"],
            "synthetic.check.warnings": Some(elements(&report["warnings"])).filter(|warnings| !warnings.is_empty()),
            "synthetic.check.fault.injected": (!elements(&report["faults"]).is_empty()).then_some(true),
            "synthetic.check.retried": (report["outcome"] == "pass" && attempts.len() > 1).then_some(true),
            "synthetic.check.plugin.name": plugin["name"],
            "synthetic.check.plugin.version": plugin["version"],
            "synthetic.check.plugin.digest": plugin["sha256"],
            "synthetic.check.phases.not_reached": (!not_reached.is_empty()).then_some(not_reached),
            "synthetic.check.usage.fuel": usage["fuel"],
            "synthetic.check.usage.memory": usage["memory_bytes"],
            "synthetic.check.usage.host_calls": usage["host_calls"],
            "synthetic.check.usage.bytes_read": usage["bytes_read"],
            "synthetic.check.usage.bytes_written": usage["bytes_written"],
            "synthetic.check.usage.denied_calls": denials.values().filter_map(Value::as_u64).sum::<u64>(),
            "synthetic.check.denials": (!denials.is_empty()).then_some(denials.keys().collect::<Vec<_>>()),
        })
    }

    fn assert_attempt(&self, index: usize, attempt: &Value, span: &Span) {
        assert_eq!(span.kind, INTERNAL);
        self.assert_times(attempt, span);
        assert_within(span, self.root);
        assert_status(span, outcome_error(attempt));
        let attributes = json!({
            "synthetic.check.attempt": index + 1,
            "synthetic.check.outcome": attempt["outcome"],
            "error.type": attempt["error"]["type"],
            "error.message": attempt["error"]["message"],
        });
        self.assert_attributes(span, attributes);
    }

    /// The phases of an attempt that were reached, and no others; how many they are.
    fn assert_phases(&self, attempt: &Value, parent: &Span) -> usize {
        let phases = elements(&attempt["phases"]).iter();
        let reached: Vec<&Value> = phases.filter(|phase| phase["status"] != "not-reached").collect();
        let spans = self.under(parent);
        let names = |span: &&Span| span.name.clone();
        let wanted: Vec<&str> = reached.iter().map(|phase| text(&phase["name"])).collect();
        assert_eq!(spans.iter().map(names).collect::<Vec<_>>(), wanted, "{attempt:#}");
        for (phase, span) in reached.iter().zip(&spans) {
            let by_host = |phase: &Value| ["resolve", "connect", "tls"].contains(&text(&phase["name"]));
            let end = seconds(&phase["start_s"]) + seconds(&phase["duration_s"]);
            let reached_out = |other: &&&Value| by_host(other) && seconds(&other["start_s"]) <= end;
            let kind = reached.iter().find(reached_out).map_or(INTERNAL, |_| CLIENT);
            assert_eq!(span.kind, kind, "{span:#?}");
            let scope = if by_host(phase) {
                "bedcheck"
            } else {
                text(&self.report["plugin"]["name"])
            };
            assert_eq!(span.scope, scope);
            self.assert_times(phase, span);
            assert_within(span, parent);
            // Where a failing attempt was cut off is where it failed.
            let cut_off = phase["status"] == "interrupted" && attempt["outcome"] != "pass";
            let error = if cut_off {
                &attempt["error"]
            } else {
                &phase["error"]
            };
            assert_status(span, Some(error).filter(|error| error.is_object()));
            let mut attributes = json!({
                "synthetic.check.phase": phase["name"],
                "synthetic.check.phase.status": phase["status"],
                "synthetic.check.phase.detail": phase["detail"],
                "synthetic.check.phase.budget_share": phase["budget_share"],
                "error.type": error["type"],
                "error.message": error["message"],
            });
            for (name, fact) in phase["attributes"].as_object().into_iter().flatten() {
                attributes[name] = fact.clone();
            }
            self.assert_attributes(span, attributes);
            assert!(span.links.is_empty(), "{span:#?}");
        }
        spans.len()
    }

    /// Start and duration are the report's, to the microsecond that it is written to.
    fn assert_times(&self, reported: &Value, span: &Span) {
        let found = (
            (span.start - self.root.start) / 1000,
            (span.end - span.start) / 1000,
        );
        let wanted = (
            microseconds(&reported["start_s"]),
            microseconds(&reported["duration_s"]),
        );
        assert_eq!(found, wanted, "{span:#?}");
    }

    /// These attributes and those that all spans of a check have, and no others; null is none.
    fn assert_attributes(&self, span: &Span, mut wanted: Value) {
        wanted["synthetic.check.name"] = self.report["check"].clone();
        wanted["synthetic.check.type"] = self.report["plugin"]["name"].clone();
        let mut found: Attributes = span
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect();
        let mut wanted = present(&wanted);
        if let (Some(found), Some(wanted)) = (found.remove(LAG), wanted.remove(LAG)) {
            let apart = seconds(&found) - seconds(&wanted);
            assert!((0.0..1e-6).contains(&apart), "{found} and {wanted}");
        }
        assert_eq!(found, wanted, "{span:#?}");
    }
}

/// Only what failed is an error; the rest is left unset.
fn assert_status(span: &Span, error: Option<&Value>) {
    let wanted = error.map_or((UNSET, ""), |error| (ERROR, text(&error["message"])));
    assert_eq!((span.status, span.message.as_str()), wanted, "{span:#?}");
}

fn assert_within(span: &Span, outer: &Span) {
    assert!(
        outer.start <= span.start && span.start <= span.end && span.end <= outer.end,
        "{span:#?}, {outer:#?}"
    );
}

/// The error of a run or an attempt that is to be shown as one.
fn outcome_error(judged: &Value) -> Option<&Value> {
    let is_error = judged["outcome"] == "fail" || judged["outcome"] == "error";
    is_error.then_some(&judged["error"])
}

/// The members that are not null.
fn present(object: &Value) -> Attributes {
    let members: BTreeMap<&String, &Value> = object.as_object().into_iter().flatten().collect();
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    members
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect()
}

/// With all numbers written in one way: OTLP/JSON writes a whole `double` as `10`, a report as `10.0`.
fn plain(value: &Value) -> Value {
    value
        .as_f64()
        .map_or_else(|| value.clone(), |number| json!(number))
}

/// The elements of an array of a report.
pub(crate) fn elements(array: &Value) -> &[Value] {
    array.as_array().map_or(&[], Vec::as_slice)
}

/// A text of a report; empty if there is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A number of a report.
pub(crate) fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn microseconds(value: &Value) -> u64 {
    (seconds(value) * 1e6).round() as u64
}
