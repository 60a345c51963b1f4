//! Phases, begun and ended by hand: with the SDK's closures most of these bugs cannot be written.

use bedcheck_sdk::bindings::bedcheck::plugin::phases;
use bedcheck_sdk::{CallError, Failure};

use crate::bug::Bug;
use crate::host_error;

/// The timeline of the run.
pub(crate) struct Phases(pub(crate) Bug);

impl Phases {
    /// Goes through a phase, and ends it as the bug has it.
    pub(crate) fn run<T>(
        &self,
        name: &str,
        detail: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        phases::begin(name, detail)?;
        let result = body();
        let Err(failure) = &result else {
            phases::succeed()?;
            return result;
        };
        match (self.0, host_error(failure)) {
            (Bug::LeavesPhaseOpenOnClosed, Some(CallError::ConnectionClosed)) => return result,
            (Bug::SucceedsOnReset, Some(CallError::ConnectionReset))
            | (Bug::SucceedsOnDeadline, Some(CallError::DeadlineExceeded))
            | (Bug::IgnoresDisabled, Some(CallError::CapabilityDisabled(_))) => phases::succeed()?,
            (Bug::FailsInAnotherPhase, Some(_)) if name == "login" => {
                phases::succeed()?;
                phases::begin("goodbye", None)?;
                phases::fail(&failure.clone().into())?;
            }
            _ => phases::fail(&failure.clone().into())?,
        }
        result
    }
}
