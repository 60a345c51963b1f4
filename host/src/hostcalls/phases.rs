//! The guest's phases.

use serde_json::json;

use super::{Known, RunState};
use crate::bindings::bedcheck::plugin::phases::{Host, Planned};
use crate::bindings::bedcheck::plugin::types::{CallError, Failure};
use crate::fault::HostCall;
use crate::phase::{self, Refusal};

/// The longest message of a failure, in bytes.
pub(super) const MAX_MESSAGE: usize = 1024;

impl Host for RunState {
    fn plan(&mut self, phases: Vec<Planned>) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.report_call(HostCall::PhasesPlan)? {
            return Ok(Err(error));
        }
        if phases.len() > phase::MAX_PLANNED {
            return Ok(Err(CallError::from(Refusal::TooMany)));
        }
        let planned = phases.into_iter().map(|planned| phase::Planned {
            name: planned.name,
            detail: planned
                .detail
                .map(|detail| self.presentable(detail, phase::MAX_DETAIL)),
        });
        let planned = planned.collect();
        Ok(self.timeline.plan(planned).map_err(CallError::from))
    }

    fn begin(&mut self, name: String, detail: Option<String>) -> wasmtime::Result<Result<(), CallError>> {
        let detail = detail.map(|detail| self.presentable(detail, phase::MAX_DETAIL));
        let arguments = || json!({ "name": name, "detail": detail });
        if let Err(error) = self.report_call_with(HostCall::PhasesBegin, arguments)? {
            return Ok(Err(error));
        }
        let now = self.deadline.moment();
        Ok(self.timeline.begin(&name, detail, now).map_err(CallError::from))
    }

    fn succeed(&mut self) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.report_call(HostCall::PhasesSucceed)? {
            return Ok(Err(error));
        }
        let now = self.deadline.moment();
        Ok(self.timeline.end(None, now).map_err(CallError::from))
    }

    fn fail(&mut self, failure: Failure) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.report_call(HostCall::PhasesFail)? {
            return Ok(Err(error));
        }
        let now = self.deadline.moment();
        self.notice_deadline(now);
        let known = Known {
            access: &self.access,
            redactor: &self.redactor,
            timeline: &self.timeline,
            refused: self.refused,
            hit: self.hit.as_ref().map(|hit| hit.doing),
        };
        let mut error = known.error_of(&failure);
        error.message = self.presentable(error.message, MAX_MESSAGE);
        Ok(self.timeline.end(Some(error), now).map_err(CallError::from))
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooMany => Self::OverQuota(refusal.to_string()),
            other => Self::Invalid(other.to_string()),
        }
    }
}
