//! The phases that the host opens: recorded around what it does, failures in words.

use std::mem;

use super::RunState;
use super::convert::error_type_of_call;
use super::phases::MAX_MESSAGE;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::connection;
use crate::deadline::Exceeded;
use crate::grant::Refusal;
use crate::outcome::{AttributeValue, Attributes, DeadlineWhile, Denial, ErrorReport};
use crate::phase::HostPhase;

/// An error for the guest, and the words for the report.
pub(super) struct Failed {
    pub(super) error: CallError,
    pub(super) message: String,
}

impl RunState {
    pub(super) fn begin_host_phase(&mut self, phase: HostPhase) -> Result<(), CallError> {
        let now = self.deadline.moment();
        self.timeline.begin_host(phase, now).map_err(CallError::from)
    }

    /// Away from the frames of the calls that wait between the two.
    #[inline(never)]
    pub(super) fn end_host_phase<T>(
        &mut self,
        result: Result<T, Failed>,
        attributes: Attributes,
    ) -> Result<T, CallError> {
        let attributes = self.without_secrets(attributes);
        let now = self.deadline.moment();
        match result {
            Ok(value) => {
                self.timeline.end_host(None, attributes, now);
                Ok(value)
            }
            Err(failed) => {
                let report = self.error_report(&failed);
                self.timeline.end_host(Some(report), attributes, now);
                Err(failed.error)
            }
        }
    }

    /// Facts about a connection: the guest chose the name it dialled, the peer what its certificate says.
    fn without_secrets(&self, mut attributes: Attributes) -> Attributes {
        let clean = |text: &mut String| *text = self.presentable(mem::take(text), MAX_MESSAGE);
        for value in attributes.values_mut() {
            match value {
                AttributeValue::Text(text) => clean(text),
                AttributeValue::List(texts) => texts.iter_mut().for_each(clean),
                AttributeValue::Integer(_) => {}
            }
        }
        attributes
    }

    /// Records a host phase that was refused before it could begin.
    pub(super) fn refuse_host_phase(&mut self, phase: HostPhase, failed: Failed) -> CallError {
        let report = self.error_report(&failed);
        let now = self.deadline.moment();
        match self.timeline.refuse_host(phase, report, now) {
            Ok(()) => failed.error,
            Err(refusal) => refusal.into(),
        }
    }

    /// A refusal by the grants, counted.
    pub(super) fn denied(&mut self, refusal: &Refusal) -> Failed {
        self.note_denial(Denial::Grant);
        let message = refusal.to_string();
        Failed {
            error: self.refuse(CallError::GrantDenied(message.clone())),
            message,
        }
    }

    /// A refusal by the gate, with where a capability is switched off.
    pub(super) fn failed(&self, error: CallError) -> Failed {
        let CallError::CapabilityDisabled(name) = &error else {
            return Failed::from(error);
        };
        let capability = name.parse().ok();
        let disabled = capability.and_then(|capability| self.access.switches.disabled(capability));
        let message = match disabled {
            Some(scope) => format!("the capability `{name}` is disabled {scope}"),
            None => format!("the plugin does not declare that it needs the capability `{name}`"),
        };
        Failed { error, message }
    }

    pub(super) fn error_report(&self, failed: &Failed) -> ErrorReport {
        let doing = self.hit.as_ref().map_or(DeadlineWhile::Waiting, |hit| hit.doing);
        let error_type = error_type_of_call(&failed.error, doing);
        ErrorReport {
            error_type,
            message: self.presentable(failed.message.as_str(), MAX_MESSAGE),
            phase: None,
            injected: false,
        }
    }
}

impl From<connection::Error> for Failed {
    fn from(error: connection::Error) -> Self {
        Self {
            message: error.to_string(),
            error: error.into(),
        }
    }
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        let message = match &error {
            CallError::DeadlineExceeded => Exceeded.to_string(),
            CallError::CapabilityDisabled(name) => format!("the capability `{name}` is disabled"),
            CallError::OverQuota(which) => format!("the run is over its limit of {which}"),
            other => other.to_string(),
        };
        Self { error, message }
    }
}
