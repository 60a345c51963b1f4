//! A script of peers: what its keys are, what values they take, and their defaults. What the peers do with
//! it is for `connection::script` to say.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::problem::Problems;
use super::reader::{Table, Value, read_root};
use super::source::Source;
use super::words::{alternatives, quoted};
use crate::connection::script::{
    Names, Pattern, Peer, Script, Step, Template, TlsAnswer, Transport, canonical,
};
use crate::connection::{Certificate, ChainDates, Error, TlsInfo, TlsProblem};
use crate::outcome::hexadecimal;

/// From no time at all to the longest deadline that can be configured, and for a stall beyond it.
const LATENCIES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
const STALLS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);
/// How many bytes one `expect_bytes` may wait for: more than the 64 MiB that a run may write by default.
const MAX_EXPECTED: u64 = 1 << 30;

/// The errors of a look-up, in the contract's words.
const LOOKUP_ERRORS: [&str; 3] = ["name-not-found", "name-server-failure", "no-address"];
/// The errors of dialling.
const DIAL_ERRORS: [&str; 4] = [
    "connection-refused",
    "connection-reset",
    "host-unreachable",
    "network-unreachable",
];
/// The errors of a socket for datagrams, the first once something is sent.
const DATAGRAM_ERRORS: [&str; 3] = ["connection-refused", "host-unreachable", "network-unreachable"];
/// The errors of a handshake.
const TLS_ERRORS: [&str; 4] = [
    "tls-handshake",
    "certificate-invalid",
    "certificate-expired",
    "name-mismatch",
];

/// The kinds of steps, each a key of its own.
const STEPS: [&str; 10] = [
    "expect",
    "expect_until",
    "expect_bytes",
    "send",
    "send_base64",
    "stall",
    "start_tls",
    "hang_up",
    "reset",
    "silence",
];

/// Reads the text of a script of peers.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn parse_script(source: &Source) -> Result<Script, Problems> {
    let root = read_root(source, script);
    Problems::check(root.problems)?;
    Ok(root.result)
}

fn script(root: &mut Table<'_>) -> Script {
    let latency = root.get("latency").and_then(|value| value.duration(LATENCIES));
    let names = root.table("names", names).unwrap_or_default();
    let tables = root
        .get("connection")
        .and_then(|value| value.elements("an array of tables: each connection begins with `[[connection]]`"))
        .unwrap_or_default();
    let mut peers = Vec::new();
    let mut repeats_last = false;
    for (index, table) in tables.iter().enumerate() {
        let is_last = index + 1 == tables.len();
        let peer = table.table(|table| {
            repeats_last |= repeats(table, is_last);
            peer(table, index + 1, &names)
        });
        peers.extend(peer);
    }
    let mut script = Script::new(names, peers);
    if let Some(latency) = latency {
        script = script.with_latency(latency);
    }
    if repeats_last {
        script.repeating_last()
    } else {
        script
    }
}

fn names(table: &mut Table<'_>) -> Names {
    let mut names = Names::new();
    for (name, value) in table.take_entries() {
        if name.parse::<IpAddr>().is_ok() {
            value.refuse_key("found an address, wanted a name; an address stands for itself");
        } else if let Some(found) = lookup(name, &value)
            && names.insert(canonical(name), found).is_some()
        {
            value.refuse_key("the name is given twice; names do not differ by case");
        }
    }
    names
}

fn lookup(name: &str, value: &Value<'_>) -> Option<Result<Vec<IpAddr>, Error>> {
    if value.as_str().is_some() {
        return Some(Err(match word(value, &LOOKUP_ERRORS)? {
            "name-not-found" => Error::NameNotFound(name.to_owned()),
            "no-address" => Error::NoAddress(name.to_owned()),
            _ => Error::NameServerFailure(format!("the name servers failed for `{name}`")),
        }));
    }
    let wanted = format!(
        "an array of addresses, such as `[\"192.0.2.1\"]`, or one of {}",
        alternatives(LOOKUP_ERRORS)
    );
    let elements = value.elements(&wanted)?;
    if elements.is_empty() {
        return value.refuse("found no address, wanted at least one, or `\"no-address\"`");
    }
    let address = |value: &Value<'_>| {
        let address = value.string()?.parse().ok();
        address.or_else(|| value.unwanted("an address, such as `\"192.0.2.1\"` or `\"2001:db8::1\"`"))
    };
    let addresses: Vec<IpAddr> = elements.iter().filter_map(address).collect();
    (addresses.len() == elements.len()).then_some(Ok(addresses))
}

/// Whether a connection's peer serves the later ones too.
fn repeats(table: &mut Table<'_>, is_last: bool) -> bool {
    let Some(value) = table.get("repeat") else {
        return false;
    };
    let repeats = value.boolean() == Some(true);
    if repeats && !is_last {
        value.refuse_key("only the last `[[connection]]` can be repeated");
    }
    repeats
}

fn peer(table: &mut Table<'_>, number: usize, names: &Names) -> Peer {
    let transport = transport(table);
    let port = table.get("port").and_then(|value| value.integer(1..=65_535));
    let error = table.get("error");
    let steps = table.get("steps");
    if error.is_some() && steps.is_some() {
        table.refuse("found `error` and `steps`, wanted one of them");
    }
    let error = error.and_then(|value| {
        let peer = || format!("connection {number} of the script");
        let known = match transport {
            Transport::Tcp => &DIAL_ERRORS[..],
            Transport::Udp => &DATAGRAM_ERRORS[..],
        };
        Some(match word(&value, known)? {
            "connection-reset" => Error::Reset,
            "host-unreachable" => Error::HostUnreachable(peer()),
            "network-unreachable" => Error::NetworkUnreachable(peer()),
            _ => Error::Refused(peer()),
        })
    });
    let steps = match error {
        Some(error) => Err(error),
        None => Ok(steps.map_or_else(|| Arc::from([]), |value| self::steps(&value, names, transport))),
    };
    let port = port.and_then(|port| u16::try_from(port).ok());
    Peer {
        transport,
        port,
        steps,
    }
}

/// Over what the peer is talked to.
fn transport(table: &mut Table<'_>) -> Transport {
    let given = table
        .get("transport")
        .and_then(|value| word(&value, &["tcp", "udp"]));
    match given {
        Some("udp") => Transport::Udp,
        _ => Transport::Tcp,
    }
}

fn steps(value: &Value<'_>, names: &Names, transport: Transport) -> Arc<[Step]> {
    let mut seen = Seen {
        transport,
        ..Seen::default()
    };
    let mut steps = Vec::new();
    for element in value
        .elements("an array of steps, such as `[{ send = \"hello\\r\\n\" }]`")
        .unwrap_or_default()
    {
        let Some(step) = element.table(|table| step(table, names)).flatten() else {
            continue;
        };
        seen.note(&element, &step);
        steps.push(step);
    }
    steps.into()
}

/// What a step may depend on: what came before it.
#[derive(Default)]
struct Seen {
    transport: Transport,
    captured: BTreeSet<String>,
    last: Option<&'static str>,
    has_tls: bool,
}

impl Seen {
    /// Complains of a step that cannot come here.
    fn note(&mut self, place: &Value<'_>, step: &Step) {
        if let Some(last) = self.last {
            let _: Option<()> = place.refuse(&format!(
                "found a step behind `{last}`, wanted none: it is not reached"
            ));
        }
        if self.transport == Transport::Udp && matches!(step, Step::StartTls(_) | Step::HangUp | Step::Reset)
        {
            let _: Option<()> = place.refuse(
                "found a step of a connection, wanted one of datagrams: `expect`, `expect_until`, `expect_bytes`, \
                 `send`, `send_base64`, `stall` or `silence`",
            );
        }
        let referred: Vec<&str> = match step {
            Step::Expect(pattern) => pattern.referred().collect(),
            Step::SendText(template) => template.referred().collect(),
            _ => Vec::new(),
        };
        for name in referred.into_iter().filter(|name| !self.captured.contains(*name)) {
            let _: Option<()> = place.refuse(&format!(
                "found the capture {}, wanted one that an `expect` before it takes",
                quoted(name)
            ));
        }
        match step {
            Step::Expect(pattern) => self.captured.extend(pattern.captured().map(str::to_owned)),
            Step::StartTls(_) if self.has_tls => {
                let _: Option<()> = place.refuse("found a second `start_tls`, wanted one in a connection");
            }
            Step::StartTls(answer) => {
                self.has_tls = true;
                self.last = answer.result.is_err().then_some("start_tls` with `error");
            }
            Step::HangUp => self.last = Some("hang_up"),
            Step::Reset => self.last = Some("reset"),
            Step::Silence => self.last = Some("silence"),
            _ => {}
        }
    }
}

fn step(table: &mut Table<'_>, names: &Names) -> Option<Step> {
    let given: Vec<(&str, Value<'_>)> = STEPS
        .into_iter()
        .filter_map(|kind| Some((kind, table.get(kind)?)))
        .collect();
    let [(kind, value)] = given.as_slice() else {
        let found = match given.len() {
            0 => "found no kind of step",
            _ => "found several kinds of steps in one",
        };
        table.refuse(&format!("{found}, wanted one of {}", alternatives(STEPS)));
        return None;
    };
    match *kind {
        "expect" => value.read(Pattern::parse).map(Step::Expect),
        "expect_until" => match value.string()? {
            "" => value.refuse("found an empty text, wanted what the plugin is to end with"),
            end => Some(Step::ExpectUntil(end.as_bytes().to_vec())),
        },
        "expect_bytes" => {
            let count = value.integer(1..=MAX_EXPECTED)?;
            usize::try_from(count).ok().map(Step::ExpectBytes)
        }
        "send" => value.read(Template::parse).map(Step::SendText),
        "send_base64" => value
            .read(|text| {
                let wanted = "wanted base64 (RFC 4648 section 4, with padding)";
                STANDARD
                    .decode(text)
                    .map_err(|error| format!("{error}, {wanted}"))
            })
            .map(Step::Send),
        "stall" => value.duration(STALLS).map(Step::Stall),
        "start_tls" => {
            let answer = value.table(|table| tls_answer(table, names))?;
            Some(Step::StartTls(Box::new(answer)))
        }
        kind => match value.boolean()? {
            false => value.unwanted("`true`"),
            true if kind == "hang_up" => Some(Step::HangUp),
            true if kind == "reset" => Some(Step::Reset),
            true => Some(Step::Silence),
        },
    }
}

/// The facts of a handshake. Everything has a default: a modern session with a certificate that is valid for
/// the names of the script.
fn tls_answer(table: &mut Table<'_>, names: &Names) -> TlsAnswer {
    let known: Vec<String> = names.keys().cloned().collect();
    let first = known.first().map_or("a scripted peer", String::as_str);
    let subject = text(table, "subject").unwrap_or_else(|| format!("CN={first}"));
    let certificate = Certificate {
        issuer: text(table, "issuer").unwrap_or_else(|| "CN=a scripted authority".to_owned()),
        // There is no DER form; what it stands for is told apart all the same.
        sha256: hexadecimal(&Sha256::digest(&subject)),
        subject,
        names: texts(table, "names").unwrap_or(known),
        not_before: moment(table, "not_before", "2020-01-01T00:00:00Z"),
        not_after: moment(table, "not_after", "2100-01-01T00:00:00Z"),
        serial_number: "01".to_owned(),
    };
    let versions = ["1.2", "1.3"];
    let version = table.get("version").and_then(|value| word(&value, &versions));
    let version = version.unwrap_or("1.3");
    let suite = match version {
        "1.2" => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        _ => "TLS13_AES_128_GCM_SHA256",
    };
    let cipher = text(table, "cipher").unwrap_or_else(|| suite.to_owned());
    let alpn = text(table, "alpn");
    let error = table.get("error").and_then(|value| word(&value, &TLS_ERRORS));
    let shown = certificate.clone();
    TlsAnswer {
        certificate: (error != Some("tls-handshake")).then_some(shown),
        result: match error {
            Some(error) => Err(tls_error(error, &certificate)),
            None => Ok(TlsInfo {
                version: version.into(),
                cipher,
                alpn,
                chain: Some(ChainDates {
                    earliest_not_after: certificate.not_after,
                    not_after: certificate.not_after,
                }),
                is_verified: true,
                certificate,
            }),
        },
    }
}

fn tls_error(error: &str, certificate: &Certificate) -> Error {
    let (problem, message) = match error {
        "certificate-invalid" => (
            TlsProblem::CertificateInvalid,
            "the certificate is not from an authority that is trusted".to_owned(),
        ),
        "certificate-expired" => (
            TlsProblem::CertificateExpired,
            "the certificate has expired".to_owned(),
        ),
        "name-mismatch" => {
            let names: Vec<String> = certificate.names.iter().map(|name| quoted(name)).collect();
            let message = format!("the certificate is only valid for {}", names.join(", "));
            (TlsProblem::NameMismatch, message)
        }
        _ => (
            TlsProblem::Handshake,
            "the peer refused the TLS handshake".to_owned(),
        ),
    };
    Error::Tls(problem, message)
}

fn text(table: &mut Table<'_>, key: &'static str) -> Option<String> {
    table.get(key)?.string().map(str::to_owned)
}

fn texts(table: &mut Table<'_>, key: &'static str) -> Option<Vec<String>> {
    let elements = table.get(key)?.elements("an array of names")?;
    let texts = elements
        .iter()
        .filter_map(|value| value.string().map(str::to_owned));
    Some(texts.collect())
}

/// Seconds since 1970 of a moment in RFC 3339.
fn moment(table: &mut Table<'_>, key: &'static str, default: &str) -> i64 {
    let seconds = |text: &str| OffsetDateTime::parse(text, &Rfc3339).map(OffsetDateTime::unix_timestamp);
    let given = table.get(key).and_then(|value| {
        let given = seconds(value.string()?).ok();
        given.or_else(|| value.unwanted("a moment in RFC 3339, such as `\"2026-01-31T12:00:00Z\"`"))
    });
    given.or_else(|| seconds(default).ok()).unwrap_or_default()
}

/// One of these words.
fn word<'w>(value: &Value<'_>, words: &[&'w str]) -> Option<&'w str> {
    let found = value.string()?;
    let known = words.iter().copied().find(|word| *word == found);
    known.or_else(|| {
        let known = alternatives(words.iter().copied());
        value.refuse(&format!("found {}, wanted {known}", quoted(found)))
    })
}
