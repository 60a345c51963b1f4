//! Where names and connections lead: into the network, to scripted peers, or nowhere.

use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::dial::dial;
use super::script::Script;
use super::scripted::{Scripted, ScriptedDatagrams, wait};
use super::{Connection, DatagramSocket, Error, Resolution, Resolver};
use crate::clock::Clock;

/// Where names and connections lead. Clones lead to the same.
#[derive(Debug, Clone)]
pub enum Network {
    /// Into the network.
    Live(Arc<Resolver>),
    /// To scripted peers, in the time of a run's clock.
    Scripted(Arc<Script>),
    /// Nowhere: no name is known and nobody listens.
    Nowhere,
}

impl Network {
    /// Whether it is the network that real peers are in.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Finds the addresses of a host.
    ///
    /// # Errors
    ///
    /// When the name does not exist or has no address, or the name servers fail.
    pub async fn resolve(&self, host: &str, clock: &Clock) -> Result<Resolution, Error> {
        match self {
            Self::Live(resolver) => resolver.resolve(host).await,
            Self::Scripted(script) => {
                wait(clock, script.latency()).await;
                Ok(Resolution::of(script.resolve(host)?))
            }
            Self::Nowhere => match host.parse() {
                Ok(address) => Ok(Resolution::of(vec![address])),
                Err(_) => Err(Error::NameServerFailure("there are no name servers".into())),
            },
        }
    }

    /// Connects to one of a host's addresses; `nth` counts the connections of an attempt from 0. `allowed`
    /// judges addresses that become known late. Call and connection are boxed, because they go through many hands, each of
    /// which has room for them on the stack of a guest.
    ///
    /// # Errors
    ///
    /// When no address could be connected to.
    #[inline(never)]
    pub fn dial<'d>(
        &'d self,
        nth: u32,
        host: &'d str,
        resolution: Resolution,
        port: u16,
        clock: &'d Clock,
        allowed: impl Fn(IpAddr) -> bool + Send + 'd,
    ) -> BoxFuture<'d, Result<Box<Connection>, Error>> {
        match self {
            Self::Live(_) => {
                let dialled = dial(resolution, port, allowed);
                Box::pin(async move { Connection::new(dialled.await?, host, nth) })
            }
            Self::Scripted(script) => Box::pin(async move {
                let latency = script.latency();
                wait(clock, latency).await;
                let peer = scripted_peer(host, &resolution, port)?;
                let dialogue = script.dial(usize::try_from(nth).unwrap_or(usize::MAX), peer)?;
                let scripted = Scripted::new(dialogue, clock.clone(), latency);
                Ok(Box::new(Connection::scripted(scripted, host, peer, nth)))
            }),
            Self::Nowhere => Box::pin(ready(Err(Error::NetworkUnreachable(
                "there is no network".into(),
            )))),
        }
    }

    /// Makes a socket for datagrams with one of a host's addresses; connections and sockets are counted
    /// together.
    ///
    /// # Errors
    ///
    /// When there is a route to no address.
    pub async fn open_datagrams(
        &self,
        nth: u32,
        host: &str,
        resolution: Resolution,
        port: u16,
        clock: &Clock,
        allowed: impl Fn(IpAddr) -> bool,
    ) -> Result<DatagramSocket, Error> {
        match self {
            Self::Live(_) => DatagramSocket::open(resolution, port, nth, allowed).await,
            Self::Scripted(script) => {
                let peer = scripted_peer(host, &resolution, port)?;
                let exchange = script.open_datagrams(usize::try_from(nth).unwrap_or(usize::MAX), peer)?;
                let scripted = ScriptedDatagrams::new(exchange, peer, clock.clone(), script.latency());
                Ok(DatagramSocket::scripted(scripted, peer, nth))
            }
            Self::Nowhere => Err(Error::NetworkUnreachable("there is no network".into())),
        }
    }
}

fn scripted_peer(host: &str, resolution: &Resolution, port: u16) -> Result<SocketAddr, Error> {
    let address = resolution.addresses.first().copied();
    Ok(SocketAddr::new(
        address.ok_or_else(|| Error::NoAddress(host.to_owned()))?,
        port,
    ))
}
