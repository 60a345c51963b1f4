//! Words for messages: what was found, and what may have been meant. Pure.

/// The longest piece of input that a message repeats, in characters.
const MAX_QUOTED: usize = 60;

/// A piece of input in backticks, on one line and not too long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).flat_map(escaped_control).collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

fn escaped_control(character: char) -> Vec<char> {
    if character.is_control() {
        character.escape_default().collect()
    } else {
        vec![character]
    }
}

/// `a`, `b` or `c`.
pub(crate) fn alternatives<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    joined(&quoted)
}

/// The words with commas, and `or` before the last.
pub(crate) fn joined(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What an unknown key is told: the known one that is close, or all of them and where else it may belong.
pub(crate) fn unknown_key(found: &str, known: &[&str], advice: &str) -> String {
    match nearest(found, known.iter().copied()) {
        Some(near) => format!("unknown key, did you mean `{near}`?"),
        None if known.is_empty() => "unknown key, wanted none here".to_owned(),
        None => format!(
            "unknown key, wanted {}{advice}",
            alternatives(known.iter().copied())
        ),
    }
}

/// The candidate that differs least from a word, if it differs in no more than a third of it.
pub(crate) fn nearest<'w>(word: &str, candidates: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, left out, replaced or swapped with their neighbour to turn one
/// word into the other (optimal string alignment). Hyphens and underscores are the same.
fn distance(left: &str, right: &str) -> usize {
    let normalized = |word: &str| -> Vec<char> { word.to_lowercase().replace('-', "_").chars().collect() };
    let (left, right) = (normalized(left), normalized(right));
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_distant_one_is_not() {
        let known = ["deadline", "grace", "fuel", "memory"];
        for (word, near) in [
            ("dedline", Some("deadline")),
            ("deadlien", Some("deadline")),
            ("Fuel", Some("fuel")),
            ("timeout", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
        assert_eq!(
            nearest("max-backoff", ["backoff", "max_backoff"]),
            Some("max_backoff")
        );
    }

    #[test]
    fn what_is_quoted_stays_on_one_line_and_short() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\\nb\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}...`", "x".repeat(60)));
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(alternatives(["a"]), "`a`");
        assert_eq!(alternatives(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
