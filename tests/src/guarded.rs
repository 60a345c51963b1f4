//! A program that does not outlive its test: started by the test itself, in ways that [`crate::program`] and
//! [`crate::daemon`] have no words for.

use std::ops::{Deref, DerefMut};
use std::process::{Child, Command};

/// A program that is killed when it is dropped.
#[derive(Debug)]
pub struct Guarded(Child);

impl Guarded {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let started = command.spawn();
        Self(started.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}")))
    }
}

impl Deref for Guarded {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // Neither can fail in a way that something could still be done about.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
