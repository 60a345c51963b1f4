//! Metrics as text: the Prometheus format 0.0.4 and OpenMetrics 1.0.0. Pure: the one place where either is written,
//! for `/metrics` and `/probe` alike. Which metrics there are is not known here; the instruments as families are in
//! `families`, names as Prometheus has them in `translation`.
//!
//! The libraries that do this write one of the two formats only, from instruments of their own. Lines `_created` are
//! left out: they would be a third more of everything, and OTLP has the start of every series.

mod families;
mod gauge;
mod number;
mod translation;

use std::fmt::{self, Write as _};
use std::io;

pub(super) use families::write_metrics;
pub(crate) use gauge::{Gauge, gauge, is_plain};
pub(crate) use number::Number;
pub(crate) use translation::Kind;
pub(super) use translation::label_name;

use super::metrics::Exemplar;
use crate::outcome::hexadecimal;

/// How much text is gathered before it is given away: some hundred lines, and little memory.
const PIECE: usize = 64 * 1024;
/// Room for a page to begin with: that of a probe fits.
const SMALL: usize = 8 * 1024;

/// A format of metrics as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus text, version 0.0.4: what everything that scrapes can read.
    Prometheus,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The media type that goes with it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The head of a family of metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// Its name, without a counter's `_total`, with its unit.
    pub(crate) name: &'a str,
    /// What it is.
    pub(crate) kind: Kind,
    /// Its unit in words, if the name ends with one.
    pub(crate) unit: &'a str,
    /// A sentence.
    pub(crate) help: &'a str,
}

/// A page of metrics as a text.
pub(crate) struct Text {
    format: Exposition,
    text: String,
}

impl Text {
    /// An empty one.
    pub(crate) fn new(format: Exposition) -> Self {
        Self {
            format,
            text: String::with_capacity(SMALL),
        }
    }

    /// Begins a family. None may come twice.
    pub(crate) fn family(&mut self, head: Head<'_>) {
        let Head {
            name,
            kind,
            unit,
            help,
        } = head;
        let is_open = self.format == Exposition::OpenMetrics;
        // The older format has a suffix in the name of the family too, and no type for what only informs.
        let (suffix, kind) = match kind {
            Kind::Counter if !is_open => ("_total", kind.as_str()),
            Kind::Info if !is_open => ("_info", Kind::Gauge.as_str()),
            _ => ("", kind.as_str()),
        };
        if !help.is_empty() {
            self.push(["# HELP ", name, suffix, " "]);
            escape(&mut self.text, help, is_open);
            self.text.push('\n');
        }
        self.push(["# TYPE ", name, suffix, " ", kind, "\n"]);
        if is_open && !unit.is_empty() {
            self.append(format_args!("# UNIT {name} {unit}\n"));
        }
    }

    /// Begins the family of a gauge. None may come twice.
    pub(crate) fn gauge(&mut self, gauge: Gauge) {
        self.text.push_str(gauge.head);
    }

    /// A line of the family: its name with a suffix, labels as [`push_label`] writes them, and the bound of a bucket as
    /// [`bound`] writes it.
    pub(crate) fn sample(
        &mut self,
        (family, suffix): (&str, &str),
        labels: &str,
        bound: Option<&str>,
        value: Number,
        exemplar: Option<&Exemplar>,
    ) {
        self.text.push_str(family);
        self.text.push_str(suffix);
        if !labels.is_empty() || bound.is_some() {
            self.text.push('{');
            self.text.push_str(labels);
            if let Some(bound) = bound {
                let comma = if labels.is_empty() { "" } else { "," };
                self.push([comma, "le=\"", bound, "\""]);
            }
            self.text.push('}');
        }
        self.text.push(' ');
        value.push(&mut self.text);
        if let Some(exemplar) = exemplar.filter(|_| self.format == Exposition::OpenMetrics) {
            self.exemplar(exemplar);
        }
        self.text.push('\n');
    }

    /// The names and values of its labels have 63 characters; 128 are allowed (OpenMetrics 1.0.0, section
    /// "Exemplars").
    fn exemplar(&mut self, exemplar: &Exemplar) {
        self.text.push_str(" # {trace_id=\"");
        self.text.push_str(&hexadecimal(&exemplar.trace_id));
        self.text.push_str("\",span_id=\"");
        self.text.push_str(&hexadecimal(&exemplar.span_id));
        let (seconds, milliseconds) = (exemplar.time / 1_000_000_000, exemplar.time / 1_000_000 % 1_000);
        let value = Number::Real(exemplar.value);
        self.append(format_args!("\"}} {value} {seconds}.{milliseconds:03}"));
    }

    /// The whole page.
    pub(crate) fn end(mut self) -> String {
        if self.format == Exposition::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn push<const PARTS: usize>(&mut self, parts: [&str; PARTS]) {
        self.text.extend(parts);
    }

    fn append(&mut self, text: fmt::Arguments<'_>) {
        // Nothing fails that is written into a string.
        let _ = self.text.write_fmt(text);
    }
}

/// Writes a page of metrics, piece by piece.
pub(super) struct Page<'w> {
    text: Text,
    writer: &'w mut dyn io::Write,
}

impl<'w> Page<'w> {
    /// An empty one.
    pub(super) fn new(format: Exposition, writer: &'w mut dyn io::Write) -> Self {
        let text = Text::new(format);
        Self { text, writer }
    }

    /// As [`Text::family`].
    pub(super) fn family(&mut self, head: Head<'_>) {
        self.text.family(head);
    }

    /// As [`Text::sample`].
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub(super) fn sample(
        &mut self,
        names: (&str, &str),
        labels: &str,
        bound: Option<&str>,
        value: Number,
        exemplar: Option<&Exemplar>,
    ) -> io::Result<()> {
        self.text.sample(names, labels, bound, value, exemplar);
        let text = &mut self.text.text;
        if text.len() >= PIECE {
            self.writer.write_all(text.as_bytes())?;
            text.clear();
        }
        Ok(())
    }

    /// Ends the page.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub(super) fn end(self) -> io::Result<()> {
        self.writer.write_all(self.text.end().as_bytes())
    }
}

/// The upper bound of a bucket. Always with a point: whoever compares them compares text.
pub(crate) fn bound(bound: f64) -> String {
    if bound == f64::INFINITY {
        return "+Inf".to_owned();
    }
    format!("{bound:?}")
}

/// Appends `name="value"` to labels. The name has to be one that labels can have.
pub(crate) fn push_label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    escape(labels, value, true);
    labels.push('"');
}

/// Backslashes and line breaks escaped, quotation marks where they would end something.
fn escape(safe: &mut String, text: &str, with_quotes: bool) {
    // All bytes are looked at, which processors do for many at once.
    let is_plain = |byte: u8| (byte != b'\\') & (byte != b'\n') & (byte != b'"');
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        safe.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '\\' => safe.push_str("\\\\"),
            '\n' => safe.push_str("\\n"),
            '"' if with_quotes => safe.push_str("\\\""),
            other => safe.push(other),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
