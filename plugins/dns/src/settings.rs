//! The settings of a check: as written, and in their finished form. The schema that the host holds them against is
//! `settings.schema.json`.

use hickory_proto::rr::{DNSClass, RecordType};
use serde::Deserialize;

use crate::expect::{self, Expectations};
use crate::mnemonics;
use crate::name;
use crate::query::Question;

/// The JSON Schema of the settings.
pub(crate) const SCHEMA: &str = include_str!("settings.schema.json");

/// The port of DNS over UDP and TCP (RFC 1035 section 4.2).
pub(crate) const PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858 section 3.1).
pub(crate) const TLS_PORT: u16 = 853;

/// How the name server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// In datagrams; over TCP for an answer that does not fit into one.
    #[default]
    Udp,
    /// Over TCP.
    Tcp,
    /// Over TCP with TLS from the first byte.
    Tls,
}

/// The finished settings.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Settings {
    /// The name server's name or address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// How it is reached.
    pub(crate) transport: Transport,
    /// What is asked.
    pub(crate) question: Question,
    /// What is expected of the answer.
    pub(crate) expect: Expectations,
}

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    transport: Transport,
    query: WrittenQuery,
    #[serde(default)]
    expect: expect::Written,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenQuery {
    name: String,
    #[serde(rename = "type", default = "address")]
    record_type: String,
    #[serde(default = "internet")]
    class: String,
    #[serde(default = "yes")]
    recursion: bool,
}

fn address() -> String {
    "A".into()
}

fn internet() -> String {
    "IN".into()
}

fn yes() -> bool {
    true
}

impl TryFrom<Written> for Settings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let default_port = match written.transport {
            Transport::Udp | Transport::Tcp => PORT,
            Transport::Tls => TLS_PORT,
        };
        let query = written.query;
        let record_type = record_type(&query.record_type)?;
        Ok(Self {
            host: written.host,
            port: written.port.unwrap_or(default_port),
            transport: written.transport,
            question: Question {
                // Always from the root: there is no search list here.
                name: name::parse(&query.name).map_err(|error| {
                    format!(
                        "query.name: found `{}`, wanted a name in ASCII: {error}",
                        query.name
                    )
                })?,
                record_type,
                class: class(&query.class)?,
                recursion_desired: query.recursion,
            },
            expect: written.expect.finish(record_type)?,
        })
    }
}

/// A type that can be asked for.
fn record_type(text: &str) -> Result<RecordType, String> {
    let found = mnemonics::record_type(&text.to_ascii_uppercase())
        // There is no question for these: they are part of messages, or of how zones are sent. `SIG` is what `RRSIG` was
        // once, and today signs messages only (RFC 3755 section 3).
        .filter(|found| {
            use RecordType::{AXFR, IXFR, OPT, SIG, TSIG, ZERO};
            !matches!(found, OPT | ZERO | AXFR | IXFR | TSIG | SIG)
        });
    found.ok_or_else(|| {
        format!("query.type: found `{text}`, wanted a type of records, such as `A`, `MX` or `TYPE257`")
    })
}

fn class(text: &str) -> Result<DNSClass, String> {
    match text.to_ascii_uppercase().as_str() {
        "IN" => Ok(DNSClass::IN),
        "CH" => Ok(DNSClass::CH),
        "HS" => Ok(DNSClass::HS),
        "ANY" => Ok(DNSClass::ANY),
        _ => Err(format!(
            "query.class: found `{text}`, wanted `IN`, `CH`, `HS` or `ANY`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Settings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let settings = read(r#"{"host": "h", "query": {"name": "www.example.org"}}"#).unwrap();
        assert_eq!((settings.port, settings.transport), (53, Transport::Udp));
        assert_eq!(settings.question.name.to_ascii(), "www.example.org.");
        assert_eq!(settings.question.record_type, RecordType::A);
        assert!(settings.question.recursion_desired);
        let settings = read(r#"{"host": "h", "transport": "tls", "query": {"name": "."}}"#).unwrap();
        assert_eq!(settings.port, 853);
    }

    #[test]
    fn refusals() {
        for (query, expect, wanted) in [
            (r#""name": "a..b""#, "{}", "query.name: found `a..b`"),
            (r#""name": "bücher.example""#, "{}", "wanted a name in ASCII"),
            (r#""name": "a", "type": "B""#, "{}", "query.type: found `B`"),
            (r#""name": "a", "type": "AXFR""#, "{}", "query.type: found `AXFR`"),
            (r#""name": "a", "type": "SIG""#, "{}", "query.type: found `SIG`"),
            (
                r#""name": "a", "type": "TYPE24""#,
                "{}",
                "query.type: found `TYPE24`",
            ),
            (r#""name": "a", "class": "XX""#, "{}", "query.class: found `XX`"),
            (r#""name": "a", "typ": "A""#, "{}", "unknown field `typ`"),
            (
                r#""name": "a""#,
                r#"{"rcodes": ["OK"]}"#,
                "expect.rcodes: found `OK`",
            ),
            (r#""name": "a""#, r#"{"rcodes": []}"#, "expect.rcodes: found none"),
            (
                r#""name": "a""#,
                r#"{"validate_answer": {"fail_if_matches_regexp": ["("]}}"#,
                "expect.validate_answer.fail_if_matches_regexp: found `(`",
            ),
        ] {
            let text = format!(r#"{{"host": "h", "query": {{{query}}}, "expect": {expect}}}"#);
            let refusal = read(&text).unwrap_err();
            assert!(refusal.contains(wanted), "{refusal}");
        }
        for number in ["TYPE65400", "type257", "aaaa"] {
            assert!(record_type(number).is_ok(), "{number}");
        }
    }

    #[test]
    fn every_registered_type_has_its_number() {
        for (name, number) in [
            ("LOC", 29),
            ("spf", 99),
            ("RP", 17),
            ("AFSDB", 18),
            ("X25", 19),
            ("NSAP-PTR", 23),
            ("KX", 36),
            ("APL", 42),
            ("IPSECKEY", 45),
            ("DHCID", 49),
            ("HIP", 55),
            ("ZONEMD", 63),
            ("NID", 104),
            ("L32", 105),
            ("L64", 106),
            ("LP", 107),
            ("EUI48", 108),
            ("EUI64", 109),
            ("URI", 256),
            ("AVC", 258),
            ("DLV", 32_769),
        ] {
            let found = record_type(name).map(u16::from);
            assert_eq!(found, Ok(number), "{name}");
        }
    }

    #[test]
    fn schema_and_settings_have_the_same_keys() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let keys = |of: &serde_json::Value| -> Vec<String> {
            let mut keys: Vec<String> = of["properties"].as_object().unwrap().keys().cloned().collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(keys(&schema), ["expect", "host", "port", "query", "transport"]);
        assert_eq!(
            keys(&schema["properties"]["query"]),
            ["class", "name", "recursion", "type"]
        );
        let rules = serde_json::json!({
            "fail_if_matches_regexp": ["a"], "fail_if_all_match_regexp": ["a"],
            "fail_if_not_matches_regexp": ["a"], "fail_if_none_matches_regexp": ["a"],
        });
        assert_eq!(
            keys(&schema["$defs"]["rules"]).len(),
            rules.as_object().unwrap().len()
        );
        let full = serde_json::json!({
            "host": "h", "port": 1, "transport": "tcp",
            "query": {"name": "a", "type": "MX", "class": "CH", "recursion": false},
            "expect": {
                "rcodes": ["NOERROR"], "authoritative": true, "min_answers": 1, "min_ttl": 60,
                "answers": ["192.0.2.1"], "exact_answers": [],
                "validate_answer": rules, "validate_authority": rules, "validate_additional": rules,
            },
        });
        let expect = keys(&schema["properties"]["expect"]);
        assert_eq!(expect.len(), full["expect"].as_object().unwrap().len());
        read(&full.to_string()).unwrap();
    }
}
