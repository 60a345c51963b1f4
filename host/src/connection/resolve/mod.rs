//! Names to addresses, as other programs of the machine find them: in `/etc/hosts`, then from name servers. Asynchronous
//! throughout, so that a look-up can be abandoned at the deadline at no cost; no answer is cached, because the time a
//! look-up takes is part of what is measured.

mod lookup;
mod name_servers;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hickory_resolver::Hosts;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};

use super::Error;
use crate::files::{Stamp, stamps};
use lookup::addresses;
pub(super) use lookup::{LATE_FAMILY, Lookup};
use name_servers::NameServers;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";

/// Finds addresses.
#[derive(Debug)]
pub struct Resolver {
    name_servers: Configured,
    hosts: PathBuf,
    /// The files that it reads.
    files: Vec<PathBuf>,
    /// What they said, if there were name servers to ask.
    known: Mutex<Option<Arc<Known>>>,
}

/// Where it is said which name servers to ask.
#[derive(Debug)]
enum Configured {
    /// In a file like `/etc/resolv.conf`.
    In(PathBuf),
    /// Here.
    As(Vec<SocketAddr>),
}

/// What the files say.
#[derive(Debug)]
struct Known {
    /// The files as they were before they were read.
    files: Vec<Option<Stamp>>,
    hosts: Hosts,
    /// Or why there are none.
    name_servers: Result<NameServers, String>,
}

/// The addresses of a name.
#[derive(Debug)]
pub struct Resolution {
    /// The addresses known now, at least one.
    pub addresses: Vec<IpAddr>,
    /// The other family's look-up, if it is still under way.
    pub pending: Option<Lookup>,
}

impl Resolver {
    /// The system's resolver: `/etc/resolv.conf` and `/etc/hosts`, read when a name is first looked up, which a check of
    /// an address never does, and again when they change. While there are no name servers in them, every look-up of a
    /// name that needs one says why.
    pub fn system() -> Self {
        Self::reading(Configured::In(RESOLV_CONF.into()), HOSTS.into())
    }

    /// A resolver that asks these servers, over UDP and for large answers over TCP. `/etc/hosts` is
    /// still read first.
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        Self::reading(Configured::As(servers.to_vec()), HOSTS.into())
    }

    fn reading(name_servers: Configured, hosts: PathBuf) -> Self {
        let mut files = vec![hosts.clone()];
        if let Configured::In(resolv_conf) = &name_servers {
            files.push(resolv_conf.clone());
        }
        Self {
            name_servers,
            hosts,
            files,
            known: Mutex::new(None),
        }
    }

    /// Finds the addresses of both families. An address stands for itself.
    ///
    /// # Errors
    ///
    /// When the name does not exist or has no address, the name servers fail, or the name is none.
    pub async fn resolve(&self, host: &str) -> Result<Resolution, Error> {
        if let Ok(address) = host.parse() {
            return Ok(Resolution::of(vec![address]));
        }
        // As it stands: what a name in another script is in ASCII has been decided before, and `_` is no letter of the
        // names that IDNA knows.
        let name = Name::from_ascii(host)
            .map_err(|error| Error::InvalidUse(format!("`{host}` is not a name in DNS: {error}").into()))?;
        let known = self.known();
        let listed = known.listed(&name);
        if !listed.is_empty() {
            return Ok(Resolution::of(listed));
        }
        match &known.name_servers {
            Ok(name_servers) => name_servers.find(host, &name).await,
            Err(reason) => Err(Error::NameServerFailure(reason.clone())),
        }
    }

    /// What the files say now. That there are no name servers is not kept: a machine may get them when its network is up.
    fn known(&self) -> Arc<Known> {
        // Held while they are read, so that nobody goes by what they said before.
        let mut kept = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(known) if known.files == stamps(&self.files) => Arc::clone(known),
            _ => {
                let known = Arc::new(self.read());
                *kept = known.name_servers.is_ok().then(|| Arc::clone(&known));
                known
            }
        }
    }

    fn read(&self) -> Known {
        Known {
            // Looked at first: what is changed in between is read once more.
            files: stamps(&self.files),
            hosts: hosts(&self.hosts),
            name_servers: match &self.name_servers {
                Configured::In(path) => NameServers::of_system(path)
                    .map_err(|error| format!("the system's name servers are unknown: {error}")),
                Configured::As(servers) => NameServers::at(servers).map_err(|error| error.to_string()),
            },
        }
    }
}

impl Known {
    /// The addresses of a name in `/etc/hosts`. Of one that is there nothing else is asked: a family that is not there it
    /// does not have.
    fn listed(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|family| self.hosts.lookup_static_host(&Query::query(name.clone(), family)))
            .flat_map(|lookup| addresses(&lookup))
            .collect()
    }
}

/// The names in a file like `/etc/hosts`: none, where there is no such file.
fn hosts(path: &Path) -> Hosts {
    let mut hosts = Hosts::default();
    // What could be read of it counts.
    let _ = File::open(path).and_then(|file| hosts.read_hosts_conf(file));
    hosts
}

impl Resolution {
    /// These addresses, and no look-up under way.
    pub fn of(addresses: Vec<IpAddr>) -> Self {
        Self {
            addresses,
            pending: None,
        }
    }

    /// The same with the other family's addresses, for whoever can use none of those that are known.
    pub async fn completed(mut self) -> Self {
        if let Some(lookup) = self.pending.take() {
            self.addresses.extend(lookup.late().await);
        }
        self
    }
}
