//! Records as text, in the form of zone files (RFC 1035 section 5.1) with tabs between the fields, as most tools of
//! the trade write it: `www.example.org.\t300\tIN\tA\t192.0.2.1`. Pure.

use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// A record.
pub(crate) fn record(record: &Record) -> String {
    format!(
        "{}\t{}\t{}\t{}\t{}",
        name(&record.name),
        record.ttl,
        record.dns_class,
        kind(record.record_type()),
        data(&record.data)
    )
}

/// The name of a type; of one that is not known here `TYPE65400` (RFC 3597 section 5).
fn kind(record_type: RecordType) -> String {
    match record_type {
        RecordType::Unknown(code) => format!("TYPE{code}"),
        known => known.to_string(),
    }
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
        RData::HINFO(info) => format!("{} {}", quoted(&info.cpu), quoted(&info.os)),
        RData::NULL(null) | RData::Unknown { rdata: null, .. } => unknown(null),
        other => other.to_string(),
    }
}

/// A name as it stands in the message, with the dot at its end: names in other scripts in their ASCII form
/// (RFC 5890 section 2.3.2.1).
fn name(name: &Name) -> String {
    let mut text = name.to_ascii();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// A character string in quotes; what is not printable ASCII is written `\DDD`.
fn quoted(bytes: &[u8]) -> String {
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

/// Data of a type that is not known here (RFC 3597 section 5).
fn unknown(data: &NULL) -> String {
    let hexadecimal: String = data.anything.iter().map(|byte| format!("{byte:02X}")).collect();
    match data.anything.len() {
        0 => "\\# 0".to_owned(),
        length => format!("\\# {length} {hexadecimal}"),
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME, MX, SOA, TXT};

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
}
