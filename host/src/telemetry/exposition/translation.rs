//! OpenTelemetry's names and units → Prometheus' names, as the compatibility specification says. Pure.

/// What a family of metrics is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only rises; its samples end in `_total`.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
    /// What is told by its labels: its samples end in `_info`, and are 1.
    Info,
}

impl Kind {
    /// The word behind `# TYPE`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// The name of a family, without a counter's `_total`, and its unit, which is the name's end.
pub(super) fn family_name(name: &str, unit: &str, kind: Kind) -> (String, String) {
    let mut family = joined_words(name);
    if kind == Kind::Counter
        && let Some(base) = family.strip_suffix("_total")
    {
        family.truncate(base.len());
    }
    let unit = unit_name(unit, kind);
    if !unit.is_empty() && family != unit && !family.ends_with(&format!("_{unit}")) {
        family.push('_');
        family.push_str(&unit);
    }
    if family.is_empty() || family.starts_with(|first: char| first.is_ascii_digit()) {
        family.insert(0, '_');
    }
    (family, unit)
}

/// The name of a label. Those that begin with two underscores are Prometheus' own.
pub(in crate::telemetry) fn label_name(attribute: &str) -> String {
    let name: String = attribute.chars().map(allowed_or_underscore).collect();
    if name.is_empty() || name.starts_with("__") || name.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("key_{name}");
    }
    name
}

/// The unit in words: `s` is `seconds`, `By/s` is `bytes_per_second`. What stands in braces is no unit, and
/// a gauge of the unit `1` is a ratio.
fn unit_name(unit: &str, kind: Kind) -> String {
    if unit == "1" {
        return if kind == Kind::Gauge { "ratio" } else { "" }.to_owned();
    }
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main, Some(per)),
        None => (unit, None),
    };
    let main = if main.contains('{') { "" } else { plural(main) };
    let per = per.filter(|per| !per.contains('{')).map(singular);
    let words = match per {
        Some(per) if !per.is_empty() => format!("{main}_per_{per}"),
        _ => main.to_owned(),
    };
    joined_words(&words).trim_matches('_').to_owned()
}

fn plural(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" | "kBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        other => other,
    }
}

fn singular(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

/// What a name cannot have becomes an underscore, and several of them become one.
fn joined_words(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for character in text.chars().map(allowed_or_underscore) {
        if character != '_' || !name.ends_with('_') {
            name.push(character);
        }
    }
    name
}

fn allowed_or_underscore(character: char) -> char {
    if character.is_ascii_alphanumeric() {
        character
    } else {
        '_'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_their_unit_once_and_annotations_are_dropped() {
        for (name, unit, kind, family) in [
            (
                "synthetic.check.duration",
                "s",
                Kind::Histogram,
                "synthetic_check_duration_seconds",
            ),
            (
                "synthetic.check.runs",
                "{run}",
                Kind::Counter,
                "synthetic_check_runs",
            ),
            ("a.total", "", Kind::Counter, "a"),
            ("a.up", "1", Kind::Gauge, "a_up_ratio"),
            ("a.share", "1", Kind::Histogram, "a_share"),
            ("a.seconds", "s", Kind::Gauge, "a_seconds"),
            ("seconds", "s", Kind::Gauge, "seconds"),
            ("a--b..c", "By/s", Kind::Gauge, "a_b_c_bytes_per_second"),
            ("rate", "{packet}/s", Kind::Gauge, "rate_per_second"),
            ("load", "m/{hour}", Kind::Gauge, "load_meters"),
            ("9lives", "%", Kind::Gauge, "_9lives_percent"),
            ("x", "foot.pound", Kind::Gauge, "x_foot_pound"),
            ("x", "\u{b0}", Kind::Gauge, "x"),
        ] {
            assert_eq!(family_name(name, unit, kind).0, family, "{name} in {unit}");
        }
    }

    #[test]
    fn labels_never_take_a_name_of_prometheus_itself() {
        for (attribute, label) in [
            ("error.type", "error_type"),
            ("__name__", "key___name__"),
            ("4xx", "key_4xx"),
            ("", "key_"),
        ] {
            assert_eq!(label_name(attribute), label);
        }
    }
}
