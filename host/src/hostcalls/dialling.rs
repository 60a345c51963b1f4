//! Looking names up and dialling, within the grants: the phases `resolve` and `connect`, of connections and of
//! sockets for datagrams.
//!
//! Both are boxed by functions of their own. A guest dials once and then waits for its peer; what dialling takes on the
//! guest's stack would stay there, in thousands of guests, for as long as they wait.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::RunState;
use super::ask::{ask, ask_for_peer};
use super::facts::{connect_attributes, resolve_attributes};
use super::host_phases::Failed;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::connection::{Connection, DatagramSocket, Resolution};
use crate::fault::HostCall;
use crate::phase::HostPhase;

/// How many connections and sockets a guest may have open at once: a dialogue needs one or two, and each is a file
/// descriptor of the whole process.
const MAX_CONNECTIONS: usize = 16;

impl RunState {
    /// The gate of a call that dials, and the host in the form in which it is looked up.
    pub(super) fn admit(
        &mut self,
        call: HostCall,
        capability: Capability,
        host: &str,
        port: u16,
    ) -> wasmtime::Result<Result<String, CallError>> {
        let arguments = || json!({ "host": host, "port": port });
        if let Err(error) = self.enter(call, capability, arguments)? {
            let phase = match error {
                CallError::DeadlineExceeded => HostPhase::Resolve,
                _ => HostPhase::Connect,
            };
            let failed = self.failed(error);
            return Ok(Err(self.refuse_host_phase(phase, failed)));
        }
        if self.connections >= MAX_CONNECTIONS {
            return Ok(Err(CallError::OverQuota("open connections".into())));
        }
        if let Err(refusal) = self.access.grants.permit(host, port) {
            let failed = self.denied(&refusal);
            return Ok(Err(self.refuse_host_phase(HostPhase::Connect, failed)));
        }
        // Case means nothing in a name, and would be one more thing to write into questions.
        let host = host.to_ascii_lowercase();
        if let Err(error) = self.names.admit(&host) {
            return Ok(Err(
                self.refuse_host_phase(HostPhase::Resolve, Failed::from(error))
            ));
        }
        Ok(Ok(host))
    }

    /// The phase `resolve`.
    #[inline(never)]
    pub(super) fn resolve<'r>(
        &'r mut self,
        call: HostCall,
        host: &'r str,
        port: u16,
    ) -> BoxFuture<'r, Result<Resolution, CallError>> {
        Box::pin(async move {
            self.begin_host_phase(HostPhase::Resolve)?;
            let resolution = self.look_up(call, host, port).await;
            let attributes = resolve_attributes(host, resolution.as_ref().ok());
            self.end_host_phase(resolution, attributes)
        })
    }

    /// Where none of the addresses that come first is granted, those of the other family are waited for.
    async fn look_up(&mut self, call: HostCall, host: &str, port: u16) -> Result<Resolution, Failed> {
        self.disturb(call, Some(HostPhase::Resolve), None).await?;
        let (deadline, access) = (self.deadline.clone(), self.access.clone());
        let begun = deadline.elapsed();
        // What else is still under way is of no use to a run that is played back.
        let mut pending = None;
        let looked_up = async {
            let mut resolution = access.network.resolve(host, deadline.clock()).await?;
            let is_allowed = |address: &IpAddr| {
                let address = SocketAddr::new(*address, port);
                access.grants.allows_address(host, address).is_ok()
            };
            if !resolution.addresses.iter().any(is_allowed) {
                resolution = resolution.completed().await;
            }
            pending = resolution.pending;
            Ok(resolution.addresses)
        };
        let resolved = ask(&deadline, pin!(looked_up)).await;
        let addresses = self.settle(call, begun, resolved)?;
        Ok(Resolution { addresses, pending })
    }

    /// The phase `connect` of a connection. Addresses that the grants refuse are left out before anything is sent.
    #[inline(never)]
    pub(super) fn dial<'r>(
        &'r mut self,
        host: &'r str,
        port: u16,
        mut resolution: Resolution,
    ) -> BoxFuture<'r, Result<Box<Connection>, CallError>> {
        Box::pin(async move {
            self.begin_host_phase(HostPhase::Connect)?;
            let connection = match self.leave_out_refused(host, port, &mut resolution) {
                Err(failed) => Err(failed),
                Ok(()) => self.dial_allowed(host, port, resolution).await,
            };
            let peer = connection.as_ref().ok().map(|connection| connection.peer());
            self.end_host_phase(connection, connect_attributes("tcp", host, port, peer))
        })
    }

    /// The phase `connect` of a socket for datagrams, in the same way.
    #[inline(never)]
    pub(super) fn dial_datagrams<'r>(
        &'r mut self,
        host: &'r str,
        port: u16,
        mut resolution: Resolution,
    ) -> BoxFuture<'r, Result<DatagramSocket, CallError>> {
        Box::pin(async move {
            self.begin_host_phase(HostPhase::Connect)?;
            let socket = match self.leave_out_refused(host, port, &mut resolution) {
                Err(failed) => Err(failed),
                Ok(()) => self.open_datagrams(host, port, resolution).await,
            };
            let peer = socket.as_ref().ok().map(DatagramSocket::peer);
            self.end_host_phase(socket, connect_attributes("udp", host, port, peer))
        })
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
    ) -> Result<Box<Connection>, Failed> {
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
        let network = &access.network;
        let dialled = network.dial(nth, host, resolution, port, deadline.clock(), allowed);
        let recorded = |peer| Box::new(Connection::recorded(host, peer, nth));
        let dialled = ask_for_peer(&deadline, dialled, |dialled| dialled.peer(), recorded).await;
        self.settle(HostCall::NetConnect, begun, dialled)
    }

    async fn open_datagrams(
        &mut self,
        host: &str,
        port: u16,
        resolution: Resolution,
    ) -> Result<DatagramSocket, Failed> {
        let call = HostCall::NetConnectDatagram;
        self.disturb(call, Some(HostPhase::Connect), None).await?;
        let (deadline, access) = (self.deadline.clone(), self.access.clone());
        let begun = deadline.elapsed();
        let nth = self.dialled;
        self.dialled += 1;
        let allowed = |address| {
            let address = SocketAddr::new(address, port);
            access.grants.allows_address(host, address).is_ok()
        };
        let network = &access.network;
        let opened = network.open_datagrams(nth, host, resolution, port, deadline.clock(), allowed);
        let recorded = |peer| DatagramSocket::recorded(peer, nth);
        let opened = ask_for_peer(&deadline, pin!(opened), DatagramSocket::peer, recorded).await;
        self.settle(call, begun, opened)
    }
}
