//! What a check of a server costs against the same exchange by a native client in the same process, 16 at a time:
//! `http_exchange` and `imap_exchange`, each plain and over TLS with whole handshakes.

use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::check::{self, Check, Written, at_a_time};
use crate::native::Peer;
use crate::row::{CPU, Goal, Line, RATE, Rounds, Row, Stand, Unmeasured};
use crate::target::{Addresses, PASSWORD, USER};

/// How many exchanges are under way at a time.
const AT_A_TIME: usize = 16;
/// The threads of the runtime: those of the machine which the goals are for.
const THREADS: usize = 2;
/// The least share of the native rate, and what it is where handshakes are most of the work.
const PLAIN_GOAL: Goal = Goal::AtLeast(0.7);
const TLS_GOAL: Goal = Goal::AtLeast(0.9);

/// The row of HTTP.
pub(super) fn http() -> Row {
    Row {
        name: "http_exchange",
        about: "the check `http` against a native client, 16 at a time",
        rounds: Rounds::AsAsked,
        set_up: set_up_http,
    }
}

/// The row of IMAP.
pub(super) fn imap() -> Row {
    Row {
        name: "imap_exchange",
        about: "the check `imap` (login, one mailbox) against a native client, 16 at a time",
        rounds: Rounds::AsAsked,
        set_up: set_up_imap,
    }
}

fn set_up_http(bench: &Bench) -> Result<Stand, Unmeasured> {
    let (target, runtime) = (bench.target()?, Rc::new(check::runtime(THREADS)?));
    let addresses = target.addresses();
    let check = |url: String, authority| -> Result<Check, String> {
        let written = Written {
            plugin: "http",
            set: &[format!("url={url}")],
            authority,
            ..Written::default()
        };
        Check::prepare(&written, &runtime)
    };
    let plain = Pair {
        name: "plain",
        check: check(format!("http://{}/", addresses.http), None)?,
        native: Peer::plain(addresses.http),
        goal: PLAIN_GOAL,
    };
    let tls = Pair {
        name: "TLS",
        check: check(
            format!("https://{}/", addresses.https),
            Some(&addresses.authority),
        )?,
        native: Peer::tls(addresses.https, &addresses.authority, &["http/1.1"])?,
        goal: TLS_GOAL,
    };
    let fetch = |peer: Peer| async move { peer.fetch().await };
    let stand = plain.onto(Stand::new(), &runtime, fetch);
    Ok(tls.onto(stand, &runtime, fetch))
}

fn set_up_imap(bench: &Bench) -> Result<Stand, Unmeasured> {
    let (target, runtime) = (bench.target()?, Rc::new(check::runtime(THREADS)?));
    let addresses = target.addresses();
    let secret = bench.folder().join("password");
    std::fs::write(&secret, PASSWORD)
        .map_err(|error| format!("`{}` cannot be written: {error}", secret.display()))?;
    let secret = [format!("password=file:{}", secret.display())];
    let check = |tls: &str, addresses: &Addresses| -> Result<Check, String> {
        let (address, authority) = match tls {
            "none" => (addresses.imap, None),
            _ => (addresses.imaps, Some(addresses.authority.as_path())),
        };
        let written = Written {
            plugin: "imap",
            set: &[
                format!("host={}", address.ip()),
                format!("port={}", address.port()),
                format!("tls={tls}"),
                format!("user={USER}"),
            ],
            secret: &secret,
            authority,
            ..Written::default()
        };
        Check::prepare(&written, &runtime)
    };
    let plain = Pair {
        name: "plain",
        check: check("none", addresses)?,
        native: Peer::plain(addresses.imap),
        goal: PLAIN_GOAL,
    };
    let tls = Pair {
        name: "TLS",
        check: check("implicit", addresses)?,
        native: Peer::tls(addresses.imaps, &addresses.authority, &[])?,
        goal: TLS_GOAL,
    };
    let look = |peer: Peer| async move { peer.look_for_mail().await };
    let stand = plain.onto(Stand::new(), &runtime, look);
    Ok(tls.onto(stand, &runtime, look))
}

/// A check and a native client for the same server.
struct Pair {
    name: &'static str,
    check: Check,
    native: Peer,
    goal: Goal,
}

impl Pair {
    /// Two sides and two lines.
    fn onto<F>(
        self,
        stand: Stand,
        runtime: &Rc<Runtime>,
        exchange: impl Fn(Peer) -> F + Copy + Send + 'static,
    ) -> Stand
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let name = self.name;
        let (ours, native) = (format!("check, {name}"), format!("native, {name}"));
        let (check, peer) = (Arc::new(self.check), self.native);
        let runtimes = (Rc::clone(runtime), Rc::clone(runtime));
        stand
            .side(&ours, move |turn| {
                let check = Arc::clone(&check);
                at_a_time(AT_A_TIME, turn, &runtimes.0, move || {
                    let check = Arc::clone(&check);
                    async move { check.run().await }
                })
            })
            .side(&native, move |turn| {
                let peer = peer.clone();
                at_a_time(AT_A_TIME, turn, &runtimes.1, move || exchange(peer.clone()))
            })
            .line(Line::ratio(format!("{name}, rate"), RATE, &ours, &native).goal(self.goal))
            .line(Line::ratio(format!("{name}, CPU"), CPU, ours, native))
    }
}
