//! All instruments of a process, in the order in which they were made, and what is asked for its value only when
//! somebody looks.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::Instrument;
use super::catalogue::Definition;

/// The instruments.
#[derive(Default)]
pub(in crate::telemetry) struct Registry {
    is_exponential: bool,
    instruments: Mutex<Vec<Arc<Instrument>>>,
    observers: Mutex<Vec<Arc<Observe>>>,
}

type Observe = dyn Fn() + Send + Sync;

impl Registry {
    /// None yet. Histograms count in exponential buckets as well if these are asked for.
    pub(in crate::telemetry) fn new(is_exponential: bool) -> Self {
        Self {
            is_exponential,
            ..Self::default()
        }
    }

    /// Makes an instrument.
    pub(in crate::telemetry) fn make(&self, definition: &Definition) -> Arc<Instrument> {
        let instrument = Arc::new(Instrument::new(definition.clone(), self.is_exponential));
        let mut instruments = self.instruments.lock().unwrap_or_else(PoisonError::into_inner);
        instruments.push(Arc::clone(&instrument));
        instrument
    }

    /// Shows an instrument no more.
    pub(in crate::telemetry) fn remove(&self, instrument: &Arc<Instrument>) {
        let mut instruments = self.instruments.lock().unwrap_or_else(PoisonError::into_inner);
        instruments.retain(|one| !Arc::ptr_eq(one, instrument));
    }

    /// Has this called each time before somebody looks: it sets what is known elsewhere. It must not wait.
    pub(in crate::telemetry) fn observe(&self, observe: impl Fn() + Send + Sync + 'static) {
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        observers.push(Arc::new(observe));
    }

    /// The instruments, with what is known elsewhere as it is now.
    pub(in crate::telemetry) fn collected(&self) -> Vec<Arc<Instrument>> {
        let observers = self
            .observers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        observers.iter().for_each(|observe| observe());
        self.instruments()
    }

    /// The instruments as they are.
    pub(in crate::telemetry) fn instruments(&self) -> Vec<Arc<Instrument>> {
        self.instruments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}
