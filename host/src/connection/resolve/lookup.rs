//! Asking for both families of one name's addresses at once.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::lookup::Lookup as Answer;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Resolution;
use crate::connection::Error;

/// How long the second address family is waited for once the first has answered: RFC 8305 section 3
/// recommends 50 ms.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);
/// How long the other family is waited for once nothing else is left: name servers that answer seldom take longer, and
/// with some that do not, what is known already would be lost to the deadline.
pub(in crate::connection) const LATE_FAMILY: Duration = Duration::from_secs(1);

/// A look-up of one address family that goes on by itself; dropping it abandons it.
#[derive(Debug)]
pub struct Lookup(JoinHandle<Result<Vec<IpAddr>, NetError>>);

/// Looks both families of a name up at once.
///
/// # Errors
///
/// When neither has an address.
pub(super) async fn look_up(resolver: &TokioResolver, name: &Name) -> Result<Resolution, Error> {
    let host = name.to_ascii();
    let host = host.trim_end_matches('.');
    let mut v6 = Lookup::start(resolver, name, RecordType::AAAA);
    let mut v4 = Lookup::start(resolver, name, RecordType::A);
    tokio::select! {
        first = v6.answer() => combine(host, first, v4).await,
        first = v4.answer() => combine(host, first, v6).await,
    }
}

/// The addresses among the records of an answer.
pub(super) fn addresses(answer: &Answer) -> Vec<IpAddr> {
    let records = answer.answers().iter();
    records
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .collect()
}

impl Lookup {
    fn start(resolver: &TokioResolver, name: &Name, record_type: RecordType) -> Self {
        let (resolver, name) = (resolver.clone(), name.clone());
        Self(tokio::spawn(async move {
            Ok(addresses(&resolver.lookup(name, record_type).await?))
        }))
    }

    /// Waits for the answer. Cancel safe.
    pub(in crate::connection) async fn answer(&mut self) -> Result<Vec<IpAddr>, NetError> {
        match (&mut self.0).await {
            Ok(answer) => answer,
            Err(stopped) => Err(NetError::Msg(stopped.to_string())),
        }
    }

    /// What comes of it in the time in which answers come: none, if none does.
    pub(in crate::connection) async fn late(mut self) -> Vec<IpAddr> {
        let answer = timeout(LATE_FAMILY, self.answer()).await;
        answer.ok().and_then(Result::ok).unwrap_or_default()
    }
}

#[cfg(test)]
impl Lookup {
    /// One that is never answered.
    pub(in crate::connection) fn unanswered() -> Self {
        Self(tokio::spawn(std::future::pending()))
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Puts the first family's answer together with what comes of the second: within the delay where the first has
/// addresses, else whenever it comes, since either family's addresses will do.
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
                    Ok(Resolution::of(addresses))
                }
                Err(_) => Ok(Resolution {
                    addresses,
                    pending: Some(second),
                }),
            }
        }
        without => match second.answer().await {
            Ok(addresses) if !addresses.is_empty() => Ok(Resolution::of(addresses)),
            other => Err(without_address(host, [without.err(), other.err()])),
        },
    }
}

/// Neither family had an address: why, whichever answered first. A name server that failed may have hidden one; that the
/// name does not exist says more than that it has no address of a family.
fn without_address(host: &str, errors: [Option<NetError>; 2]) -> Error {
    let errors = || errors.iter().flatten();
    if let Some(failure) = errors().find(|error| !error.is_no_records_found()) {
        return Error::NameServerFailure(format!("the name servers did not answer for `{host}`: {failure}"));
    }
    if errors().any(NetError::is_nx_domain) {
        return Error::NameNotFound(host.to_owned());
    }
    Error::NoAddress(host.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use hickory_resolver::net::{DnsError, NoRecords};
    use hickory_resolver::proto::op::{Query, ResponseCode};

    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    type Answer = Result<Vec<IpAddr>, NetError>;

    /// What the families answer, and what comes of it.
    type Row = (fn() -> Answer, fn() -> Answer, Error);

    fn without_records(code: ResponseCode) -> Answer {
        Err(DnsError::NoRecordsFound(NoRecords::new(Query::default(), code)).into())
    }

    fn no_data() -> Answer {
        without_records(ResponseCode::NoError)
    }

    fn not_found() -> Answer {
        without_records(ResponseCode::NXDomain)
    }

    fn failure() -> Answer {
        Err(DnsError::ResponseCode(ResponseCode::ServFail).into())
    }

    async fn resolved(first: Answer, second: Answer) -> Result<Vec<IpAddr>, Error> {
        let second = Lookup(tokio::spawn(async { second }));
        combine("a", first, second)
            .await
            .map(|resolution| resolution.addresses)
    }

    #[tokio::test]
    async fn addresses_of_one_family_do_whatever_the_other_says_and_whichever_answers_first() {
        for other in [|| Ok(Vec::new()), no_data, not_found, failure] {
            for address in [V4, V6] {
                assert_eq!(resolved(Ok(vec![address]), other()).await, Ok(vec![address]));
                assert_eq!(resolved(other(), Ok(vec![address])).await, Ok(vec![address]));
            }
        }
        assert_eq!(resolved(Ok(vec![V4]), Ok(vec![V6])).await, Ok(vec![V4, V6]));
    }

    #[tokio::test]
    async fn without_addresses_the_reason_does_not_depend_on_which_family_answers_first() {
        let name = || "a".to_owned();
        let failed = "the name servers did not answer for `a`: DNS error: error response: Server Failure";
        let failed = || Error::NameServerFailure(failed.to_owned());
        let rows: [Row; 7] = [
            (no_data, no_data, Error::NoAddress(name())),
            (no_data, || Ok(Vec::new()), Error::NoAddress(name())),
            (no_data, not_found, Error::NameNotFound(name())),
            (not_found, not_found, Error::NameNotFound(name())),
            (failure, no_data, failed()),
            (failure, not_found, failed()),
            (failure, || Ok(Vec::new()), failed()),
        ];
        for (one, other, wanted) in rows {
            assert_eq!(resolved(one(), other()).await, Err(wanted.clone()));
            assert_eq!(resolved(other(), one()).await, Err(wanted));
        }
    }
}
