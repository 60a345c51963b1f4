//! How far the end of the daemon has come.

/// The stages, in their order; none is left for an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The end has not been asked for.
    Serving,
    /// Nothing is begun any more; runs under way go on.
    Draining,
    /// Runs under way are cancelled.
    Cancelling,
}
