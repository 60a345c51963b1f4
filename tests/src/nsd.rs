//! A real name server: NSD, run in the foreground with a zone of its own, over UDP, TCP and TLS. It shares nothing with
//! an NSD that the machine may run as a service.
//!
//! The zone is `example.test`, with the serial number [`SERIAL`]:
//!
//! | name | has |
//! | --- | --- |
//! | `www` | the addresses 192.0.2.1 and 192.0.2.2, for 300 s, and 2001:db8::1 |
//! | `alias` | `CNAME www` |
//! | `example.test` itself | `MX 10 mail`, the text `v=spf1 -all`, `NS ns` |
//! | `large` | 40 texts, more than a datagram of 512 bytes holds |

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::certificates::Certificates;
use crate::process::{ServerProcess, copy_into, executable, write};

/// The serial number of the zone.
pub const SERIAL: u32 = 2_026_010_203;

/// How many texts the name `large` has.
pub const LARGE: u32 = 40;

/// A running NSD; it stops when this is dropped.
#[derive(Debug)]
pub struct Nsd {
    process: ServerProcess,
    ports: [u16; 2],
}

impl Nsd {
    /// Starts a server with its zone.
    ///
    /// # Panics
    ///
    /// When NSD is not installed or does not start, with what it logged.
    #[must_use]
    pub fn start(certificates: &Certificates) -> Self {
        let nsd = executable("nsd");
        let (process, ports) = ServerProcess::start(
            |directory, _, ports| {
                let file = directory.join("nsd.conf");
                write(&file, configuration(directory, certificates, ports));
                write(&directory.join("example.test.zone"), zone());
                let mut command = Command::new(&nsd);
                command.arg("-d").arg("-c").arg(file);
                command
            },
            |ports| {
                ports
                    .iter()
                    .all(|&port| TcpStream::connect(("127.0.0.1", port)).is_ok())
            },
        );
        Self { process, ports }
    }

    /// The port on 127.0.0.1 for UDP and TCP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports[0]
    }

    /// The port on 127.0.0.1 for TLS, with a certificate that is in order.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.ports[1]
    }

    /// What the server has logged, for the message of a failed assertion.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn configuration(directory: &Path, certificates: &Certificates, ports: [u16; 2]) -> String {
    let [port, tls] = ports;
    let identity = certificates.valid();
    let certificate = copy_into(directory, &identity.certificate_file);
    let key = copy_into(directory, &identity.key_file);
    let (certificate, key, directory) = (certificate.display(), key.display(), directory.display());
    // Without a user it stays who it was started as; without a rate limit it answers as often as it is asked.
    format!(
        r#"server:
  ip-address: 127.0.0.1@{port}
  ip-address: 127.0.0.1@{tls}
  tls-port: {tls}
  tls-service-key: "{key}"
  tls-service-pem: "{certificate}"
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: "{directory}/nsd.pid"
  xfrdfile: "{directory}/xfrd.state"
  xfrdir: "{directory}"
  zonelistfile: "{directory}/zone.list"
  rrl-ratelimit: 0
  verbosity: 1
remote-control:
  control-enable: no
zone:
  name: example.test
  zonefile: example.test.zone
"#
    )
}

fn zone() -> String {
    let large: String = (0..LARGE)
        .map(|number| format!("large IN TXT \"text number {number}, of some length\"\n"))
        .collect();
    format!(
        "$ORIGIN example.test.
$TTL 300
@ IN SOA ns hostmaster {SERIAL} 3600 900 1209600 60
@ IN NS ns
@ IN MX 10 mail
@ IN TXT \"v=spf1 -all\"
ns IN A 127.0.0.1
www IN A 192.0.2.1
www IN A 192.0.2.2
www IN AAAA 2001:db8::1
mail IN A 192.0.2.25
alias IN CNAME www
{large}"
    )
}
