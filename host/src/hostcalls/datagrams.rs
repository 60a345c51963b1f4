//! The way out for datagrams, under the deadline and the grants as connections are.

use std::pin::pin;

use serde_json::{Value, json};
use wasmtime::component::Resource;

use super::RunState;
use super::ask::{ask, ask_for_bytes};
use super::disturb::Opened;
use crate::bindings::bedcheck::plugin::net::HostDatagramSocket;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::connection::{DatagramSocket, MAX_DATAGRAM};
use crate::fault::HostCall;

impl HostDatagramSocket for RunState {
    async fn connect(
        &mut self,
        host: String,
        port: u16,
    ) -> wasmtime::Result<Result<Resource<DatagramSocket>, CallError>> {
        let call = HostCall::NetConnectDatagram;
        let host = match self.admit(call, Capability::NetDatagram, &host, port)? {
            Ok(host) => host,
            Err(refused) => return Ok(Err(refused)),
        };
        let resolution = match self.resolve(call, &host, port).await {
            Ok(resolution) => resolution,
            Err(error) => return Ok(Err(error)),
        };
        match self.dial_datagrams(&host, port, resolution).await {
            Ok(socket) => {
                self.connections += 1;
                Ok(Ok(self.table.push(socket)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn send(
        &mut self,
        socket: Resource<DatagramSocket>,
        datagram: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        let call = HostCall::NetSendDatagram;
        if let Err(error) = self.enter(call, Capability::NetDatagram, || Value::Null)? {
            return Ok(Err(error));
        }
        if datagram.len() > MAX_DATAGRAM {
            let found = datagram.len();
            return Ok(Err(CallError::Invalid(format!(
                "a datagram of {found} bytes, of at most {MAX_DATAGRAM}"
            ))));
        }
        if datagram.len() as u64 > self.bytes_left() {
            return Ok(Err(CallError::OverQuota("bytes".into())));
        }
        if let Err(failed) = self.disturb(call, None, Some(Opened::Datagrams(&socket))).await {
            return Ok(Err(failed.error));
        }
        let deadline = self.deadline.clone();
        let begun = deadline.elapsed();
        let counted = self.count_write(&datagram, begun);
        let opened = self.table.get_mut(&socket)?;
        deadline.tape().sent(opened.number(), &datagram);
        let sent = ask(&deadline, opened.send(&datagram)).await;
        let sent = self.settle(call, begun, sent).map_err(|failed| failed.error);
        self.take_back_unsent(counted, &sent);
        Ok(sent)
    }

    async fn receive(
        &mut self,
        socket: Resource<DatagramSocket>,
    ) -> wasmtime::Result<Result<Vec<u8>, CallError>> {
        let call = HostCall::NetReceiveDatagram;
        let number = self.table.get(&socket)?.number();
        let arguments = || json!({ "connection": number });
        if let Err(error) = self.enter(call, Capability::NetDatagram, arguments)? {
            return Ok(Err(error));
        }
        let left = self.bytes_left();
        if left == 0 {
            return Ok(Err(CallError::OverQuota("bytes".into())));
        }
        if let Err(failed) = self.disturb(call, None, Some(Opened::Datagrams(&socket))).await {
            return Ok(Err(failed.error));
        }
        let deadline = self.deadline.clone();
        let begun = deadline.elapsed();
        let opened = self.table.get_mut(&socket)?;
        let received = ask_for_bytes(&deadline, number, pin!(opened.receive())).await;
        let received = self.settle_received(call, begun, received);
        let length = received.as_ref().map_or(0, |datagram| datagram.len() as u64);
        self.usage.bytes_read += length.min(left);
        // Half a datagram is none.
        Ok(match length > left {
            true => Err(CallError::OverQuota("bytes".into())),
            false => received,
        })
    }

    fn peer_address(&mut self, socket: Resource<DatagramSocket>) -> wasmtime::Result<String> {
        let _counted = self.report_call(HostCall::NetPeerAddress)?;
        Ok(self.table.get(&socket)?.peer().to_string())
    }

    fn drop(&mut self, socket: Resource<DatagramSocket>) -> wasmtime::Result<()> {
        let socket = self.table.delete(socket)?;
        self.note_complaint(socket.complaint());
        self.connections = self.connections.saturating_sub(1);
        Ok(())
    }
}
