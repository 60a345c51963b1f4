//! Facts about connections, as the guest and the report get them. Pure.

use std::net::IpAddr;

use crate::bindings::bedcheck::plugin::net::{Certificate, TlsInfo};
use crate::connection::{self, Connection, Resolution};
use crate::outcome::{AttributeValue, Attributes};

/// How many addresses of a name are listed in the report.
const MAX_LISTED_ADDRESSES: usize = 16;

impl From<connection::TlsInfo> for TlsInfo {
    fn from(info: connection::TlsInfo) -> Self {
        let connection::Certificate {
            subject,
            issuer,
            names,
            not_before,
            not_after,
            sha256,
        } = info.certificate;
        Self {
            version: info.version.to_owned(),
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

pub(super) fn resolve_attributes(host: &str, resolution: Option<&Resolution>) -> Attributes {
    let mut attributes = Attributes::from([("dns.question.name", AttributeValue::Text(host.into()))]);
    if let Some(resolution) = resolution {
        let listed = resolution
            .addresses
            .iter()
            .take(MAX_LISTED_ADDRESSES)
            .map(IpAddr::to_string);
        attributes.insert("dns.answers", AttributeValue::List(listed.collect()));
    }
    attributes
}

pub(super) fn connect_attributes(host: &str, port: u16, connection: Option<&Connection>) -> Attributes {
    let mut attributes = Attributes::from([
        ("network.transport", AttributeValue::Text("tcp".into())),
        ("server.address", AttributeValue::Text(host.into())),
        ("server.port", AttributeValue::Integer(port.into())),
    ]);
    if let Some(peer) = connection.map(Connection::peer) {
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

pub(super) fn tls_attributes(info: &connection::TlsInfo) -> Attributes {
    let certificate = &info.certificate;
    let text = |text: &str| AttributeValue::Text(text.to_owned());
    let mut attributes = Attributes::from([
        ("tls.protocol.version", text(info.version)),
        ("tls.cipher", text(&info.cipher)),
        ("tls.server.subject", text(&certificate.subject)),
        ("tls.server.issuer", text(&certificate.issuer)),
        ("tls.server.hash.sha256", text(&certificate.sha256)),
    ]);
    if let Some(alpn) = &info.alpn {
        attributes.insert("tls.next_protocol", text(alpn));
    }
    let rfc3339 = &time::format_description::well_known::Rfc3339;
    let moment = time::OffsetDateTime::from_unix_timestamp(certificate.not_after).ok();
    if let Some(not_after) = moment.and_then(|moment| moment.format(rfc3339).ok()) {
        attributes.insert("tls.server.not_after", AttributeValue::Text(not_after));
    }
    attributes
}
