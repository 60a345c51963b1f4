//! The way out: connections under the deadline and the grants.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wasmtime::component::Resource;

use super::RunState;
use super::ask::{ask, ask_for_bytes};
use super::disturb::Opened;
use super::host_phases::Failed;
use super::secrets::have_secret;
use crate::bindings::bedcheck::plugin::net::{Host, HostConnection, TlsInfo, TlsOptions};
use crate::bindings::bedcheck::plugin::secrets::Sendable;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::connection::{self, Connection};
use crate::deadline::Exceeded;
use crate::fault::HostCall;
use crate::phase::HostPhase;
use crate::text::told;

/// The most that one read returns, in bytes.
const MAX_READ: u64 = 64 * 1024;
/// How many protocols may be offered by ALPN, and how long each name is at most (RFC 7301
/// section 3.1).
const MAX_ALPN: (usize, usize) = (8, 255);
/// How much of what is no name of a server the guest is told, in bytes: as long as a name can be.
const MAX_NAME: usize = 253;

impl Host for RunState {}

impl HostConnection for RunState {
    async fn connect(
        &mut self,
        host: String,
        port: u16,
    ) -> wasmtime::Result<Result<Resource<Connection>, CallError>> {
        let call = HostCall::NetConnect;
        let host = match self.admit(call, Capability::NetConnect, &host, port)? {
            Ok(host) => host,
            Err(refused) => return Ok(Err(refused)),
        };
        let resolution = match self.resolve(call, &host, port).await {
            Ok(resolution) => resolution,
            Err(error) => return Ok(Err(error)),
        };
        match self.dial(&host, port, resolution).await {
            Ok(connection) => {
                self.connections += 1;
                Ok(Ok(self.table.push(*connection)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
        options: TlsOptions,
    ) -> wasmtime::Result<Result<TlsInfo, CallError>> {
        let number = self.table.get(&connection)?.number();
        let arguments =
            || json!({ "connection": number, "server_name": options.server_name, "alpn": options.alpn });
        if let Err(error) = self.enter(HostCall::NetStartTls, Capability::NetTls, arguments)? {
            let failed = self.failed(error);
            return Ok(Err(self.refuse_host_phase(HostPhase::Tls, failed)));
        }
        if options.alpn.len() > MAX_ALPN.0
            || options
                .alpn
                .iter()
                .any(|name| name.is_empty() || name.len() > MAX_ALPN.1)
        {
            return Ok(Err(CallError::Invalid(
                "at most 8 ALPN names of 1 to 255 bytes can be offered".into(),
            )));
        }
        if let Some(name) = options
            .server_name
            .as_deref()
            .filter(|name| !connection::is_server_name(name))
        {
            // Nothing of it is struck out: that would tell the guest of secrets.
            let shown = told(name, MAX_NAME);
            return Ok(Err(CallError::Invalid(format!(
                "`{shown}` is no name of a server, wanted a host name or an address"
            ))));
        }
        self.shake_hands(&connection, options).await
    }

    async fn read(
        &mut self,
        connection: Resource<Connection>,
        maximum: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, CallError>> {
        self.receive(connection, maximum).await
    }

    async fn write(
        &mut self,
        connection: Resource<Connection>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.enter(HostCall::NetWrite, Capability::NetConnect, || Value::Null)? {
            return Ok(Err(error));
        }
        self.write_all(&connection, &bytes).await
    }

    async fn send(
        &mut self,
        connection: Resource<Connection>,
        pieces: Vec<Sendable>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.enter(HostCall::NetWrite, Capability::NetConnect, || Value::Null)? {
            return Ok(Err(error));
        }
        if have_secret(&pieces)
            && let Err(error) = self.require(Capability::Secrets)
        {
            return Ok(Err(error));
        }
        match self.assemble(pieces)? {
            Ok(bytes) => self.write_all(&connection, &bytes).await,
            Err(refused) => Ok(Err(refused)),
        }
    }

    fn peer_address(&mut self, connection: Resource<Connection>) -> wasmtime::Result<String> {
        let _counted = self.report_call(HostCall::NetPeerAddress)?;
        Ok(self.table.get(&connection)?.peer().to_string())
    }

    async fn close(&mut self, connection: Resource<Connection>) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.enter(HostCall::NetClose, Capability::NetConnect, || Value::Null)? {
            return Ok(Err(error));
        }
        if let Err(failed) = self
            .disturb(HostCall::NetClose, None, Some(Opened::Connection(&connection)))
            .await
        {
            return Ok(Err(failed.error));
        }
        let deadline = self.deadline.clone();
        let begun = deadline.elapsed();
        let opened = self.table.get_mut(&connection)?;
        let closed = ask(&deadline, pin!(opened.close())).await;
        let closed = self.settle(HostCall::NetClose, begun, closed);
        if closed.is_ok() {
            self.table.get_mut(&connection)?.note_closed();
            self.connections = self.connections.saturating_sub(1);
        }
        Ok(closed.map_err(|failed| failed.error))
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        let connection = self.table.delete(connection)?;
        self.note_complaint(connection.complaint());
        if !connection.was_closed() {
            self.connections = self.connections.saturating_sub(1);
        }
        Ok(())
    }
}

impl RunState {
    /// A read. It is boxed by a function of its own, as dialling is: whoever is given a future by value has room for it
    /// twice on the stack of the guest, and in a read guests wait.
    #[inline(never)]
    fn receive(
        &mut self,
        connection: Resource<Connection>,
        maximum: u32,
    ) -> BoxFuture<'_, wasmtime::Result<Result<Vec<u8>, CallError>>> {
        Box::pin(async move {
            let number = self.table.get(&connection)?.number();
            let arguments = || json!({ "connection": number, "maximum": maximum });
            if let Err(error) = self.enter(HostCall::NetRead, Capability::NetConnect, arguments)? {
                return Ok(Err(error));
            }
            if maximum == 0 {
                return Ok(Err(CallError::Invalid("a read of no bytes".into())));
            }
            let room = match self.bytes_left() {
                0 => return Ok(Err(CallError::OverQuota("bytes".into()))),
                left => u64::from(maximum).min(MAX_READ).min(left),
            };
            if let Err(failed) = self
                .disturb(HostCall::NetRead, None, Some(Opened::Connection(&connection)))
                .await
            {
                return Ok(Err(failed.error));
            }
            let deadline = self.deadline.clone();
            let begun = deadline.elapsed();
            let connection = self.table.get_mut(&connection)?;
            let room = usize::try_from(room)?;
            let dripping = async {
                if let Some(pause) = connection.impairment().pause() {
                    deadline.clock().sleep_until(deadline.clock().now() + pause).await;
                }
                connection.read(room).await
            };
            let read = ask_for_bytes(&deadline, number, pin!(dripping)).await;
            let bytes = self.settle_received(HostCall::NetRead, begun, read);
            self.usage.bytes_read += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            Ok(bytes)
        })
    }

    /// A write, boxed in the same way.
    #[inline(never)]
    fn write_all<'r>(
        &'r mut self,
        connection: &'r Resource<Connection>,
        bytes: &'r [u8],
    ) -> BoxFuture<'r, wasmtime::Result<Result<(), CallError>>> {
        Box::pin(async move {
            if bytes.len() as u64 > self.bytes_left() {
                return Ok(Err(CallError::OverQuota("bytes".into())));
            }
            if let Err(failed) = self
                .disturb(HostCall::NetWrite, None, Some(Opened::Connection(connection)))
                .await
            {
                return Ok(Err(failed.error));
            }
            let deadline = self.deadline.clone();
            let begun = deadline.elapsed();
            let counted = self.count_write(bytes, begun);
            let opened = self.table.get_mut(connection)?;
            deadline.tape().sent(opened.number(), bytes);
            let written = ask(&deadline, pin!(opened.write(bytes))).await;
            let written = self
                .settle(HostCall::NetWrite, begun, written)
                .map_err(|failed| failed.error);
            self.take_back_unsent(counted, &written);
            Ok(written)
        })
    }

    /// What is to be written counts before it is tried, and so much of it: of a write that fails, or is never heard of
    /// again, any part may have been sent. None is tried once the deadline has passed.
    pub(super) fn count_write(&mut self, bytes: &[u8], begun: Duration) -> u64 {
        let counted = match self.deadline.has_passed_by(begun) {
            true => 0,
            false => bytes.len() as u64,
        };
        self.usage.bytes_written += counted;
        counted
    }

    /// Where there is no connection any more, nothing was sent of what counted.
    pub(super) fn take_back_unsent(&mut self, counted: u64, written: &Result<(), CallError>) {
        if matches!(written, Err(CallError::Invalid(_))) {
            self.usage.bytes_written -= counted;
        }
    }

    pub(super) fn bytes_left(&self) -> u64 {
        self.limits
            .bytes
            .saturating_sub(self.usage.bytes_read + self.usage.bytes_written)
    }

    /// What came of asking a peer for bytes. How often it must be waited for is its own to choose, so a call that waited
    /// and brought something does not count: deadline, bytes and fuel bound such calls.
    pub(super) fn settle_received(
        &mut self,
        call: HostCall,
        begun: Duration,
        (received, is_awaited): (Result<Result<Vec<u8>, connection::Error>, Exceeded>, bool),
    ) -> Result<Vec<u8>, CallError> {
        let bytes = self
            .settle(call, begun, received)
            .map_err(|failed| failed.error)?;
        self.uncounted_calls += u64::from(is_awaited && !bytes.is_empty());
        Ok(bytes)
    }

    /// What came of a guarded wait that begun at that offset.
    pub(super) fn settle<T>(
        &mut self,
        call: HostCall,
        begun: Duration,
        waited: Result<Result<T, connection::Error>, Exceeded>,
    ) -> Result<T, Failed> {
        self.waited += self.deadline.elapsed().saturating_sub(begun);
        match waited {
            Ok(result) => result.map_err(Failed::from),
            Err(exceeded) => {
                self.cut_by_deadline(call);
                Err(Failed {
                    error: CallError::DeadlineExceeded,
                    message: exceeded.to_string(),
                })
            }
        }
    }
}
