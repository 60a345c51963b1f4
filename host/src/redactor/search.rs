//! Looking for all forms at once, in time that grows with the text alone: neither with the number of forms nor with how
//! often a text begins one. Whoever wrote the text may have chosen both. Pure.

use std::ops::Range;

use super::form::{Form, MIN_BEGINNING, MIN_CUT_OFF, around_in_base64, cut_behind};
use super::spelled::{is_mark, readings, ways_to_write};

/// How many bytes of forms are held against a text for each byte of it. Most texts take one or two; one that takes
/// more was made to repeat how a form begins.
const STEPS_PER_BYTE: usize = 32;
/// What the shortest text may take: some spellings of a few bytes take more than they are long.
const LEAST_STEPS: usize = 4096;

/// Forms in the order of their bytes, so that those which begin alike stand together.
#[derive(Clone, Default)]
pub(super) struct Sorted(Vec<Form>);

impl Sorted {
    /// Adds a form, unless it is there.
    pub(super) fn insert(&mut self, form: Form) {
        if let Err(place) = self.place_of(&form) {
            self.0.insert(place, form);
        }
    }

    pub(super) fn contains(&self, form: &Form) -> bool {
        self.place_of(form).is_ok()
    }

    fn place_of(&self, form: &Form) -> Result<usize, usize> {
        self.0.binary_search_by(|other| other.bytes().cmp(form.bytes()))
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Form> {
        self.0.iter()
    }

    /// Where forms, or as much of them as is struck out, stand in a text, also where they overlap. If the text takes more
    /// than it may, that is all of it from there on.
    pub(super) fn occurrences(&self, text: &[u8]) -> Vec<Range<usize>> {
        let may_begin = self.may_begin();
        let mut search = Search {
            forms: &self.0,
            text,
            steps: (text.len() * STEPS_PER_BYTE).max(LEAST_STEPS),
            next: None,
            others: Vec::new(),
        };
        let mut found: Vec<Range<usize>> = Vec::new();
        for start in (0..text.len()).filter(|start| may_begin[usize::from(text[*start])]) {
            let Some(end) = search.end_of(start) else { continue };
            if found.last().is_none_or(|last| last.end < end) {
                found.push(start..end);
            }
            if search.steps == 0 {
                break;
            }
        }
        found
    }

    /// The same of forms in base64: all of the base64 text around them.
    pub(super) fn occurrences_in_base64(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut whole: Vec<Range<usize>> = Vec::new();
        for range in self.occurrences(text) {
            let is_known = whole
                .last()
                .is_some_and(|last| last.start <= range.start && range.end <= last.end);
            if !is_known {
                whole.push(around_in_base64(text, range));
            }
        }
        whole
    }

    /// With which bytes a text may begin that stands for one of them.
    fn may_begin(&self) -> [bool; 256] {
        let mut may_begin = [false; 256];
        for first in self.0.iter().filter_map(|form| form.bytes().first()) {
            ways_to_write(*first).for_each(|way| may_begin[usize::from(way)] = true);
        }
        if !self.0.is_empty() {
            (0..=u8::MAX)
                .filter(|byte| is_mark(*byte))
                .for_each(|mark| may_begin[usize::from(mark)] = true);
        }
        may_begin
    }
}

/// A search through one text.
struct Search<'s> {
    forms: &'s [Form],
    text: &'s [u8],
    /// How many are left.
    steps: usize,
    /// What is to be followed next, and what else is still to be followed: mostly there is one way, which takes no memory.
    next: Option<Way>,
    others: Vec<Way>,
}

/// A way to read the text from some place on: which forms agree so far, in how many bytes, and where it goes on.
struct Way {
    forms: Range<usize>,
    agreed: usize,
    at: usize,
}

impl Search<'_> {
    /// How far what is to be struck out goes that begins here.
    fn end_of(&mut self, start: usize) -> Option<usize> {
        let mut end = None;
        self.others.clear();
        self.next = Some(Way {
            forms: 0..self.forms.len(),
            agreed: 0,
            at: start,
        });
        while let Some(way) = self.next.take().or_else(|| self.others.pop()) {
            end = end.max(self.end_by(&way));
            if self.steps == 0 {
                return Some(self.text.len());
            }
            self.go_on(&way);
        }
        end
    }

    /// How far it goes by one way of reading, if this is enough of a form.
    fn end_by(&self, way: &Way) -> Option<usize> {
        if way.agreed == 0 {
            return None;
        }
        // The shortest comes first.
        let is_whole = self.forms[way.forms.start].bytes().len() == way.agreed;
        let is_longer = self.forms[way.forms.end - 1].bytes().len() > way.agreed;
        let cut = || cut_behind(&self.text[way.at..]).map(|broken| way.at + broken);
        let cut_off = (is_longer && way.agreed >= MIN_CUT_OFF).then(cut).flatten();
        cut_off.or((is_whole || way.agreed >= MIN_BEGINNING).then_some(way.at))
    }

    fn go_on(&mut self, way: &Way) {
        for reading in readings(&self.text[way.at..]) {
            let mut forms = way.forms.clone();
            for (place, byte) in reading.bytes().iter().enumerate() {
                forms = self.narrowed(forms, way.agreed + place, *byte);
            }
            if !forms.is_empty() {
                let before = self.next.replace(Way {
                    forms,
                    agreed: way.agreed + reading.bytes().len(),
                    at: way.at + reading.written,
                });
                self.others.extend(before);
            }
        }
    }

    /// Those of some forms, alike so far, that go on with this byte.
    fn narrowed(&mut self, forms: Range<usize>, place: usize, byte: u8) -> Range<usize> {
        self.steps = self.steps.saturating_sub(1);
        let alike = &self.forms[forms.clone()];
        let begin = alike.partition_point(|form| form.bytes().get(place) < Some(&byte));
        let rest = &alike[begin..];
        let length = match rest
            .last()
            .is_some_and(|last| last.bytes().get(place) == Some(&byte))
        {
            true => rest.len(),
            false => rest.partition_point(|form| form.bytes().get(place) == Some(&byte)),
        };
        forms.start + begin..forms.start + begin + length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each form finds by itself, from each place on.
    fn one_by_one(forms: &[Form], text: &[u8]) -> Vec<bool> {
        let mut struck = vec![false; text.len()];
        for form in forms {
            for start in 0..text.len() {
                let length = form.length_in(&text[start..]).unwrap_or_default();
                struck[start..start + length].fill(true);
            }
        }
        struck
    }

    #[test]
    fn all_forms_at_once_are_found_where_each_of_them_is() {
        let secrets = [
            "hunter2",
            "aaaaaaaaaaaa",
            "a\\b%c&d é",
            "hunter2-hunter2",
            "x\0\x017",
        ];
        let forms: Vec<Form> = secrets
            .iter()
            .flat_map(|secret| Form::all_of(secret.as_bytes()))
            .collect();
        let mut sorted = Sorted::default();
        for form in &forms {
            sorted.insert(form.clone());
        }
        for text in [
            "hunter2 hunter2-hunter2hunter2-hunter2-h",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab aaaa… aaa",
            r"a\\b\x25c&amp;d \xc3\xa9 a\b%c&d é a%5cb%25c%26d+%e9 a\b%c&d+\xe9",
            r"68756e74657232 aHVudGVyMg== \150unter2 &#104;unter2 hun\x74",
            r"x\0\0017 x\x00\x017 x\00\17 hunt…er2 hunter",
            "",
        ] {
            let mut struck = vec![false; text.len()];
            for range in sorted.occurrences(text.as_bytes()) {
                struck[range].fill(true);
            }
            assert_eq!(struck, one_by_one(&forms, text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_text_that_takes_more_than_it_may_is_struck_out_from_there_on() {
        let mut sorted = Sorted::default();
        let own = [vec![b'A'; 9000], b"secret".to_vec()].concat();
        for form in Form::all_of(&own) {
            sorted.insert(form);
        }
        let text = [b"harmless ".to_vec(), vec![b'A'; 16_000], b" end".to_vec()].concat();
        let found = sorted.occurrences(&text);
        assert_eq!(found.first().map(|range| range.start), Some(9));
        assert_eq!(found.last().map(|range| range.end), Some(text.len()));
    }
}
