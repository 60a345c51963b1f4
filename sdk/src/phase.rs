//! Phases as closures: begun before, ended with the closure's result after.

use std::borrow::Cow;

use crate::Failure;
use crate::bindings::bedcheck::plugin::phases;
use crate::bindings::lending::bedcheck::plugin::phases as lent;

/// A phase that is going to come, for [`plan`].
#[derive(Debug, Clone)]
pub struct Planned<'p> {
    name: Cow<'p, str>,
    detail: Option<Cow<'p, str>>,
}

impl<'p> Planned<'p> {
    /// The phase of this name.
    pub fn new(name: impl Into<Cow<'p, str>>) -> Self {
        Self {
            name: name.into(),
            detail: None,
        }
    }

    /// One of several phases of this name: which one.
    pub fn of(name: impl Into<Cow<'p, str>>, detail: impl Into<Cow<'p, str>>) -> Self {
        Self {
            name: name.into(),
            detail: Some(detail.into()),
        }
    }
}

/// Says which phases this run will go through, where that depends on the settings. Call it first;
/// whatever of it is never begun is reported as `not-reached`.
///
/// # Errors
///
/// When a phase is not in the description, there are more than 64, or a phase has already begun.
pub fn plan<'p>(phases: impl IntoIterator<Item = Planned<'p>>) -> Result<(), Failure> {
    let phases: Vec<_> = phases.into_iter().collect();
    let lent: Vec<_> = phases
        .iter()
        .map(|phase| lent::Planned {
            name: &phase.name,
            detail: phase.detail.as_deref(),
        })
        .collect();
    Ok(lent::plan(&lent)?)
}

/// Goes through a phase: begins it, runs `body`, and ends it as `body` ended.
///
/// # Errors
///
/// The error of `body`; or that the phase is not in the description.
pub fn phase<T>(name: &str, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    run(name, None, body)
}

/// [`phase`], for one of several phases of the same name: `detail` tells which.
///
/// # Errors
///
/// As [`phase`].
pub fn phase_of<T>(
    name: &str,
    detail: &str,
    body: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    run(name, Some(detail), body)
}

fn run<T>(name: &str, detail: Option<&str>, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    phases::begin(name, detail)?;
    match body() {
        Ok(value) => {
            phases::succeed()?;
            Ok(value)
        }
        Err(failure) => {
            phases::fail(&failure.clone().into())?;
            Err(failure)
        }
    }
}

/// Keeps the first failure of several steps that are all to be tried.
///
/// ```
/// # use bedcheck_sdk::{Failure, FirstFailure};
/// # fn select(mailbox: &str) -> Result<u32, Failure> { Ok(0) }
/// # fn all(mailboxes: &[String]) -> Result<(), Failure> {
/// let mut failures = FirstFailure::default();
/// for mailbox in mailboxes {
///     if let Some(messages) = failures.keep(select(mailbox)) {
///         println!("{mailbox}: {messages}");
///     }
/// }
/// failures.into_result()
/// # }
/// ```
#[derive(Debug, Default)]
pub struct FirstFailure(Option<Failure>);

impl FirstFailure {
    /// Takes the value of a step, or keeps its failure if it is the first.
    pub fn keep<T>(&mut self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(failure) => {
                self.0.get_or_insert(failure);
                None
            }
        }
    }

    /// The first failure, if there was one.
    ///
    /// # Errors
    ///
    /// That failure.
    pub fn into_result(self) -> Result<(), Failure> {
        self.0.map_or(Ok(()), Err)
    }
}
