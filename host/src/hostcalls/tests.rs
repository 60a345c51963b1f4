//! What a guest gets back from the host's side of the contract, and what that costs the host.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use wasmtime::component::Resource;

use super::*;
use crate::bindings::bedcheck::plugin::net::{HostConnection, TlsOptions};
use crate::bindings::bedcheck::plugin::phases::Host as _;
use crate::bindings::bedcheck::plugin::secrets::{HostSecret, Part, Sendable};
use crate::bindings::bedcheck::plugin::trace::{Fact, Host as _};
use crate::bindings::bedcheck::plugin::types::CallError;
use crate::capability::Capability;
use crate::clock::Clock;
use crate::connection::script::{Peer, Script, Step, Transport};
use crate::connection::{Connection, Network};
use crate::grant::Grants;
use crate::secret::Secret;
use crate::tape::Tape;

const SECRET: &str = "correct horse battery";

/// The state of an attempt that has a secret, and a peer that is silent.
fn state(limits: Limits) -> RunState {
    let secret = Secret::new(SECRET.into());
    let silent = Peer {
        transport: Transport::Tcp,
        port: None,
        steps: Ok(Arc::from([Step::Silence])),
    };
    let peers = Script::new(BTreeMap::new(), vec![silent]).repeating_last();
    let access = Access {
        phases: Arc::from(["first".to_owned()]),
        capabilities: [Capability::NetConnect, Capability::NetTls, Capability::Secrets].into(),
        grants: Grants::new(vec!["192.0.2.1:25".parse().expect("a grant")]),
        redactor: Redactor::new([secret.expose()]),
        secrets: BTreeMap::from([("mail".to_owned(), secret)]),
        network: Network::Scripted(Arc::new(peers)),
        ..Access::nothing()
    };
    let deadline = Deadline::new(Clock::virtual_time(), Tape::none(), limits.deadline, limits.grace);
    RunState::new(
        Arc::new(access),
        deadline,
        limits,
        Circumstances {
            cancellation: CancellationToken::new(),
            ..Circumstances::nowhere()
        },
    )
}

/// Another handle of the same thing, as a guest has it that lends its own for a call.
fn lent<T: 'static>(handle: &Resource<T>) -> Resource<T> {
    Resource::new_borrow(handle.rep())
}

async fn connected(state: &mut RunState) -> Result<Resource<Connection>, CallError> {
    HostConnection::connect(state, "192.0.2.1".to_owned(), 25)
        .await
        .expect("a call")
}

fn message(error: CallError) -> String {
    match error {
        CallError::Invalid(message) | CallError::SecretMissing(message) => message,
        other => panic!("{other:?}"),
    }
}

/// All that a guest can be told of words of its own.
async fn told(state: &mut RunState, words: &str) -> Vec<String> {
    let peer = SocketAddr::from(([192, 0, 2, 1], 25));
    let connection = state
        .table
        .push(Connection::recorded("192.0.2.1", peer, 0))
        .expect("room");
    let options = TlsOptions {
        // A space makes it the name of nothing.
        server_name: Some(format!(" {words}")),
        alpn: Vec::new(),
    };
    let tls = state.start_tls(connection, options).await.expect("a call");
    let opened = HostSecret::open(state, words.to_owned()).expect("a call");
    let described = state
        .describe(vec![(words.to_owned(), Fact::Integer(1))])
        .expect("a call");
    let begun = state.begin(words.to_owned(), None).expect("a call");
    vec![
        message(tls.expect_err("it is no name")),
        message(opened.expect_err("there is no such secret")),
        message(described.expect_err("there is no such fact")),
        message(begun.expect_err("there is no such phase")),
    ]
}

#[tokio::test]
async fn what_a_guest_is_told_of_its_own_words_has_nothing_of_a_secret() {
    let state = &mut state(Limits::default());
    for (right, wrong) in [
        ("cor", "cox"),
        ("correct horse", "correct house"),
        (SECRET, "correct horse batterx"),
        ("636f72", "636f73"),
        ("Y29y", "Y29z"),
    ] {
        let of_right = told(state, right).await;
        let of_wrong = told(state, wrong).await;
        for (right_answer, wrong_answer) in of_right.iter().zip(&of_wrong) {
            assert!(wrong_answer.contains(wrong), "{wrong_answer}");
            assert_eq!(right_answer, &wrong_answer.replace(wrong, right));
        }
    }
}

/// Has a secret sent behind so many bytes of the guest's own, in base64, so that the host looks for text that the guest
/// has chosen.
fn send_behind(state: &mut RunState, own: usize, number: u8) {
    let secret = HostSecret::open(state, "mail".to_owned()).expect("a call");
    let own = [vec![0; own], vec![number]].concat();
    let pieces = vec![Sendable::Base64(vec![
        Part::Bytes(own),
        Part::Secret(secret.expect("it is there")),
    ])];
    state.assemble(pieces).expect("a call").expect("it may be sent");
}

/// How long the host takes for facts, at the best of some times.
fn describing(state: &mut RunState, facts: usize, text: &str) -> Duration {
    let names = super::trace::FACTS.iter().cycle().take(facts);
    let facts: Vec<_> = names
        .map(|name| ((*name).to_owned(), Fact::Text(text.to_owned())))
        .collect();
    let once = || {
        let facts = facts.clone();
        let begun = Instant::now();
        let _ = state.describe(facts).expect("a call");
        begun.elapsed()
    };
    std::iter::repeat_with(once).take(3).min().unwrap_or_default()
}

/// What a fact costs must depend neither on its length nor on what was sent before. One that is as long as can be shown,
/// before anything was sent, is what it may cost at most; ten times that is noise.
#[test]
fn the_largest_description_costs_the_host_no_more_than_what_is_shown_of_it() {
    let chosen = [
        "A".repeat(1 << 17),
        "&".repeat(1 << 17),
        r"\x41".repeat(1 << 15),
        "AAAA&#65;".repeat(1 << 14),
    ];
    for text in chosen {
        let state = &mut state(Limits::default());
        state
            .begin("first".to_owned(), None)
            .expect("a call")
            .expect("a phase");
        send_behind(state, 3000, 0);
        let small = describing(state, 1, &text[..4 * 512]);
        for number in 1..32 {
            send_behind(state, 9000, number);
        }
        let large = describing(state, 32, &text);
        assert!(
            large < small * 32 * 10,
            "{large:?}, and {small:?} for a small one: {}",
            &text[..9]
        );
        // More facts than there are names are not even looked at.
        let many = describing(state, 254, &text[..1 << 14]);
        assert!(many < small * 32, "{many:?}, and {small:?} for a small one");
    }
}

#[test]
fn as_many_facts_as_there_are_names_are_taken_in_one_call_and_no_more() {
    let state = &mut state(Limits::default());
    state
        .begin("first".to_owned(), None)
        .expect("a call")
        .expect("a phase");
    let facts = |number| vec![("url.path".to_owned(), Fact::Text("/".to_owned())); number];
    assert!(state.describe(facts(32)).expect("a call").is_ok());
    let over = state
        .describe(facts(33))
        .expect("a call")
        .expect_err("one too many");
    let wanted = "found 33 facts in one call, wanted 32 at most, as many as there are names";
    assert_eq!(message(over), wanted);
}

#[tokio::test]
async fn a_write_that_fails_may_have_been_sent_and_is_counted() {
    let limits = Limits {
        bytes: 1000,
        ..Limits::default()
    };
    let state = &mut state(limits);
    let first = connected(state).await.expect("a connection");
    let impairment = state.table.get_mut(&first).expect("it is there").impairment();
    impairment.reset_writes_after(600);
    let written = state.write(lent(&first), vec![0; 900]).await.expect("a call");
    assert!(matches!(written, Err(CallError::ConnectionReset)), "{written:?}");
    assert_eq!(state.usage.bytes_written, 900);
    let second = connected(state).await.expect("a connection");
    let written = state.write(second, vec![0; 101]).await.expect("a call");
    assert!(matches!(written, Err(CallError::OverQuota(_))), "{written:?}");
}

#[tokio::test]
async fn of_a_connection_that_is_closed_nothing_is_sent_or_counted() {
    let state = &mut state(Limits::default());
    let connection = connected(state).await.expect("a connection");
    state
        .close(lent(&connection))
        .await
        .expect("a call")
        .expect("it closes");
    let written = state.write(connection, vec![0; 900]).await.expect("a call");
    assert!(matches!(written, Err(CallError::Invalid(_))), "{written:?}");
    assert_eq!(state.usage.bytes_written, 0);
}

#[tokio::test]
async fn connections_that_were_closed_are_not_open_though_the_guest_holds_on_to_them() {
    let state = &mut state(Limits::default());
    let mut held = Vec::new();
    for _ in 0..20 {
        let connection = connected(state).await.expect("a connection");
        state
            .close(lent(&connection))
            .await
            .expect("a call")
            .expect("it closes");
        held.push(connection);
    }
    for connection in held {
        HostConnection::drop(state, connection).expect("a call");
    }
    for _ in 0..16 {
        connected(state).await.expect("a connection");
    }
    let over = connected(state).await;
    assert!(matches!(over, Err(CallError::OverQuota(_))), "{over:?}");
}

#[tokio::test]
async fn after_the_deadline_nothing_is_sent_or_counted() {
    let state = &mut state(Limits::default());
    let connection = connected(state).await.expect("a connection");
    state.deadline.expire();
    let written = state.write(connection, vec![0; 900]).await.expect("a call");
    assert!(matches!(written, Err(CallError::DeadlineExceeded)), "{written:?}");
    assert_eq!(state.usage.bytes_written, 0);
}
