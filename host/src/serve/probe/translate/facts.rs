//! Looking things up in a report. Pure.

use std::net::IpAddr;
use std::time::Duration;

use crate::outcome::{AttributeValue, PhaseReport, Report};

/// The value measured last under a name.
pub(super) fn measured(report: &Report, name: &str) -> Option<f64> {
    let measurements = report.measurements.iter().rev();
    measurements
        .filter(|measurement| measurement.name == name)
        .map(|measurement| measurement.value)
        .next()
}

/// A fact about a phase.
pub(super) fn attribute<'r>(phase: &'r PhaseReport, name: &str) -> Option<&'r AttributeValue> {
    phase.attributes.get(name)
}

/// How long the phases of a name took together; none if none was reached.
pub(super) fn sum_of_phases(report: &Report, name: &str) -> Option<Duration> {
    let reached = report.phases().iter().filter(|phase| phase.name == name);
    reached
        .filter_map(|phase| phase.duration)
        .reduce(|sum, next| sum + next)
}

/// The address of the target: the one that was connected to first, or else the first one that its name led to.
pub(super) fn address(report: &Report) -> Option<IpAddr> {
    let first = |name: &str| report.phases().iter().find(|phase| phase.name == name);
    let dialled = first("connect").and_then(|phase| match attribute(phase, "network.peer.address")? {
        AttributeValue::Text(text) => text.parse().ok(),
        _ => None,
    });
    let found = || match attribute(first("resolve")?, "dns.answers")? {
        AttributeValue::List(addresses) => addresses.first()?.parse().ok(),
        _ => None,
    };
    dialled.or_else(found)
}

/// FNV-1a in 32 bits of an address' octets, as blackbox_exporter hashes them, so that a target has the same hash
/// from both.
pub(super) fn hash(address: IpAddr) -> u32 {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let fold = |octets: &[u8]| {
        octets.iter().fold(OFFSET_BASIS, |hash, &octet| {
            (hash ^ u32::from(octet)).wrapping_mul(PRIME)
        })
    };
    match address.to_canonical() {
        IpAddr::V4(address) => fold(&address.octets()),
        IpAddr::V6(address) => fold(&address.octets()),
    }
}
