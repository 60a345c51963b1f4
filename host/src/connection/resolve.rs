//! Names to addresses. Asynchronous throughout, so that a look-up can be abandoned at the deadline
//! at no cost; nothing is cached, because the time a look-up takes is part of what is measured.

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Error;

/// How long the second address family is waited for once the first has answered: RFC 8305 section 3
/// recommends 50 ms.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Finds addresses.
#[derive(Debug)]
pub struct Resolver(LazyLock<SetUp, Box<dyn FnOnce() -> SetUp + Send>>);

/// What asks the name servers, or why there is none.
type SetUp = Result<TokioResolver, String>;

/// The addresses of a name.
#[derive(Debug)]
pub struct Resolution {
    /// The addresses known now, at least one.
    pub addresses: Vec<IpAddr>,
    /// The other family's look-up, if it is still under way.
    pub pending: Option<Lookup>,
}

/// A look-up of one address family that goes on by itself; dropping it abandons it.
#[derive(Debug)]
pub struct Lookup(JoinHandle<Result<Vec<IpAddr>, NetError>>);

impl Resolver {
    /// The system's resolver: `/etc/resolv.conf` and `/etc/hosts`, read when a name is first looked up, which a check of
    /// an address never does. Where it cannot be set up, every look-up of a name says why.
    pub fn system() -> Self {
        Self(LazyLock::new(Box::new(|| {
            let built = TokioResolver::builder_tokio().and_then(without_cache);
            built.map_err(|error| format!("the system's name servers are unknown: {error}"))
        })))
    }

    /// A resolver that asks these servers, over UDP and for large answers over TCP. `/etc/hosts` is
    /// still read first.
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(name_server).collect();
        Self(LazyLock::new(Box::new(|| {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            without_cache(builder).map_err(|error| error.to_string())
        })))
    }

    /// Looks both families of a name up at once. An address stands for itself.
    ///
    /// # Errors
    ///
    /// When the name does not exist or has no address, or the name servers fail.
    pub async fn resolve(&self, host: &str) -> Result<Resolution, Error> {
        if let Ok(address) = host.parse() {
            return Ok(Resolution {
                addresses: vec![address],
                pending: None,
            });
        }
        let resolver = LazyLock::force(&self.0)
            .as_ref()
            .map_err(|reason| Error::NameServerFailure(reason.clone()))?;
        let mut v6 = Lookup::start(resolver, host, RecordType::AAAA);
        let mut v4 = Lookup::start(resolver, host, RecordType::A);
        tokio::select! {
            first = v6.answer() => combine(host, first, v4).await,
            first = v4.answer() => combine(host, first, v6).await,
        }
    }
}

impl Resolution {
    /// These addresses, and no look-up under way.
    pub fn of(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            pending: None,
        }
    }
}

impl Lookup {
    fn start(resolver: &TokioResolver, host: &str, record_type: RecordType) -> Self {
        let (resolver, host) = (resolver.clone(), host.to_owned());
        Self(tokio::spawn(async move {
            let lookup = resolver.lookup(host, record_type).await?;
            let address = |record: &hickory_resolver::proto::rr::Record| match &record.data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            };
            Ok(lookup.answers().iter().filter_map(address).collect())
        }))
    }

    /// Waits for the answer. Cancel safe.
    pub(super) async fn answer(&mut self) -> Result<Vec<IpAddr>, NetError> {
        match (&mut self.0).await {
            Ok(answer) => answer,
            Err(stopped) => Err(NetError::Msg(stopped.to_string())),
        }
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Puts the first family's answer together with what comes of the second within the delay.
async fn combine(
    host: &str,
    first: Result<Vec<IpAddr>, NetError>,
    mut second: Lookup,
) -> Result<Resolution, Error> {
    match first {
        Ok(mut addresses) if !addresses.is_empty() => {
            match timeout(RESOLUTION_DELAY, second.answer()).await {
                Ok(more) => {
                    addresses.extend(more.unwrap_or_default());
                    Ok(Resolution {
                        addresses,
                        pending: None,
                    })
                }
                Err(_) => Ok(Resolution {
                    addresses,
                    pending: Some(second),
                }),
            }
        }
        Err(error) if error.is_nx_domain() => Err(Error::NameNotFound(host.to_owned())),
        without => match second.answer().await {
            Ok(addresses) if !addresses.is_empty() => Ok(Resolution {
                addresses,
                pending: None,
            }),
            other => Err(classify(host, without.err().or(other.err()))),
        },
    }
}

/// Neither family had an address: why.
fn classify(host: &str, error: Option<NetError>) -> Error {
    match error {
        None => Error::NoAddress(host.to_owned()),
        Some(error) if error.is_nx_domain() => Error::NameNotFound(host.to_owned()),
        Some(error) if error.is_no_records_found() => Error::NoAddress(host.to_owned()),
        Some(error) => {
            Error::NameServerFailure(format!("the name servers did not answer for `{host}`: {error}"))
        }
    }
}

fn without_cache(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, NetError> {
    builder.options_mut().cache_size = 0;
    builder.build()
}

fn name_server(server: &SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
    NameServerConfig::new(server.ip(), true, connections)
}
