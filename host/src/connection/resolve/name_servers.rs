//! Asking name servers for a name, as it stands and below the domains of `search`.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;

use super::Resolution;
use super::lookup::look_up;
use crate::connection::Error;

/// Name servers, and what to ask them for.
#[derive(Debug)]
pub(super) struct NameServers {
    resolver: TokioResolver,
    /// The domains below which a name may stand for another.
    search: Vec<Name>,
    /// How many dots make a name one that is asked for as it stands first.
    ndots: usize,
}

impl NameServers {
    /// Those of a file like `/etc/resolv.conf`.
    pub(super) fn of_system(path: &Path) -> Result<Self, NetError> {
        let (config, options) = parse_resolv_conf(fs::read(path)?)?;
        Self::new(config, options)
    }

    /// These, and names only as they stand.
    pub(super) fn at(servers: &[SocketAddr]) -> Result<Self, NetError> {
        let servers = servers.iter().map(name_server).collect();
        Self::new(
            ResolverConfig::from_name_servers(servers),
            ResolverOpts::default(),
        )
    }

    pub(super) fn new(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, NetError> {
        let search = match config.search() {
            // That of the machine's own name.
            [] => config.domain().cloned().into_iter().collect(),
            search => search.to_vec(),
        };
        let ndots = options.ndots;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Ok(Self {
            resolver: builder.with_options(options).build()?,
            search,
            ndots,
        })
    }

    /// Asks for a name until one of those that it may stand for has an address: both families of one, before another is
    /// asked for, which may be another machine.
    ///
    /// # Errors
    ///
    /// When none has an address. Of the name as it stands a failure is the last word; below a domain of `search`, where a
    /// name is seldom meant, it is told if nothing else has an address.
    pub(super) async fn find(&self, host: &str, name: &Name) -> Result<Resolution, Error> {
        let itself = absolute(name);
        let mut is_asked = false;
        let mut failure = None;
        let mut exists = false;
        for candidate in self.candidates(name) {
            let is_itself = candidate == itself;
            match look_up(&self.resolver, &candidate).await {
                Ok(resolution) => return Ok(resolution),
                Err(failed @ Error::NameServerFailure(_)) if is_itself => return Err(failed),
                Err(failed @ Error::NameServerFailure(_)) => drop(failure.get_or_insert(failed)),
                // What is asked for after the name itself says nothing about it.
                Err(negative) => exists |= !is_asked && matches!(negative, Error::NoAddress(_)),
            }
            is_asked |= is_itself;
        }
        Err(failure.unwrap_or_else(|| match exists {
            true => Error::NoAddress(host.to_owned()),
            false => Error::NameNotFound(host.to_owned()),
        }))
    }

    /// What a name may stand for, in the order of asking: the name itself first if it has dots enough (resolv.conf(5)).
    fn candidates(&self, name: &Name) -> Vec<Name> {
        let itself = absolute(name);
        if name.is_fqdn() {
            return vec![itself];
        }
        // A name has a label more than dots.
        let is_first = usize::from(name.num_labels()) > self.ndots || name.is_localhost();
        let below = self.search.iter();
        // One that becomes too long is none.
        let below = below.filter_map(|domain| name.clone().append_domain(domain).ok());
        let mut candidates: Vec<Name> = match is_first {
            true => std::iter::once(itself).chain(below).collect(),
            false => below.chain(std::iter::once(itself)).collect(),
        };
        let mut seen = HashSet::new();
        candidates.retain(|candidate| seen.insert(candidate.clone()));
        candidates
    }
}

/// A name as it stands.
fn absolute(name: &Name) -> Name {
    let mut absolute = name.clone();
    absolute.set_fqdn(true);
    absolute
}

/// A name server that is asked over UDP, and over TCP for what is too large.
pub(super) fn name_server(server: &SocketAddr) -> NameServerConfig {
    let on_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
    NameServerConfig::new(server.ip(), true, connections)
}
