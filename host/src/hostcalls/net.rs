//! The way out: connections under the deadline and the grants.

use std::net::SocketAddr;
use std::time::Duration;

use wasmtime::component::Resource;

use super::RunState;
use super::facts::{connect_attributes, resolve_attributes, tls_attributes};
use super::host_phases::Failed;
use crate::bindings::bedcheck::plugin::net::{Host, HostConnection, TlsInfo, TlsOptions};
use crate::bindings::bedcheck::plugin::secrets::Sendable;
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::connection::{self, Connection, Resolution, dial};
use crate::deadline::Exceeded;
use crate::phase::HostPhase;

/// How many connections a guest may have open at once: a dialogue needs one or two, and each is a file
/// descriptor of the whole process.
const MAX_CONNECTIONS: usize = 16;
/// The most that one read returns, in bytes.
const MAX_READ: u64 = 64 * 1024;
/// How many protocols may be offered by ALPN, and how long each name is at most (RFC 7301
/// section 3.1).
const MAX_ALPN: (usize, usize) = (8, 255);

const CONNECT: &str = "net.connect";
const START_TLS: &str = "net.start-tls";
const READ: &str = "net.read";
const WRITE: &str = "net.write";
const CLOSE: &str = "net.close";

impl Host for RunState {}

impl HostConnection for RunState {
    async fn connect(
        &mut self,
        host: String,
        port: u16,
    ) -> wasmtime::Result<Result<Resource<Connection>, CallError>> {
        if let Err(error) = self.enter(CONNECT, Capability::NetConnect)? {
            let phase = match error {
                CallError::DeadlineExceeded => HostPhase::Resolve,
                _ => HostPhase::Connect,
            };
            return Ok(Err(self.refuse_host_phase(phase, Failed::from(error))));
        }
        if self.connections >= MAX_CONNECTIONS {
            return Ok(Err(CallError::OverQuota("open connections".into())));
        }
        if let Err(refusal) = self.access.grants.permit(&host, port) {
            let message = refusal.to_string();
            let failed = Failed {
                error: CallError::GrantDenied(message.clone()),
                message,
            };
            return Ok(Err(self.refuse_host_phase(HostPhase::Connect, failed)));
        }
        let resolution = match self.resolve(&host).await {
            Ok(resolution) => resolution,
            Err(error) => return Ok(Err(error)),
        };
        match self.dial(&host, port, resolution).await {
            Ok(connection) => {
                self.connections += 1;
                Ok(Ok(self.table.push(connection)?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
        options: TlsOptions,
    ) -> wasmtime::Result<Result<TlsInfo, CallError>> {
        if let Err(error) = self.enter(START_TLS, Capability::NetTls)? {
            return Ok(Err(self.refuse_host_phase(HostPhase::Tls, Failed::from(error))));
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
        if let Err(error) = self.begin_host_phase(HostPhase::Tls) {
            return Ok(Err(error));
        }
        let (deadline, access) = (self.deadline.clone(), self.access.clone());
        let begun = deadline.elapsed();
        let opened = self.table.get_mut(&connection)?;
        let alpn = options.alpn.into_iter().map(String::into_bytes).collect();
        let server_name = options.server_name.as_deref();
        let shaken = deadline
            .guard(opened.start_tls(&access.tls, server_name, alpn))
            .await;
        let info = self.settle(START_TLS, begun, shaken);
        let certificate = self.table.get(&connection)?.certificate();
        let attributes = tls_attributes(info.as_ref().ok(), certificate);
        Ok(self.end_host_phase(info, attributes).map(TlsInfo::from))
    }

    async fn read(
        &mut self,
        connection: Resource<Connection>,
        maximum: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, CallError>> {
        if let Err(error) = self.enter(READ, Capability::NetConnect)? {
            return Ok(Err(error));
        }
        if maximum == 0 {
            return Ok(Err(CallError::Invalid("a read of no bytes".into())));
        }
        let room = match self.bytes_left() {
            0 => return Ok(Err(CallError::OverQuota("bytes".into()))),
            left => u64::from(maximum).min(MAX_READ).min(left),
        };
        let deadline = self.deadline.clone();
        let begun = deadline.elapsed();
        let connection = self.table.get_mut(&connection)?;
        let read = deadline.guard(connection.read(usize::try_from(room)?)).await;
        let bytes = self.settle(READ, begun, read).map_err(|failed| failed.error);
        self.usage.bytes_read += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(bytes)
    }

    async fn write(
        &mut self,
        connection: Resource<Connection>,
        bytes: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        self.write_all(&connection, &bytes).await
    }

    async fn send(
        &mut self,
        connection: Resource<Connection>,
        pieces: Vec<Sendable>,
    ) -> wasmtime::Result<Result<(), CallError>> {
        match self.assemble(pieces)? {
            Ok(bytes) => self.write_all(&connection, &bytes).await,
            Err(refused) => Ok(self.count_call()?.and(Err(refused))),
        }
    }

    fn peer_address(&mut self, connection: Resource<Connection>) -> wasmtime::Result<String> {
        let _counted = self.count_call()?;
        Ok(self.table.get(&connection)?.peer().to_string())
    }

    async fn close(&mut self, connection: Resource<Connection>) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.enter(CLOSE, Capability::NetConnect)? {
            return Ok(Err(error));
        }
        let deadline = self.deadline.clone();
        let begun = deadline.elapsed();
        let closed = deadline.guard(self.table.get_mut(&connection)?.close()).await;
        Ok(self.settle(CLOSE, begun, closed).map_err(|failed| failed.error))
    }

    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        self.connections = self.connections.saturating_sub(1);
        Ok(())
    }
}

impl RunState {
    /// The phase `resolve`.
    async fn resolve(&mut self, host: &str) -> Result<Resolution, CallError> {
        self.begin_host_phase(HostPhase::Resolve)?;
        let (deadline, access) = (self.deadline.clone(), self.access.clone());
        let begun = deadline.elapsed();
        let resolved = deadline.guard(access.resolver.resolve(host)).await;
        let resolution = self.settle(CONNECT, begun, resolved);
        let attributes = resolve_attributes(host, resolution.as_ref().ok());
        self.end_host_phase(resolution, attributes)
    }

    /// The phase `connect`. Addresses that the grants refuse are left out before anything is sent.
    async fn dial(
        &mut self,
        host: &str,
        port: u16,
        mut resolution: Resolution,
    ) -> Result<Connection, CallError> {
        self.begin_host_phase(HostPhase::Connect)?;
        let (deadline, access) = (self.deadline.clone(), self.access.clone());
        let mut refusal = None;
        resolution.addresses.retain(|&address| {
            match access.grants.allows_address(host, SocketAddr::new(address, port)) {
                Ok(()) => true,
                Err(refused) => {
                    refusal.get_or_insert(refused);
                    false
                }
            }
        });
        let connection = match refusal {
            Some(refusal) if resolution.addresses.is_empty() => {
                let message = refusal.to_string();
                Err(Failed {
                    error: CallError::GrantDenied(message.clone()),
                    message,
                })
            }
            _ => {
                let begun = deadline.elapsed();
                let allowed = |address| {
                    access
                        .grants
                        .allows_address(host, SocketAddr::new(address, port))
                        .is_ok()
                };
                let dialled = async { Connection::new(dial(resolution, port, allowed).await?, host) };
                let dialled = deadline.guard(dialled).await;
                self.settle(CONNECT, begun, dialled)
            }
        };
        let attributes = connect_attributes(host, port, connection.as_ref().ok());
        self.end_host_phase(connection, attributes)
    }

    async fn write_all(
        &mut self,
        connection: &Resource<Connection>,
        bytes: &[u8],
    ) -> wasmtime::Result<Result<(), CallError>> {
        if let Err(error) = self.enter(WRITE, Capability::NetConnect)? {
            return Ok(Err(error));
        }
        if bytes.len() as u64 > self.bytes_left() {
            return Ok(Err(CallError::OverQuota("bytes".into())));
        }
        let deadline = self.deadline.clone();
        let begun = deadline.elapsed();
        let written = deadline.guard(self.table.get_mut(connection)?.write(bytes)).await;
        let written = self.settle(WRITE, begun, written).map_err(|failed| failed.error);
        if written.is_ok() {
            self.usage.bytes_written += bytes.len() as u64;
        }
        Ok(written)
    }

    fn bytes_left(&self) -> u64 {
        self.limits
            .bytes
            .saturating_sub(self.usage.bytes_read + self.usage.bytes_written)
    }

    /// What came of a guarded wait that begun at that offset.
    fn settle<T>(
        &mut self,
        call: &'static str,
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
