//! The groups that a step can refer to: those of the matches before it.

use std::collections::BTreeSet;

use regex_lite::Regex;

use crate::template::{Place, Template};

/// The groups that a step can refer to.
#[derive(Default)]
pub(super) struct Groups {
    names: BTreeSet<String>,
    /// How many the last `expect` has, the whole match included; none before the first.
    numbered: usize,
}

impl Groups {
    /// Adds those of an expression.
    pub(super) fn add(&mut self, pattern: &Regex) {
        self.numbered = pattern.captures_len();
        self.names
            .extend(pattern.capture_names().flatten().map(str::to_owned));
    }

    /// Refuses a place that is never filled.
    pub(super) fn known(&self, template: Template) -> Result<Template, String> {
        for place in template.places() {
            match place {
                Place::Name(name) if !self.names.contains(name) => {
                    return Err(format!(
                        "no `expect` up to here has a group `{name}`, such as `(?<{name}>…)`"
                    ));
                }
                Place::Number(number) if *number >= self.numbered => {
                    return Err(format!("the `expect` before has no group {number}"));
                }
                Place::Name(_) | Place::Number(_) => {}
            }
        }
        Ok(template)
    }
}
