//! Whether a plugin goes on in plaintext when TLS could not be established. Pure.

use super::Trial;
use crate::fault::{FaultKind, HostCall};
use crate::runner::Prepared;
use crate::tape::Entry;

/// What the good run sent first after each `net.start-tls`, where that tells whether a plugin goes on.
pub(super) struct UnderTls(Vec<Option<Vec<u8>>>);

impl UnderTls {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let started = (entries.iter().enumerate())
            .filter(|(_, entry)| is_call(entry, HostCall::NetStartTls))
            .map(|(index, _)| telling(entries, index));
        Self(started.collect())
    }
}

/// The first that is sent after a `net.start-tls`. If it is the last as well, and there was a dialogue before,
/// it may be a farewell, which a plugin may send all the same.
fn telling(entries: &[Entry], at: usize) -> Option<Vec<u8>> {
    let (before, after) = entries.split_at(at);
    let mut later = sent(after);
    let first = later.next()?;
    let dialled = before.iter().rposition(dials);
    let had_dialogue = sent(&before[dialled.unwrap_or(0)..]).next().is_some();
    (later.next().is_some() || !had_dialogue).then(|| first.to_vec())
}

/// What is wrong with a run in which a `net.start-tls` failed.
pub(super) fn problem(
    under_tls: &UnderTls,
    trial: &Trial,
    entries: &[Entry],
    check: &Prepared,
) -> Option<String> {
    if trial.at.call != HostCall::NetStartTls || !matches!(trial.fault.kind, FaultKind::Error(_)) {
        return None;
    }
    let failed = entries
        .iter()
        .position(|entry| matches!(entry, Entry::Fault(_)))?;
    let after = &entries[failed..];
    let is_other_try = |entry: &Entry| dials(entry) || is_call(entry, HostCall::NetStartTls);
    let after = &after[..after.iter().position(is_other_try).unwrap_or(after.len())];
    let is_secret = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        check.access.redactor.redact(&text) != text
    };
    if sent(after).any(is_secret) {
        return Some("a secret is sent in plaintext after TLS has failed".into());
    }
    let nth = usize::try_from(trial.at.nth).ok()?.checked_sub(1)?;
    let wanted = under_tls.0.get(nth)?.as_deref()?;
    sent(after)
        .any(|bytes| bytes == wanted)
        .then(|| "the plugin goes on in plaintext after TLS has failed".into())
}

fn sent(entries: &[Entry]) -> impl Iterator<Item = &[u8]> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Sent(data) => Some(data.bytes.as_slice()),
        _ => None,
    })
}

fn is_call(entry: &Entry, call: HostCall) -> bool {
    matches!(entry, Entry::Call { name, .. } if name == call.as_str())
}

fn dials(entry: &Entry) -> bool {
    is_call(entry, HostCall::NetConnect) || is_call(entry, HostCall::NetConnectDatagram)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::tape::Data;

    fn call(call: HostCall) -> Entry {
        Entry::Call {
            name: call.as_str().into(),
            arguments: Value::Null,
        }
    }

    fn sends(text: &str) -> Entry {
        Entry::Sent(Data {
            connection: 0,
            bytes: text.into(),
        })
    }

    #[test]
    fn what_comes_first_under_tls_tells_unless_it_may_be_a_farewell() {
        let (connect, start_tls) = (call(HostCall::NetConnect), call(HostCall::NetStartTls));
        let telling = |entries: &[&Entry]| {
            let entries: Vec<Entry> = entries.iter().map(|&entry| entry.clone()).collect();
            let UnderTls(first) = UnderTls::of(&entries);
            first.into_iter().map(|first| first.is_some()).collect::<Vec<_>>()
        };
        let (ask, go_on, quit) = (&sends("STARTTLS"), &sends("LOGIN"), &sends("QUIT"));
        assert_eq!(telling(&[&connect, ask, &start_tls, go_on, quit]), [true]);
        assert_eq!(telling(&[&connect, ask, &start_tls, quit]), [false]);
        assert_eq!(telling(&[&connect, &start_tls, go_on]), [true]);
        assert_eq!(telling(&[&connect, &start_tls]), [false]);
        // Two connections, with TLS from the start: what the first sends is no dialogue before the second.
        assert_eq!(
            telling(&[&connect, &start_tls, go_on, &connect, &start_tls, go_on]),
            [true, true]
        );
    }
}
