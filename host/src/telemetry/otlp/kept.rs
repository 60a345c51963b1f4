//! A connection that is made when it is needed and can be forgotten.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is kept until it is forgotten.
#[derive(Debug)]
pub(super) struct Kept<T>(Mutex<Option<T>>);

impl<T: Clone> Kept<T> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What is kept, or what is made now.
    pub(super) fn get_or(&self, make: impl FnOnce() -> T) -> T {
        self.lock().get_or_insert_with(make).clone()
    }

    /// Keeps nothing any more.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
