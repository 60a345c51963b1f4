//! Dialling several addresses so that a dead one costs little: connection attempts are raced as in
//! RFC 8305 ("happy eyeballs").

use std::collections::VecDeque;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::resolve::Lookup;
use super::{Error, Resolution};

/// How long an attempt has before the next one starts beside it: RFC 8305 section 5 recommends
/// 250 ms.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connects to the first address that answers, families taken in turns, IPv6 first.
///
/// `allowed` judges the addresses of the look-up that was still under way.
///
/// # Errors
///
/// When no address could be connected to: the error of the first one that failed.
pub(super) async fn dial(
    resolution: Resolution,
    port: u16,
    allowed: impl Fn(IpAddr) -> bool,
) -> Result<TcpStream, Error> {
    let mut waiting: VecDeque<IpAddr> = interleaved(resolution.addresses).into();
    let mut late = resolution.pending;
    // Not tasks of their own: those would be woken on other threads.
    let mut attempts = FuturesUnordered::new();
    let mut next_attempt = Instant::now();
    let mut first_error = None;
    loop {
        let may_start = !waiting.is_empty() && (attempts.is_empty() || next_attempt <= Instant::now());
        if may_start && let Some(address) = waiting.pop_front() {
            attempts.push(connect(SocketAddr::new(address, port)));
            next_attempt = Instant::now() + ATTEMPT_DELAY;
        }
        if attempts.is_empty() && late.is_none() {
            return Err(first_error.unwrap_or(Error::Closed));
        }
        tokio::select! {
            Some(done) = attempts.next() => match done {
                Ok(stream) => return Ok(stream),
                Err(error) => drop(first_error.get_or_insert(error)),
            },
            addresses = late_addresses(&mut late) => {
                waiting.extend(addresses.into_iter().filter(|&address| allowed(address)));
            }
            () = sleep_until(next_attempt), if !waiting.is_empty() => {}
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Error> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| Error::of_dialling(&error, address))?;
    // Requests are written whole; waiting to fill a segment would only add latency to what is timed.
    stream.set_nodelay(true).map_err(|error| Error::from(&error))?;
    Ok(stream)
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

/// Families in turns, IPv6 first, each in the order of the answer (RFC 8305 section 4).
pub(super) fn interleaved(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let longest = v6.len().max(v4.len());
    (0..longest)
        .flat_map(|at| [v6.get(at).copied(), v4.get(at).copied()])
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
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

    #[tokio::test]
    async fn an_address_that_refuses_does_not_hide_one_that_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let resolution = Resolution {
            addresses: addresses(&["127.0.0.2", "127.0.0.1"]),
            pending: None,
        };
        let stream = dial(resolution, port, |_| true).await.expect("127.0.0.1 answers");
        assert_eq!(
            stream.peer_addr().expect("connected").ip(),
            addresses(&["127.0.0.1"])[0]
        );
    }

    #[tokio::test]
    async fn the_first_error_is_told_when_nobody_answers() {
        let resolution = Resolution {
            addresses: addresses(&["127.0.0.1"]),
            pending: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let error = dial(resolution, port, |_| true)
            .await
            .expect_err("nobody listens");
        assert_eq!(error, Error::Refused(format!("127.0.0.1:{port}")));
    }
}
