//! Whose series they are, which is who they are forgotten with: a check, or nobody.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use opentelemetry::KeyValue;

/// The name of nobody, which no check can have.
const NOBODY: &str = "";

/// An owner of series: what all of them have in common. Clones share it, so that it stands once for all metrics.
#[derive(Clone)]
pub(in crate::telemetry) struct Owner(Arc<Common>);

struct Common {
    name: Box<str>,
    /// The attributes of all of its series.
    base: Box<[KeyValue]>,
    /// Since when its series count, in nanoseconds since 1970.
    start: AtomicU64,
    /// Of the name: each metric looks it up for each report.
    hash: u64,
}

impl Owner {
    /// The check of this name, whose series have these attributes and count since then.
    pub(in crate::telemetry) fn new(name: &str, base: impl Into<Box<[KeyValue]>>, start: u64) -> Self {
        /// Nobody outside can name checks that fall on one place.
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(Arc::new(Common {
            name: name.into(),
            base: base.into(),
            start: AtomicU64::new(start),
            hash: HASHER.hash_one(name),
        }))
    }

    /// The owner of what belongs to no check, and counts since then.
    pub(in crate::telemetry) fn nobody(start: u64) -> Self {
        Self::new(NOBODY, [], start)
    }

    /// Whether it is no check.
    pub(in crate::telemetry) fn is_nobody(&self) -> bool {
        *self.0.name == *NOBODY
    }

    /// The check's name.
    pub(in crate::telemetry) fn name(&self) -> &str {
        &self.0.name
    }

    /// The attributes of all of its series.
    pub(in crate::telemetry) fn base(&self) -> &[KeyValue] {
        &self.0.base
    }

    /// Since when its series count, in nanoseconds since 1970.
    pub(in crate::telemetry) fn start(&self) -> u64 {
        self.0.start.load(Ordering::Relaxed)
    }

    /// Its series count since this moment at the latest: the clock was set back.
    pub(in crate::telemetry) fn began_by(&self, now: u64) {
        self.0.start.fetch_min(now, Ordering::Relaxed);
    }

    /// The same for all owners of one name.
    pub(super) fn hash(&self) -> u64 {
        self.0.hash
    }

    /// Whether the other one has this name.
    pub(super) fn has_name_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.name == other.0.name
    }

    /// Whether the series of the other one are series of this one: it may have been made anew.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.name == other.0.name && self.0.base == other.0.base)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Owner").field(&self.0.name).finish()
    }
}
