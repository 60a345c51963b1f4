//! Facts about connections, as the guest and the report get them. Pure.
//!
//! Those of calls that dial are functions of their own for the compiler too: their room is not to be in the frames of these
//! calls, on the stack of a guest.

use std::net::{IpAddr, SocketAddr};

use crate::bindings::bedcheck::plugin::net::{Certificate, TlsInfo};
use crate::connection::{self, Resolution};
use crate::outcome::{AttributeValue, Attributes};

/// How many addresses of a name are listed in the report.
const MAX_LISTED_ADDRESSES: usize = 16;
/// How many names of a certificate are listed in the report: most have some, those of large hosters a hundred.
const MAX_LISTED_NAMES: usize = 32;
/// How many facts there are about a session and its certificate at most.
const TLS_FACTS: usize = 11;

impl From<connection::TlsInfo> for TlsInfo {
    fn from(info: connection::TlsInfo) -> Self {
        let connection::Certificate {
            subject,
            issuer,
            names,
            not_before,
            not_after,
            sha256,
            serial_number: _,
        } = info.certificate;
        Self {
            version: info.version.into_owned(),
            cipher: info.cipher,
            alpn: info.alpn,
            certificate: Certificate {
                subject,
                issuer,
                names,
                not_before,
                not_after,
                sha256,
            },
        }
    }
}

#[inline(never)]
pub(super) fn resolve_attributes(host: &str, resolution: Option<&Resolution>) -> Attributes {
    let question = ("dns.question.name", AttributeValue::Text(host.into()));
    let Some(resolution) = resolution else {
        return Attributes::from([question]);
    };
    let listed = resolution
        .addresses
        .iter()
        .take(MAX_LISTED_ADDRESSES)
        .map(IpAddr::to_string);
    Attributes::from([("dns.answers", AttributeValue::List(listed.collect())), question])
}

/// Facts about what was dialled over that transport, `tcp` or `udp`.
#[inline(never)]
pub(super) fn connect_attributes(
    transport: &str,
    host: &str,
    port: u16,
    peer: Option<SocketAddr>,
) -> Attributes {
    let mut attributes = Attributes::from([
        ("network.transport", AttributeValue::Text(transport.into())),
        ("server.address", AttributeValue::Text(host.into())),
        ("server.port", AttributeValue::Integer(port.into())),
    ]);
    if let Some(peer) = peer {
        let family = if peer.is_ipv6() { "ipv6" } else { "ipv4" };
        attributes.insert("network.type", AttributeValue::Text(family.into()));
        attributes.insert(
            "network.peer.address",
            AttributeValue::Text(peer.ip().to_string()),
        );
        attributes.insert("network.peer.port", AttributeValue::Integer(peer.port().into()));
    }
    attributes
}

/// Facts about the session, and about the certificate, which is there when it was refused as well.
pub(super) fn tls_attributes(
    info: Option<&connection::TlsInfo>,
    certificate: Option<&connection::Certificate>,
) -> Attributes {
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let mut attributes = Attributes::with_capacity(TLS_FACTS);
    if let Some(info) = info {
        attributes.insert("tls.protocol.version", text(&info.version));
        attributes.insert("tls.cipher", text(&info.cipher));
        if let Some(alpn) = &info.alpn {
            attributes.insert("tls.next_protocol", text(alpn));
        }
        if let Some(chain) = info.chain {
            let earliest = rfc3339(chain.earliest_not_after).map(AttributeValue::Text);
            attributes.extend(earliest.map(|moment| ("tls.server.chain.earliest_not_after", moment)));
            let expiry = rfc3339(chain.not_after).filter(|_| info.is_verified);
            attributes
                .extend(expiry.map(|moment| ("tls.server.chain.not_after", AttributeValue::Text(moment))));
        }
    }
    if let Some(certificate) = certificate {
        attributes.insert("tls.server.subject", text(&certificate.subject));
        attributes.insert("tls.server.issuer", text(&certificate.issuer));
        attributes.insert("tls.server.hash.sha256", text(&certificate.sha256));
        let names = certificate.names.iter().take(MAX_LISTED_NAMES).cloned();
        attributes.insert("tls.server.names", AttributeValue::List(names.collect()));
        attributes.insert("tls.server.serial_number", text(&certificate.serial_number));
        if let Some(not_after) = rfc3339(certificate.not_after) {
            attributes.insert("tls.server.not_after", AttributeValue::Text(not_after));
        }
    }
    attributes
}

/// Seconds since 1970 as RFC 3339, for moments it can write.
fn rfc3339(seconds: i64) -> Option<String> {
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    moment.format(&time::format_description::well_known::Rfc3339).ok()
}
