//! Heartbeats against a server of a few lines on loopback.

use std::io::{Read, Write};
use std::time::Instant;

use super::*;
use crate::render::samples;
use crate::serve::testing::{Heard, Server};

const BOUND: Duration = Duration::from_secs(10);

fn heartbeats(pauses: usize) -> (Outbound, Heartbeats) {
    let outbound = Outbound::start().unwrap();
    let pauses = vec![Duration::from_millis(10); pauses];
    (outbound.clone(), Heartbeats::with_pauses(outbound, pauses))
}

fn paths(heard: &[Heard]) -> Vec<&str> {
    heard
        .iter()
        .map(|heard| heard.target.split('?').next().unwrap())
        .collect()
}

#[test]
fn a_run_is_a_start_and_its_end_with_the_same_mark() {
    let server = Server::start(&[]);
    let (outbound, heartbeats) = heartbeats(0);
    let url = format!("{}/ping/0a0b?create=1", server.url());
    let heartbeat = heartbeats.at("mail", &url).unwrap();
    let mark = heartbeat.started();
    heartbeat.finished(mark, &samples::pass());
    let second = heartbeat.started();
    heartbeat.finished(second, &samples::wrong_password());
    heartbeat.finished(second, &samples::skipped());
    assert!(outbound.flush(BOUND));
    let heard = server.heard();
    assert_eq!(
        paths(&heard),
        [
            "/ping/0a0b/start",
            "/ping/0a0b",
            "/ping/0a0b/start",
            "/ping/0a0b/fail"
        ]
    );
    assert!(heard.iter().all(|heard| heard.method == "POST"));
    assert_eq!(heard[0].target, format!("/ping/0a0b/start?create=1&rid={mark}"));
    assert_eq!(heard[1].target, format!("/ping/0a0b?create=1&rid={mark}"));
    assert_eq!(heard[3].target, format!("/ping/0a0b/fail?create=1&rid={second}"));
    assert!(heard[3].body.contains("auth.rejected"), "{}", heard[3].body);
    assert_eq!(heartbeats.counts().delivered, 4);
}

#[test]
fn what_fails_is_tried_again_and_what_is_refused_is_not() {
    let server = Server::start(&[503, 500, 200, 404, 503, 503, 503]);
    let (outbound, heartbeats) = heartbeats(2);
    let heartbeat = heartbeats.at("mail", server.url()).unwrap();
    for _ in 0..3 {
        heartbeat.succeeded(None);
        assert!(outbound.flush(BOUND));
    }
    assert_eq!(server.heard().len(), 7);
    let counts = heartbeats.counts();
    assert_eq!((counts.delivered, counts.failed), (1, 2));
}

#[test]
fn the_status_is_the_answer_whatever_becomes_of_the_rest() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            // An answer ahead of the request is none.
            let mut asked = [0; 1024];
            assert!(stream.read(&mut asked).is_ok_and(|length| length > 0));
            let begun = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nO");
            kept.push((stream, begun));
        }
    });
    let (outbound, heartbeats) = heartbeats(2);
    let heartbeat = heartbeats.at("mail", &url).unwrap();
    heartbeat.succeeded(None);
    assert!(outbound.flush(BOUND), "it waits for the rest");
    let counts = heartbeats.counts();
    assert_eq!((counts.delivered, counts.failed), (1, 0));
}

#[test]
fn a_service_that_does_not_answer_holds_nobody_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (outbound, heartbeats) = heartbeats(0);
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let heartbeat = heartbeats.at("mail", &url).unwrap();
    let begun = Instant::now();
    for _ in 0..1000 {
        heartbeat.succeeded(None);
    }
    // A thousand without one answer, each of which may take 10 s.
    assert!(begun.elapsed() < Duration::from_secs(5));
    let dropped = heartbeats.counts().dropped;
    assert!(
        (1000 - MAX_WAITING as u64 - 1..1000).contains(&dropped),
        "{dropped}"
    );
    assert!(!outbound.flush(Duration::from_millis(20)));
}

#[test]
fn services_that_do_not_answer_hold_up_neither_another_host_nor_the_runner() {
    let silent = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, second) = (silent(), silent());
    let server = Server::start(&[]);
    let (_outbound, heartbeats) = heartbeats(0);
    let hold_up = |silent: &std::net::TcpListener| {
        let url = format!("http://{}/", silent.local_addr().unwrap());
        for number in 0..MAX_AT_ONCE {
            let heartbeat = heartbeats.at(format!("mail-{number}"), &url);
            heartbeat.unwrap().succeeded(None);
        }
    };
    hold_up(&first);
    let of_check = format!("{}/check", server.url());
    heartbeats.at("web", &of_check).unwrap().succeeded(None);
    assert_eq!(paths(&server.wait_for(1)), ["/check"]);
    hold_up(&second);
    heartbeats.at("page", &of_check).unwrap().succeeded(None);
    let of_runner = format!("{}/runner", server.url());
    heartbeats.of_runner(&of_runner).unwrap().succeeded(None);
    assert_eq!(paths(&server.wait_for(2))[1], "/runner");
}

#[test]
fn what_is_told_of_a_check_stays_in_order_whoever_tells_it() {
    let server = Server::start(&[503, 200]);
    let (outbound, heartbeats) = heartbeats(1);
    let at = |path: &str| heartbeats.at("mail", &format!("{}{path}", server.url())).unwrap();
    let before = at("/a");
    before.failed(None, "");
    at("/a").succeeded(None);
    assert!(!Arc::ptr_eq(&before.0, &at("/b").0));
    drop(before);
    assert!(outbound.flush(BOUND));
    let heard = server.heard();
    assert_eq!(paths(&heard), ["/a/fail", "/a/fail", "/a"]);
}

#[test]
fn the_runner_tells_how_it_is_until_nobody_wants_to_know() {
    let server = Server::start(&[]);
    let (_outbound, heartbeats) = heartbeats(0);
    let heartbeat = heartbeats.of_runner(server.url()).unwrap();
    let asked = AtomicU64::new(0);
    let health = move || match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err("the task `agenda` is about to be begun anew".to_owned()),
    };
    let every = Duration::from_millis(5);
    let keeper = heartbeat.keep(every, health);
    assert!(keeper.keeps(&heartbeats.of_runner(server.url()).unwrap(), every));
    assert!(!keeper.keeps(&heartbeat, every * 2));
    let heard = server.wait_for(2);
    assert_eq!(paths(&heard[..2]), ["/", "/fail"]);
    assert_eq!(heard[1].body, "the task `agenda` is about to be begun anew");
    drop(keeper);
}

#[test]
fn a_text_has_a_bound_and_a_url_is_not_repeated() {
    let server = Server::start(&[]);
    let (outbound, heartbeats) = heartbeats(0);
    let heartbeat = heartbeats.at("mail", server.url()).unwrap();
    heartbeat.failed(None, &"日".repeat(MAX_TEXT));
    assert!(outbound.flush(BOUND));
    let length = server.heard()[0].body.len();
    assert!((MAX_TEXT - 3..=MAX_TEXT).contains(&length), "{length}");
    for text in ["hc-ping.com/secret", "ftp://hc/secret", "", "http://"] {
        let sentence = heartbeats.at("mail", text).err().unwrap();
        assert_eq!(
            sentence,
            "the heartbeat of `mail`: wanted an `http` or `https` URL"
        );
    }
    for text in ["http://user:word@hc/secret", "https://user@hc/"] {
        let sentence = heartbeats.at("mail", text).err().unwrap();
        assert!(sentence.ends_with("wanted a URL without one"), "{sentence}");
        assert!(!sentence.contains("hc"), "{sentence}");
    }
}
