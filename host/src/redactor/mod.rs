//! Strikes secrets out of texts, in all the forms they are likely to take on their way into a message. What the forms are
//! lives in `form`, how bytes are escaped in `spelled`. Pure.

mod form;
#[cfg(test)]
mod fuzz;
mod pairs;
mod search;
mod spelled;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

pub use form::{Form, in_base64};
use pairs::Pairs;
use search::Sorted;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";
/// What stands for a name that holds a secret: itself a name, dotted lower case.
pub const REDACTED_NAME: &str = "redacted";

/// Knows what must not be shown and strikes it out.
///
/// Looked for are the bytes, each of them as it is, behind a backslash as JSON, Rust (`Debug`, `escape_ascii`), C and
/// Python (`repr`, `ascii`) write it, percent-encoded (RFC 3986 section 2.1, also `+` for a space), or as a character
/// reference of HTML, by number or as one of `amp`, `lt`, `gt`, `quot`, `apos`; from 4 bytes on, all of them in
/// hexadecimal and base64 (RFC 4648 sections 4 and 5), alone or in the middle of a longer base64 text, which is struck
/// out whole; and, from 8 bytes on, in lower case, as names of hosts are. Of a secret that was cut off, 8 bytes are struck
/// out anywhere, and 3 right before `…`, `...` or the end of the text; texts are redacted before we shorten them.
#[derive(Clone, Default)]
pub struct Redactor {
    /// What it was made of; clones share it.
    shared: Arc<Shared>,
    /// What was added first since.
    first_added: Option<Arc<Added>>,
    /// What else was added since. Boxed, because it is rare, and each run that waits would have room for it.
    added: Option<Box<Forms>>,
}

/// What clones share.
#[derive(Default)]
struct Shared {
    forms: Forms,
    /// What was added first to the clone to which something was added last. Runs of a check log in alike, so that what
    /// they add is mostly this, and making its forms is most of what sending a secret takes.
    last_added: Mutex<Option<Arc<Added>>>,
}

/// What was added to a redactor, and its forms that are not among those it was made of.
struct Added {
    sensitive: Zeroizing<Vec<u8>>,
    forms: Forms,
}

/// Forms, and what tells of most texts at a glance that none of them is there.
#[derive(Clone, Default)]
struct Forms {
    plain: Sorted,
    in_base64: Sorted,
    /// How they begin, those that are looked for in names.
    in_names: Vec<Zeroizing<String>>,
    pairs: Pairs,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms: usize = self.all().map(|forms| forms.iter().count()).sum();
        formatter.debug_struct("Redactor").field("forms", &forms).finish()
    }
}

impl Redactor {
    /// A redactor of these secrets. Empty ones are ignored.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Self {
        let mut forms = Forms::default();
        secrets
            .into_iter()
            .for_each(|secret| forms.add(secret, &Forms::default()));
        let shared = Shared {
            forms,
            ..Shared::default()
        };
        Self {
            shared: Arc::new(shared),
            ..Self::default()
        }
    }

    /// Adds something else that must not be shown, such as what a secret was turned into.
    pub fn add(&mut self, sensitive: &[u8]) {
        if self.first_added.is_none() {
            self.first_added = Some(self.shared.added(sensitive));
        } else {
            let added = self.added.get_or_insert_default();
            added.add(sensitive, &self.shared.forms);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Forms> {
        let first_added = self.first_added.iter().map(|added| &added.forms);
        let added = self.added.as_deref().into_iter();
        std::iter::once(&self.shared.forms)
            .chain(added)
            .chain(first_added)
    }

    /// The text without any of the secrets. Where secrets overlap, all of what they cover is struck out.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redact_from(text, 0)
    }

    /// The same of a text whose beginning was cut off, maybe in the middle of a secret: without as much of it as the rest
    /// of one may take.
    pub fn redact_behind_cut<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let forms = self.all().flat_map(Forms::iter);
        let longest = forms.map(|form| form.spelled().longest()).max().unwrap_or(0);
        self.redact_from(text, text.ceil_char_boundary(longest))
    }

    fn redact_from<'t>(&self, text: &'t str, from: usize) -> Cow<'t, str> {
        let forms = self.all().filter(|forms| forms.may_be_in(text));
        let mut found: Vec<Range<usize>> = forms
            .flat_map(|forms| forms.occurrences(text))
            .filter(|range| range.end > from)
            .map(|range| range.start.max(from)..range.end)
            .collect();
        if found.is_empty() {
            return Cow::Borrowed(&text[from..]);
        }
        found.sort_by_key(|range| range.start);
        let mut redacted = String::with_capacity(text.len());
        let mut covered_to = from;
        for range in found {
            if range.start >= covered_to {
                redacted.push_str(&text[covered_to..range.start]);
                redacted.push_str(REDACTED);
            }
            covered_to = covered_to.max(range.end);
        }
        redacted.push_str(&text[covered_to..]);
        Cow::Owned(redacted)
    }

    /// Whether a name, such as a measurement's, holds a secret or the first 8 bytes of one, in whatever case.
    /// Shorter secrets are parts of too many names.
    pub fn finds_in_name(&self, name: &str) -> bool {
        let mut beginnings = self.all().flat_map(|forms| &forms.in_names);
        beginnings.any(|beginning| {
            let mut parts = name.as_bytes().windows(beginning.len());
            parts.any(|part| part.eq_ignore_ascii_case(beginning.as_bytes()))
        })
    }
}

impl Shared {
    /// What is added to a clone first, with its forms.
    fn added(&self, sensitive: &[u8]) -> Arc<Added> {
        let last = || self.last_added.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last().clone();
        if let Some(known) = known.filter(|known| *known.sensitive == sensitive) {
            return known;
        }
        let mut forms = Forms::default();
        forms.add(sensitive, &self.forms);
        let added = Arc::new(Added {
            sensitive: Zeroizing::new(sensitive.to_vec()),
            forms,
        });
        *last() = Some(Arc::clone(&added));
        added
    }
}

impl Forms {
    fn iter(&self) -> impl Iterator<Item = &Form> {
        self.plain.iter().chain(self.in_base64.iter())
    }

    /// Adds the forms of something that are not among these or `others`. Nothing has none.
    fn add(&mut self, sensitive: &[u8], others: &Self) {
        if sensitive.is_empty() {
            return;
        }
        for form in Form::all_of(sensitive) {
            let (own, others) = match form.is_base64() {
                true => (&mut self.in_base64, &others.in_base64),
                false => (&mut self.plain, &others.plain),
            };
            if others.contains(&form) || own.contains(&form) {
                continue;
            }
            self.pairs.insert(form.bytes());
            self.in_names.extend(form.in_names());
            own.insert(form);
        }
    }

    /// Where forms, or as much of them as is struck out, stand.
    fn occurrences(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let plain = self.plain.occurrences(text.as_bytes());
        let in_base64 = self.in_base64.occurrences_in_base64(text.as_bytes());
        // A form whose bytes are no UTF-8 may agree with a part of a character.
        let whole =
            |range: Range<usize>| text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end);
        plain.into_iter().chain(in_base64).map(whole)
    }

    /// Whether there may be a form in a text, or as much of one as is struck out.
    fn may_be_in(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.iter().next().is_some() && (spelled::may_be_escaped(text) || self.pairs.may_be_in(text))
    }
}
