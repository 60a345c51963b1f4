//! Dialling several addresses so that a dead one costs little: connection attempts are raced as in
//! RFC 8305 ("happy eyeballs").

use std::collections::VecDeque;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::resolve::{LATE_FAMILY, Lookup};
use super::{Error, Resolution};

/// How long an attempt has before the next one starts beside it: RFC 8305 section 5 recommends
/// 250 ms.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How many addresses of each family are dialled: whoever runs a name's DNS decides how many there are, and each that does
/// not answer costs a socket until the end. Few names have more.
const MAX_OF_FAMILY: usize = 8;

/// Connects to the first address that answers, families taken in turns, IPv6 first. Boxed: dialling is the deepest that
/// the stack of a guest is needed for, and whoever is given a future by value has room for it twice.
///
/// `allowed` judges the addresses of the look-up that was still under way.
///
/// # Errors
///
/// When no address could be connected to: the error that tells most of the target.
pub(super) fn dial<'d>(
    resolution: Resolution,
    port: u16,
    allowed: impl Fn(IpAddr) -> bool + Send + 'd,
) -> BoxFuture<'d, Result<TcpStream, Error>> {
    match (resolution.addresses.as_slice(), &resolution.pending) {
        // Nobody to race against.
        (&[address], None) => attempt(SocketAddr::new(address, port)),
        _ => Box::pin(race(resolution, port, allowed)),
    }
}

async fn race(
    resolution: Resolution,
    port: u16,
    allowed: impl Fn(IpAddr) -> bool,
) -> Result<TcpStream, Error> {
    let mut waiting: VecDeque<IpAddr> = interleaved(resolution.addresses).into();
    let mut late = resolution.pending;
    // Not tasks of their own: those would be woken on other threads.
    let mut attempts = FuturesUnordered::new();
    let mut next_attempt = Instant::now();
    let mut failure = None;
    loop {
        let may_start = !waiting.is_empty() && (attempts.is_empty() || next_attempt <= Instant::now());
        if may_start && let Some(address) = waiting.pop_front() {
            attempts.push(attempt(SocketAddr::new(address, port)));
            next_attempt = Instant::now() + ATTEMPT_DELAY;
        }
        if attempts.is_empty() && late.is_none() {
            return Err(failure.unwrap_or(Error::Closed));
        }
        let alarm = match (attempts.is_empty(), waiting.is_empty()) {
            (true, _) => Some(Instant::now() + LATE_FAMILY),
            (false, false) => Some(next_attempt),
            (false, true) => None,
        };
        tokio::select! {
            Some(done) = attempts.next() => match done {
                Ok(stream) => return Ok(stream),
                Err(error) => error.keep_if_telling(&mut failure),
            },
            addresses = late_addresses(&mut late) => {
                waiting.extend(addresses.into_iter().filter(|&address| allowed(address)));
                waiting = interleaved(waiting.into()).into();
            }
            () = ring(alarm) => if attempts.is_empty() {
                late = None;
            },
        }
    }
}

/// Begins to connect. Boxed by a function of its own, as dialling is.
#[inline(never)]
fn attempt(address: SocketAddr) -> BoxFuture<'static, Result<TcpStream, Error>> {
    Box::pin(connect(address))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| Error::of_dialling(&error, address))?;
    // Requests are written whole; waiting to fill a segment would only add latency to what is timed.
    stream.set_nodelay(true).map_err(|error| Error::from(&error))?;
    Ok(stream)
}

/// Waits for that moment, if there is one.
async fn ring(alarm: Option<Instant>) {
    match alarm {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

/// The other family's addresses, once they are there.
async fn late_addresses(late: &mut Option<Lookup>) -> Vec<IpAddr> {
    match late {
        Some(lookup) => {
            let addresses = lookup.answer().await.unwrap_or_default();
            *late = None;
            addresses
        }
        None => pending().await,
    }
}

/// The first of each family in turns, IPv6 first, in the order of the answer (RFC 8305 section 4).
pub(super) fn interleaved(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let longest = v6.len().max(v4.len()).min(MAX_OF_FAMILY);
    (0..longest)
        .flat_map(|at| [v6.get(at).copied(), v4.get(at).copied()])
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use tokio::net::TcpListener;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect()
    }

    #[test]
    fn families_take_turns_and_ipv6_is_first() {
        let mixed = addresses(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        assert_eq!(
            interleaved(mixed),
            addresses(&["2001:db8::1", "192.0.2.1", "192.0.2.2"])
        );
    }

    #[test]
    fn of_each_family_so_many_take_part_and_no_more() {
        let all: Vec<IpAddr> = (1..=60)
            .flat_map(|number| [format!("192.0.2.{number}"), format!("2001:db8::{number}")])
            .map(|text| text.parse().expect("an address"))
            .collect();
        let v4: Vec<IpAddr> = all.iter().copied().filter(IpAddr::is_ipv4).collect();
        assert_eq!(interleaved(v4.clone()), v4[..MAX_OF_FAMILY]);
        assert_eq!(interleaved(all).len(), 2 * MAX_OF_FAMILY);
    }

    #[tokio::test]
    async fn of_many_addresses_the_first_are_dialled() {
        let many: Vec<IpAddr> = (1..=60)
            .map(|number| Ipv4Addr::new(127, 0, 7, number).into())
            .collect();
        let dialled = async |nth: usize| {
            let listener = TcpListener::bind((many[nth - 1], 0)).await.expect("loopback");
            let port = listener.local_addr().expect("bound").port();
            dial(Resolution::of(many.clone()), port, |_| true).await
        };
        assert!(dialled(MAX_OF_FAMILY).await.is_ok());
        assert!(matches!(dialled(MAX_OF_FAMILY + 1).await, Err(Error::Refused(_))));
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_one_that_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let resolution = Resolution::of(addresses(&["127.0.0.2", "127.0.0.1"]));
        let stream = dial(resolution, port, |_| true).await.expect("127.0.0.1 answers");
        assert_eq!(
            stream.peer_addr().expect("connected").ip(),
            addresses(&["127.0.0.1"])[0]
        );
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_not_that_this_machine_cannot_dial_the_other_family() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        // No machine dials an address of a link without saying which link, and IPv6 goes first.
        for texts in [&["127.0.0.1"][..], &["fe80::1", "127.0.0.1"]] {
            let error = dial(Resolution::of(addresses(texts)), port, |_| true)
                .await
                .expect_err("nobody listens");
            assert_eq!(error, Error::Refused(format!("127.0.0.1:{port}")));
        }
    }
}
