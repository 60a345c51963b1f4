//! Looking names up and dialling, within the grants: the phases `resolve` and `connect`.

use std::net::SocketAddr;

use super::RunState;
use super::ask::{ask, ask_for_connection};
use super::facts::{connect_attributes, resolve_attributes};
use super::host_phases::Failed;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::connection::{Connection, Resolution};
use crate::fault::HostCall;
use crate::phase::HostPhase;

impl RunState {
    /// The phase `resolve`.
    pub(super) async fn resolve(&mut self, host: &str) -> Result<Resolution, CallError> {
        self.begin_host_phase(HostPhase::Resolve)?;
        let resolution = self.look_up(host).await;
        let attributes = resolve_attributes(host, resolution.as_ref().ok());
        self.end_host_phase(resolution, attributes)
    }

    async fn look_up(&mut self, host: &str) -> Result<Resolution, Failed> {
        self.disturb(HostCall::NetConnect, Some(HostPhase::Resolve), None)
            .await?;
        let (deadline, access) = (self.deadline.clone(), self.access.clone());
        let begun = deadline.elapsed();
        // What else is still under way is of no use to a run that is played back.
        let mut pending = None;
        let looked_up = async {
            let resolution = access.network.resolve(host, deadline.clock()).await?;
            pending = resolution.pending;
            Ok(resolution.addresses)
        };
        let resolved = ask(&deadline, looked_up).await;
        let addresses = self.settle(HostCall::NetConnect, begun, resolved)?;
        Ok(Resolution { addresses, pending })
    }

    /// The phase `connect`. Addresses that the grants refuse are left out before anything is sent.
    pub(super) async fn dial(
        &mut self,
        host: &str,
        port: u16,
        mut resolution: Resolution,
    ) -> Result<Connection, CallError> {
        self.begin_host_phase(HostPhase::Connect)?;
        let refused = self.leave_out_refused(host, port, &mut resolution);
        let connection = match refused {
            Err(failed) => Err(failed),
            Ok(()) => self.dial_allowed(host, port, resolution).await,
        };
        let attributes = connect_attributes(host, port, connection.as_ref().ok());
        self.end_host_phase(connection, attributes)
    }

    fn leave_out_refused(
        &mut self,
        host: &str,
        port: u16,
        resolution: &mut Resolution,
    ) -> Result<(), Failed> {
        let mut refusal = None;
        resolution.addresses.retain(|&address| {
            let address = SocketAddr::new(address, port);
            match self.access.grants.allows_address(host, address) {
                Ok(()) => true,
                Err(refused) => {
                    refusal.get_or_insert(refused);
                    false
                }
            }
        });
        match refusal {
            Some(refusal) if resolution.addresses.is_empty() => Err(self.denied(&refusal)),
            _ => Ok(()),
        }
    }

    async fn dial_allowed(
        &mut self,
        host: &str,
        port: u16,
        resolution: Resolution,
    ) -> Result<Connection, Failed> {
        self.disturb(HostCall::NetConnect, Some(HostPhase::Connect), None)
            .await?;
        let (deadline, access) = (self.deadline.clone(), self.access.clone());
        let begun = deadline.elapsed();
        let nth = self.dialled;
        self.dialled += 1;
        let allowed = |address| {
            let address = SocketAddr::new(address, port);
            access.grants.allows_address(host, address).is_ok()
        };
        let dialled = access
            .network
            .dial(nth, host, resolution, port, deadline.clock(), allowed);
        let dialled = ask_for_connection(&deadline, host, nth, dialled).await;
        self.settle(HostCall::NetConnect, begun, dialled)
    }
}
