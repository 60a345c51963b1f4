//! Records as text, in the form of zone files (RFC 1035 section 5.1) with tabs between the fields, as most tools of
//! the trade write it: `www.example.org.\t300\tIN\tA\t192.0.2.1`. Pure.

use std::net::IpAddr;

use data_encoding::{BASE64, HEXUPPER};
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::mnemonics;
use crate::name::written as name;

/// A record.
pub(crate) fn record(record: &Record) -> String {
    format!(
        "{}\t{}\t{}\t{}\t{}",
        name(&record.name),
        record.ttl,
        record.dns_class,
        mnemonics::of_record_type(record.record_type()),
        data(&record.data)
    )
}

/// The data of a record.
pub(crate) fn data(data: &RData) -> String {
    match data {
        RData::NS(host) => name(&host.0),
        RData::CNAME(host) => name(&host.0),
        RData::PTR(host) => name(&host.0),
        RData::MX(mx) => format!("{} {}", mx.preference, name(&mx.exchange)),
        RData::SRV(srv) => format!(
            "{} {} {} {}",
            srv.priority,
            srv.weight,
            srv.port,
            name(&srv.target)
        ),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            name(&soa.mname),
            name(&soa.rname),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        RData::TXT(txt) => {
            let texts: Vec<String> = txt.txt_data.iter().map(|text| quoted(text)).collect();
            texts.join(" ")
        }
        RData::CAA(caa) => format!("{} {} {}", caa.flags(), caa.tag, quoted(&caa.value)),
        RData::NAPTR(naptr) => format!(
            "{} {} {} {} {} {}",
            naptr.order,
            naptr.preference,
            quoted(&naptr.flags),
            quoted(&naptr.services),
            quoted(&naptr.regexp),
            name(&naptr.replacement)
        ),
        RData::SVCB(service) => self::service(service),
        RData::HTTPS(service) => self::service(service),
        RData::HINFO(info) => format!("{} {}", quoted(&info.cpu), quoted(&info.os)),
        RData::CERT(certificate) => format!(
            "{} {} {} {}",
            mnemonics::of_certificate(certificate.cert_type.into()),
            certificate.key_tag,
            mnemonics::of_algorithm(certificate.algorithm.into()),
            BASE64.encode(&certificate.cert_data)
        ),
        RData::NULL(null) => unknown(&null.anything),
        RData::Update0(_) => unknown(&[]),
        RData::Unknown { code, rdata } => {
            let bytes = &rdata.anything;
            known(*code, bytes).unwrap_or_else(|| unknown(bytes))
        }
        other => other.to_string(),
    }
}

/// Data of types that the codec leaves as it is: RFC 4034 sections 2.2 and 5.3, RFC 6672 section 2.1, RFC 7344.
fn known(code: RecordType, bytes: &[u8]) -> Option<String> {
    match code {
        RecordType::DS | RecordType::CDS => {
            let (&[high, low, algorithm, digest_type], digest) = bytes.split_first_chunk()?;
            let tag = u16::from_be_bytes([high, low]);
            Some(format!(
                "{tag} {algorithm} {digest_type} {}",
                HEXUPPER.encode(digest)
            ))
        }
        RecordType::DNSKEY | RecordType::CDNSKEY => {
            let (&[high, low, protocol, algorithm], key) = bytes.split_first_chunk()?;
            let flags = u16::from_be_bytes([high, low]);
            Some(format!("{flags} {protocol} {algorithm} {}", BASE64.encode(key)))
        }
        RecordType::DNAME => {
            let mut decoder = BinDecoder::new(bytes);
            let target = Name::read(&mut decoder).ok()?;
            decoder.is_empty().then(|| name(&target))
        }
        _ => None,
    }
}

/// Where a service is (RFC 9460 section 2.1).
fn service(service: &SVCB) -> String {
    let target = format!("{} {}", service.svc_priority, name(&service.target_name));
    let parameters = service
        .svc_params
        .iter()
        .map(|(key, value)| parameter(*key, value));
    std::iter::once(target)
        .chain(parameters)
        .collect::<Vec<_>>()
        .join(" ")
}

fn parameter(key: SvcParamKey, value: &SvcParamValue) -> String {
    let key = key_name(key);
    let list = |addresses: Vec<IpAddr>| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        format!("{key}={}", texts.join(","))
    };
    match value {
        SvcParamValue::NoDefaultAlpn => key,
        SvcParamValue::Mandatory(keys) => {
            let keys: Vec<String> = keys.0.iter().map(|key| key_name(*key)).collect();
            format!("{key}={}", keys.join(","))
        }
        SvcParamValue::Alpn(protocols) => format!("{key}={}", quoted(protocols.0.join(",").as_bytes())),
        SvcParamValue::Port(port) => format!("{key}={port}"),
        SvcParamValue::Ipv4Hint(hint) => list(hint.0.iter().map(|address| address.0.into()).collect()),
        SvcParamValue::Ipv6Hint(hint) => list(hint.0.iter().map(|address| address.0.into()).collect()),
        SvcParamValue::EchConfigList(configuration) => format!("{key}={}", BASE64.encode(&configuration.0)),
        SvcParamValue::Unknown(value) => format!("{key}={}", quoted(&value.0)),
    }
}

/// The name of a parameter, or `key667` (RFC 9460 section 2.1).
fn key_name(key: SvcParamKey) -> String {
    match key {
        SvcParamKey::Unknown(number) => format!("key{number}"),
        known => known.to_string(),
    }
}

/// A character string in quotes; what is not printable ASCII is written `\DDD`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    text.push('"');
    text
}

/// The bytes of a character string, in quotes or not: `\DDD` is the byte of that number, and `\X` is `X` (RFC 1035 section
/// 5.1). None of what is no character string, or more than one.
pub(crate) fn unquoted(text: &str) -> Option<Vec<u8>> {
    let inner = text
        .strip_prefix('"')
        .map_or(Some(text), |rest| rest.strip_suffix('"'))?;
    let (mut string, mut bytes) = (Vec::with_capacity(inner.len()), inner.bytes());
    while let Some(byte) = bytes.next() {
        string.push(match byte {
            b'"' => return None,
            b'\\' => escaped(&mut bytes)?,
            plain => plain,
        });
    }
    Some(string)
}

/// The byte that stands behind a backslash.
fn escaped(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, bytes.next()?, bytes.next()?];
    str::from_utf8(&digits).ok()?.parse().ok()
}

/// Data of a type that is not known here (RFC 3597 section 5).
fn unknown(data: &[u8]) -> String {
    match data.len() {
        0 => "\\# 0".to_owned(),
        length => format!("\\# {length} {}", HEXUPPER.encode(data)),
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::cert::{Algorithm, CertType};
    use hickory_proto::rr::rdata::svcb::{Alpn, EchConfigList, IpHint, Mandatory, Unknown};
    use hickory_proto::rr::rdata::{A, AAAA, CERT, CNAME, HTTPS, MX, NULL, SOA, TXT};

    use super::*;

    fn shown(data: RData) -> String {
        record(&Record::from_rdata(
            Name::from_ascii("www.example.org").unwrap(),
            300,
            data,
        ))
    }

    #[test]
    fn records_are_written_as_in_zone_files() {
        let host = || Name::from_ascii("xn--mnchen-3ya.example.").unwrap();
        for (data, wanted) in [
            (RData::A(A::new(192, 0, 2, 1)), "A\t192.0.2.1"),
            (RData::CNAME(CNAME(host())), "CNAME\txn--mnchen-3ya.example."),
            (RData::MX(MX::new(10, host())), "MX\t10 xn--mnchen-3ya.example."),
            (
                RData::TXT(TXT::from_bytes(vec![b"v=spf1 \"-all\"", b"\xff"])),
                "TXT\t\"v=spf1 \\\"-all\\\"\" \"\\255\"",
            ),
            (
                RData::SOA(SOA::new(host(), host(), 7, 1, 2, 3, 4)),
                "SOA\txn--mnchen-3ya.example. xn--mnchen-3ya.example. 7 1 2 3 4",
            ),
            (
                RData::CERT(CERT::new(CertType::PGP, 1, Algorithm::RSASHA256, vec![1, 2, 3])),
                "CERT\tPGP 1 RSASHA256 AQID",
            ),
            (
                RData::CERT(CERT::new(
                    CertType::from(9),
                    1,
                    Algorithm::from(18),
                    vec![1, 2, 3],
                )),
                "CERT\t9 1 18 AQID",
            ),
            (
                RData::Unknown {
                    code: RecordType::Unknown(29),
                    rdata: NULL::with(vec![0]),
                },
                "LOC\t\\# 1 00",
            ),
            (
                RData::Unknown {
                    code: RecordType::Unknown(65_400),
                    rdata: NULL::with(vec![1, 0xab]),
                },
                "TYPE65400\t\\# 2 01AB",
            ),
        ] {
            assert_eq!(shown(data), format!("www.example.org.\t300\tIN\t{wanted}"));
        }
    }

    #[test]
    fn services_are_written_as_in_zone_files() {
        let hints = |last| vec![A::new(192, 0, 2, last), A::new(192, 0, 2, last + 1)];
        let service = SVCB::new(
            1,
            Name::root(),
            vec![
                (
                    SvcParamKey::Mandatory,
                    SvcParamValue::Mandatory(Mandatory(vec![SvcParamKey::Alpn, SvcParamKey::Port])),
                ),
                (
                    SvcParamKey::Alpn,
                    SvcParamValue::Alpn(Alpn(vec!["h2".into(), "h3".into()])),
                ),
                (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn),
                (SvcParamKey::Port, SvcParamValue::Port(8443)),
                (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(hints(1)))),
                (
                    SvcParamKey::EchConfigList,
                    SvcParamValue::EchConfigList(EchConfigList(vec![0, 1, 2])),
                ),
                (
                    SvcParamKey::Ipv6Hint,
                    SvcParamValue::Ipv6Hint(IpHint(vec![AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)])),
                ),
                (
                    SvcParamKey::Unknown(667),
                    SvcParamValue::Unknown(Unknown(b"hello\xd2".to_vec())),
                ),
            ],
        );
        let wanted = "1 . mandatory=alpn,port alpn=\"h2,h3\" no-default-alpn port=8443 \
                      ipv4hint=192.0.2.1,192.0.2.2 ech=AAEC ipv6hint=2001:db8::1 key667=\"hello\\210\"";
        assert_eq!(data(&RData::SVCB(service.clone())), wanted);
        assert_eq!(data(&RData::HTTPS(HTTPS(service))), wanted);
        let alias = SVCB::new(0, Name::from_ascii("pool.example.").unwrap(), Vec::new());
        assert_eq!(data(&RData::SVCB(alias)), "0 pool.example.");
    }

    #[test]
    fn what_the_codec_does_not_know_is_written_as_in_zone_files_all_the_same() {
        for (code, bytes, wanted) in [
            (
                RecordType::DS,
                b"\x01\x72\x0d\x02\xbe\x74".as_slice(),
                "DS\t370 13 2 BE74",
            ),
            (RecordType::CDS, b"\0\0\0\0\0", "CDS\t0 0 0 00"),
            (
                RecordType::DNSKEY,
                b"\x01\x01\x03\x0d\x99\xdb\x2c\xc1\xca",
                "DNSKEY\t257 3 13 mdsswco=",
            ),
            (RecordType::DNAME, b"\x03new\x07example\0", "DNAME\tnew.example."),
            // Cut off, or with something behind it, it is what it is.
            (RecordType::DS, b"\x01\x72\x0d", "DS\t\\# 3 01720D"),
            (RecordType::DNAME, b"\0\x01", "DNAME\t\\# 2 0001"),
            (RecordType::RRSIG, b"\x01", "RRSIG\t\\# 1 01"),
        ] {
            let rdata = NULL::with(bytes.to_vec());
            let shown = shown(RData::Unknown { code, rdata });
            assert_eq!(shown, format!("www.example.org.\t300\tIN\t{wanted}"));
        }
    }
}
