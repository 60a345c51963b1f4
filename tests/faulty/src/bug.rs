//! The bugs that can be planted, one at a time, and manners that are none. What each does is where its name is used.

/// What is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bug {
    /// Nothing.
    #[default]
    None,

    // Other manners, which are sound.
    /// Ends the run at the first failure, whatever it is.
    StopsAtFirst,
    /// Dials anew when there is no greeting, once.
    DialsAnew,

    // What is done after a failure.
    /// Does not take its leave once the peer has closed the connection, and does after any other failure.
    SkipsGoodbyeOnClosed,
    /// The same with a limit that is used up.
    SkipsGoodbyeOnOverQuota,
    /// The same with a capability that is switched off.
    SkipsGoodbyeOnDisabled,
    /// The same with the deadline.
    SkipsGoodbyeOnDeadline,
    /// The same when a command cannot be written, whatever the reason.
    SkipsGoodbyeOnWrite,
    /// The same when an item fails.
    SkipsGoodbyeAfterItems,
    /// Leaves out the items after one that failed with a reset.
    SkipsItemsOnReset,
    /// Leaves out the items after one that failed with a limit that is used up.
    SkipsItemsOnOverQuota,
    /// Passes when the secret cannot be opened.
    PassesWithoutSecret,
    /// Stops, and says that all is well, when a measurement is not taken.
    PassesWithoutMeasurement,
    /// Logs in without TLS when TLS has failed.
    GoesOnInPlaintext,
    /// Logs in without TLS when it is told that TLS is switched off.
    SkipsDisabledTls,
    /// Does not plan the last item.
    PlansOneItemLess,

    // Phases.
    /// Begins the phase of the greeting when the greeting has been read.
    BeginsAfterTheCall,
    /// Leaves the phase open when the peer has closed the connection.
    LeavesPhaseOpenOnClosed,
    /// Ends the phase well although it failed with a reset.
    SucceedsOnReset,
    /// Ends the phase well although the deadline has passed.
    SucceedsOnDeadline,
    /// Takes a capability that is switched off for nothing to worry about.
    IgnoresDisabled,
    /// Ends the phase well and shows the failure in another.
    FailsInAnotherPhase,

    // Errors.
    /// Calls every failure of a read an unexpected response.
    UnexpectedForAll,
    /// Has an error type of its own for what it has no name for.
    OwnTypeForOther,
    /// Takes a reset for a closed connection.
    ClosedForReset,
    /// Blames the settings for a host that cannot be reached.
    SettingsForUnreachable,

    // Reading and writing.
    /// Does not look whether a command could be written.
    SwallowsWrite,
    /// Takes the end of the stream for an empty line, and that for a greeting.
    EmptyGreeting,
    /// Panics when the peer has closed the connection.
    PanicsOnClosed,
    /// Panics when a line is shorter than a code.
    PanicsOnShortLine,
    /// Reads on for ever at the end of the stream.
    ReadsOnAtEnd,
    /// Tries a read that was reset again for ever.
    RetriesReset,
    /// Tries a read again when a limit is used up.
    RetriesOverQuota,
    /// Waits until the deadline once the peer has closed the connection.
    WaitsOnClosed,
    /// Computes for ever after the deadline.
    SpinsAfterDeadline,
    /// Expects a whole line in each read.
    OneReadIsOneLine,
    /// Has a timeout of its own.
    OwnTimeout,
}
