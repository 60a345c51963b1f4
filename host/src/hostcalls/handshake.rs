//! The handshake of TLS: the phase `tls`.

use std::pin::pin;

use futures_util::future::BoxFuture;
use wasmtime::component::Resource;

use super::RunState;
use super::ask::ask;
use super::disturb::Opened;
use super::facts::tls_attributes;
use super::host_phases::Failed;
use crate::bindings::bedcheck::plugin::net::{TlsInfo, TlsOptions};
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::connection::Connection;
use crate::fault::HostCall;
use crate::outcome::Attributes;
use crate::phase::HostPhase;

impl RunState {
    /// The phase `tls`. It is boxed by a function of its own, as dialling is.
    #[inline(never)]
    pub(super) fn shake_hands<'r>(
        &'r mut self,
        connection: &'r Resource<Connection>,
        options: TlsOptions,
    ) -> BoxFuture<'r, wasmtime::Result<Result<TlsInfo, CallError>>> {
        Box::pin(async move {
            if self.access.network.is_live() {
                // What is left of the time after it is what there is for the handshake; none of it counts as the phase.
                let _ = self.deadline.guard(self.access.tls.make_ready()).await;
            }
            if let Err(error) = self.begin_host_phase(HostPhase::Tls) {
                return Ok(Err(error));
            }
            let disturbed = self
                .disturb(
                    HostCall::NetStartTls,
                    Some(HostPhase::Tls),
                    Some(Opened::Connection(connection)),
                )
                .await;
            if let Err(failed) = disturbed {
                return Ok(self.end_host_phase(Err(failed), Attributes::new()));
            }
            let (deadline, access) = (self.deadline.clone(), self.access.clone());
            let begun = deadline.elapsed();
            let opened = self.table.get_mut(connection)?;
            let alpn = options.alpn.into_iter().map(String::into_bytes).collect();
            let server_name = options.server_name.as_deref();
            let handshake = async {
                let info = opened.start_tls(&access.tls, server_name, alpn).await;
                Ok((info, opened.certificate().cloned()))
            };
            let shaken = ask(&deadline, pin!(handshake)).await;
            let (info, certificate) = match self.settle(HostCall::NetStartTls, begun, shaken) {
                Ok((info, certificate)) => (info.map_err(Failed::from), certificate),
                Err(failed) => (Err(failed), None),
            };
            let attributes = tls_attributes(info.as_ref().ok(), certificate.as_ref());
            Ok(self.end_host_phase(info, attributes).map(TlsInfo::from))
        })
    }
}
