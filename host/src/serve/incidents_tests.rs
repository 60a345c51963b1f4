//! Panics and other incidents: what is known of them, and what must not be.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::serve::outbound::Outbound;
use crate::serve::testing::Server;

const BOUND: Duration = Duration::from_secs(10);

/// Incidents that are told to a server, and the kinds that were counted.
fn incidents(server: &Server, outbound: &Outbound) -> (Incidents, Arc<Mutex<Vec<Kind>>>) {
    let counted = Arc::<Mutex<Vec<Kind>>>::default();
    let kinds = Arc::clone(&counted);
    let incidents = Incidents::new(move |kind| kinds.lock().unwrap().push(kind));
    let dsn = format!("{}/1", server.url().replace("http://", "http://key@"));
    let sentry = Sentry::new(&dsn, outbound.clone()).unwrap();
    let redactor = Redactor::new([b"correct horse".as_slice()]);
    incidents.configure(Some(sentry), redactor);
    (incidents, counted)
}

#[test]
fn a_panic_is_told_with_what_was_going_on_and_without_secrets() {
    let server = Server::start(&[]);
    let outbound = Outbound::start().unwrap();
    let (incidents, counted) = incidents(&server, &outbound);
    let hooked = incidents.clone();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // The panics of other tests are not meant.
        if std::thread::current().name() == Some("the thread that panics") {
            hooked.panicked(panic);
        } else {
            before(panic);
        }
    }));
    let line = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&line);
    let thread = std::thread::Builder::new().name("the thread that panics".to_owned());
    let joined = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(of_check("mail".into(), async move {
            told.store(u64::from(line!()) + 1, Ordering::Relaxed);
            panic!("the password is correct horse\n\x1b[2J");
        }));
    });
    assert!(joined.unwrap().join().is_err());
    assert!(outbound.flush(BOUND));
    assert_eq!(incidents.count(Kind::Panic), 1);
    assert_eq!(*counted.lock().unwrap(), [Kind::Panic]);
    let body = server.heard()[0].body.clone();
    assert!(!body.contains("horse"), "{body}");
    let event: serde_json::Value = serde_json::from_str(body.lines().nth(2).unwrap()).unwrap();
    let exception = &event["exception"]["values"][0];
    assert_eq!(exception["value"], r"the password is [redacted]\n\u{1b}[2J");
    assert_eq!(event["tags"]["check"], "mail");
    assert_eq!(event["tags"]["thread"], "the thread that panics");
    let place = format!("{}:{}", file!(), line.load(Ordering::Relaxed));
    assert!(
        event["transaction"].as_str().unwrap().starts_with(&place),
        "{event}"
    );
}

#[test]
fn a_trouble_says_whose_it_is_and_where_it_began() {
    let server = Server::start(&[]);
    let outbound = Outbound::start().unwrap();
    let (incidents, counted) = incidents(&server, &outbound);
    incidents.trouble(&Trouble {
        whom: Whom::Task {
            name: "agenda".into(),
            doing: "sorting correct horse, since 1.0s".to_owned(),
            spawned: Location::caller(),
        },
        mishap: supervise::Mishap::Returned(Some("no room".to_owned())),
        consequence: Consequence::EndProcess,
    });
    assert!(outbound.flush(BOUND));
    assert_eq!(*counted.lock().unwrap(), [Kind::Trouble]);
    let body = server.heard()[0].body.clone();
    assert!(!body.contains("horse"), "{body}");
    let event: serde_json::Value = serde_json::from_str(body.lines().nth(2).unwrap()).unwrap();
    assert_eq!(event["level"], "fatal");
    assert_eq!(event["tags"]["task"], "agenda");
    assert_eq!(event["exception"]["values"][0]["type"], "task returned");
    assert!(event["transaction"].as_str().unwrap().starts_with(file!()));
}

#[test]
fn with_nobody_to_tell_incidents_are_counted() {
    let incidents = Incidents::new(|_| {});
    let event = incidents.event(Kind::Unexpected, "a disk is full");
    incidents.take(Kind::Unexpected, event);
    assert_eq!(incidents.count(Kind::Unexpected), 1);
    assert_eq!(incidents.count(Kind::Panic), 0);
}

#[test]
fn a_sentry_that_stays_the_same_keeps_its_pause() {
    let server = Server::start(&[429]);
    let outbound = Outbound::start().unwrap();
    let (incidents, _) = incidents(&server, &outbound);
    let configured_again = |key: &str| {
        let dsn = format!("{}/1", server.url().replace("http://", &format!("http://{key}@")));
        let sentry = Sentry::new(&dsn, outbound.clone()).unwrap();
        incidents.configure(Some(sentry), Redactor::default());
    };
    let told = || {
        incidents.take(Kind::Unexpected, Event::default());
        assert!(outbound.flush(BOUND));
        server.heard().len()
    };
    assert_eq!(told(), 1);
    configured_again("key");
    assert_eq!(told(), 1);
    configured_again("another");
    assert_eq!(told(), 2);
}
