//! From events of `tracing` to lines: an event's fields with those of the spans around it, flat.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::{Number, Value};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::line::Line;
use super::sink::Sink;
use super::throttle::{FIRST, Throttle};
use super::{OPEN, RUN};

/// The fields by which lines of one kind are told apart, the first that there is.
const KEYS: [&str; 5] = ["check", "task", "plugin", "peer", "what"];

/// How many lines of one place that name none of these, and each say something else, are written in a window: such lines
/// tell of different things, or of one with another figure each time.
const DIFFERENT: u64 = 100;

/// Room for the fields of a line about a run.
const USUAL_FIELDS: usize = 16;

/// What lines have been written lately, by where in the program and about what.
pub(super) type Repeats = Arc<Mutex<Throttle<(Identifier, String)>>>;

/// Writes events to a sink.
pub(super) struct Lines {
    pub(super) sink: Sink,
    pub(super) repeats: Repeats,
}

/// What a span or an event says.
#[derive(Default)]
struct Fields {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // All that is foreign is formatted before any lock is taken: it may panic, and that is logged.
        let mut own = Fields {
            message: String::new(),
            fields: Vec::with_capacity(USUAL_FIELDS),
        };
        event.record(&mut own);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                for &(name, ref value) in &fields.fields {
                    own.add_missing(name, value);
                }
            }
        }
        let metadata = event.metadata();
        let is_held_back = *metadata.level() <= Level::WARN
            && ![RUN, OPEN].contains(&metadata.target())
            && !self.admits(metadata.callsite(), &own);
        if is_held_back {
            return;
        }
        let line = Line {
            time: SystemTime::now(),
            level: *metadata.level(),
            target: metadata.target(),
            message: own.message,
            fields: own.fields,
        };
        self.sink.write(line.write(self.sink.form));
    }
}

impl Lines {
    /// Whether a line of this place in the program does not repeat others.
    fn admits(&self, place: Identifier, line: &Fields) -> bool {
        let now = Instant::now();
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        let mut admits =
            |about: String, at_most| repeats.admits((place.clone(), about), at_most, &line.message, now);
        match line.key() {
            Some(key) => admits(key, FIRST),
            None => admits(line.message.clone(), FIRST) && admits(String::new(), DIFFERENT),
        }
    }
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let value = match (value, field.name()) {
            (Value::String(text), "message") => {
                self.message = text;
                return;
            }
            (value, _) => value,
        };
        let known = self.fields.iter_mut().find(|(name, _)| *name == field.name());
        match known {
            Some((_, known)) => *known = value,
            None => self.fields.push((field.name(), value)),
        }
    }

    fn add_missing(&mut self, name: &'static str, value: &Value) {
        if !self.fields.iter().any(|(known, _)| *known == name) {
            self.fields.push((name, value.clone()));
        }
    }

    /// What the line is about, as far as repeating itself goes, if it says so.
    fn key(&self) -> Option<String> {
        let of = |key: &str| self.fields.iter().find(|(name, _)| *name == key);
        let found = KEYS.into_iter().find_map(of);
        found.map(|(_, value)| value.to_string())
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::String(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field, Value::String(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let number = Number::from_f64(value);
        self.set(field, number.map_or(Value::Null, Value::Number));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}
