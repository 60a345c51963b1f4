//! Faults at host calls: which fire is the plan's to say, what they do is said here.

use futures_util::future::BoxFuture;
use serde_json::Value;
use wasmtime::component::Resource;

use super::RunState;
use super::host_phases::Failed;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::connection::{self, Connection, DatagramSocket, Ending, Impairment, TlsProblem};
use crate::deadline::Exceeded;
use crate::fault::{Fault, FaultKind, HostCall, InjectedError, Site};
use crate::outcome::{DeadlineWhile, InjectedFault};
use crate::phase::HostPhase;
use crate::tape::Answer;

/// What a call is made on.
#[derive(Clone, Copy)]
pub(super) enum Opened<'r> {
    Connection(&'r Resource<Connection>),
    Datagrams(&'r Resource<DatagramSocket>),
}

impl RunState {
    /// What the faults do to a call that reaches out or waits, before it does.
    pub(super) async fn disturb(
        &mut self,
        call: HostCall,
        step: Option<HostPhase>,
        opened: Option<Opened<'_>>,
    ) -> Result<(), Failed> {
        let fired = self.faults_at(call, step);
        if fired.is_empty() {
            return Ok(());
        }
        self.strike(call, opened, fired).await
    }

    /// What these faults do. Boxed by a function of its own, because it is rare: every call that waits would have room for
    /// it, on the stack of its guest as well, and mostly for nothing else.
    #[inline(never)]
    fn strike<'r>(
        &'r mut self,
        call: HostCall,
        opened: Option<Opened<'r>>,
        fired: Vec<Fault>,
    ) -> BoxFuture<'r, Result<(), Failed>> {
        Box::pin(self.strike_each(call, opened, fired))
    }

    async fn strike_each(
        &mut self,
        call: HostCall,
        opened: Option<Opened<'_>>,
        fired: Vec<Fault>,
    ) -> Result<(), Failed> {
        for fault in fired {
            match fault.kind {
                FaultKind::Delay(pause) => self.delay(call, pause).await?,
                FaultKind::Error(InjectedError::DeadlineExceeded) => {
                    let left = self.deadline.expire();
                    match call {
                        HostCall::Poll => self.record_hit(call, DeadlineWhile::Computing),
                        _ => {
                            // It stands for a call that waits for the rest of the time.
                            self.waited += left;
                            self.cut_by_deadline(call);
                        }
                    }
                    return Err(CallError::DeadlineExceeded.into());
                }
                FaultKind::Error(error) => {
                    self.break_connection(opened, error);
                    let failed = failure(error, call);
                    self.refused.note(&failed.error);
                    return Err(failed);
                }
                FaultKind::MemoryPressure => self.memory.freeze(),
                FaultKind::Drip(_) | FaultKind::ResetAfter(_) | FaultKind::Truncate(_) => {
                    self.impair(call, opened, fault.kind);
                }
            }
        }
        Ok(())
    }

    /// What the faults do to a call that only reports or asks: it does not wait.
    pub(super) fn disturb_report(&mut self, call: HostCall) -> Result<(), CallError> {
        for fault in self.faults_at(call, None) {
            match fault.kind {
                FaultKind::Error(InjectedError::DeadlineExceeded) => {
                    self.deadline.expire();
                }
                FaultKind::Error(error) => return Err(self.refuse(failure(error, call).error)),
                FaultKind::MemoryPressure => self.memory.freeze(),
                _ => {}
            }
        }
        Ok(())
    }

    /// The faults that fire here, noted in the report. In a run that is played back, those that fired. Apart for the same
    /// reason.
    #[inline(never)]
    fn faults_at(&mut self, call: HostCall, step: Option<HostPhase>) -> Vec<Fault> {
        let tape = self.deadline.tape().clone();
        let fired: Vec<Fault> = if tape.is_playing() {
            std::iter::from_fn(|| tape.next_fault())
                .filter_map(|fault| fault.parse().ok())
                .collect()
        } else {
            let site = Site {
                call,
                host_phase: step,
                guest_phase: self.timeline.current_guest(),
            };
            self.injector.at(&site)
        };
        // All of them before the clock is read for any: whoever plays the tape takes them in one go.
        for fault in &fired {
            tape.note_fault(|| fault.to_string());
        }
        for fault in &fired {
            self.timeline.mark_injected();
            if self.faults.len() >= InjectedFault::MOST_KEPT {
                continue;
            }
            let (phase, detail) = self.open_phase();
            self.faults.push(InjectedFault {
                fault: fault.to_string(),
                call: call.as_str(),
                phase,
                detail,
                at: self.deadline.moment(),
            });
        }
        fired
    }

    async fn delay(&mut self, call: HostCall, pause: std::time::Duration) -> Result<(), Failed> {
        let deadline = self.deadline.clone();
        let begun = deadline.elapsed();
        let clock = deadline.clock();
        let slept = deadline.tape().ask(
            deadline.guard(clock.sleep_until(clock.now() + pause)),
            |slept| match slept {
                Ok(()) => Answer::Ok(Value::Null),
                Err(Exceeded) => Answer::DeadlineExceeded,
            },
            |answer| match answer {
                Answer::Ok(_) => Some(Ok(())),
                Answer::DeadlineExceeded => Some(Err(Exceeded)),
                _ => None,
            },
        );
        let slept = slept.await;
        if call == HostCall::Poll {
            // The plugin's own sleep, only longer.
            return slept.map_err(|Exceeded| {
                self.record_hit(call, DeadlineWhile::Computing);
                CallError::DeadlineExceeded.into()
            });
        }
        self.settle(call, begun, slept.map(Ok))
    }

    /// What an error of the peer's leaves behind: a connection that is of no use any more.
    fn break_connection(&mut self, opened: Option<Opened<'_>>, error: InjectedError) {
        if let Some(lasting) = lasting(error)
            && let Some(impairment) = self.impairment(opened)
        {
            impairment.break_with(lasting);
        }
    }

    fn impairment(&mut self, opened: Option<Opened<'_>>) -> Option<&mut Impairment> {
        match opened? {
            Opened::Connection(connection) => Some(self.table.get_mut(connection).ok()?.impairment()),
            Opened::Datagrams(socket) => Some(self.table.get_mut(socket).ok()?.impairment()),
        }
    }

    fn impair(&mut self, call: HostCall, opened: Option<Opened<'_>>, kind: FaultKind) {
        let Some(impairment) = self.impairment(opened) else {
            return;
        };
        match kind {
            FaultKind::Drip(pause) => impairment.drip(pause),
            FaultKind::ResetAfter(bytes) if call == HostCall::NetWrite => {
                impairment.reset_writes_after(bytes)
            }
            FaultKind::ResetAfter(bytes) => impairment.end_reads_after(bytes, Ending::Reset),
            FaultKind::Truncate(bytes) => impairment.end_reads_after(bytes, Ending::End),
            _ => {}
        }
    }
}

/// The error of an injected failure, and its words.
fn failure(error: InjectedError, call: HostCall) -> Failed {
    let message = format!("{error} (injected at `{call}`)");
    let text = message.clone();
    let error = match error {
        InjectedError::DeadlineExceeded => CallError::DeadlineExceeded,
        InjectedError::OverQuota => CallError::OverQuota("host calls (injected)".into()),
        InjectedError::CapabilityDisabled => CallError::CapabilityDisabled(capability(call).as_str().into()),
        InjectedError::GrantDenied => CallError::GrantDenied(text),
        InjectedError::Invalid => CallError::Invalid(text),
        InjectedError::SecretMissing => CallError::SecretMissing(text),
        InjectedError::NameNotFound => CallError::NameNotFound(text),
        InjectedError::NameServerFailure => CallError::NameServerFailure(text),
        InjectedError::NoAddress => CallError::NoAddress(text),
        InjectedError::ConnectionRefused => CallError::ConnectionRefused,
        network => match lasting(network) {
            Some(error) => error.into(),
            None => CallError::Other(text),
        },
    };
    Failed { error, message }
}

/// The error as a connection shows it from then on; none for those that concern a single call.
fn lasting(error: InjectedError) -> Option<connection::Error> {
    use connection::Error;
    let tls = |problem| Error::Tls(problem, format!("{error} (injected)"));
    let text = || "injected".to_owned();
    match error {
        InjectedError::ConnectionRefused => Some(Error::Refused("the peer (injected)".to_owned())),
        InjectedError::NetworkUnreachable => Some(Error::NetworkUnreachable(text())),
        InjectedError::HostUnreachable => Some(Error::HostUnreachable(text())),
        InjectedError::ConnectionReset => Some(Error::Reset),
        InjectedError::ConnectionClosed => Some(Error::Closed),
        InjectedError::TlsHandshake => Some(tls(TlsProblem::Handshake)),
        InjectedError::CertificateInvalid => Some(tls(TlsProblem::CertificateInvalid)),
        InjectedError::CertificateExpired => Some(tls(TlsProblem::CertificateExpired)),
        InjectedError::NameMismatch => Some(tls(TlsProblem::NameMismatch)),
        InjectedError::Other => Some(Error::Other("an error that has no name (injected)".into())),
        _ => None,
    }
}

/// What a call needs.
fn capability(call: HostCall) -> Capability {
    match call {
        HostCall::NetStartTls => Capability::NetTls,
        HostCall::NetConnectDatagram | HostCall::NetSendDatagram | HostCall::NetReceiveDatagram => {
            Capability::NetDatagram
        }
        HostCall::SecretsOpen | HostCall::SecretsLength => Capability::Secrets,
        _ => Capability::NetConnect,
    }
}
