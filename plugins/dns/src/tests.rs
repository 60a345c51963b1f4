//! Whole runs against a name server made of closures: what it says to which question, and what comes of it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bedcheck_sdk::{CallError, Failure, Reason};
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, NS, SOA};
use hickory_proto::rr::{Name, RData, Record};

use crate::check::{self, Peer, Recorder};
use crate::settings::{Settings, Transport};

/// What a server makes of what it is sent, bytes or a datagram.
type Answers = fn(&[u8]) -> Vec<Vec<u8>>;

/// A connection to a server; it says what it has to say and then nothing until the deadline.
struct Server {
    answers: Answers,
    said: VecDeque<Vec<u8>>,
}

impl Peer for Server {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.said.extend((self.answers)(bytes));
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        self.said
            .pop_front()
            .ok_or_else(|| CallError::DeadlineExceeded.into())
    }
}

/// What was recorded, a line each.
#[derive(Default)]
pub(crate) struct Kept(RefCell<Vec<String>>);

impl Recorder for Kept {
    fn plan(&self, phases: &[&str]) -> Result<(), Failure> {
        self.0.borrow_mut().push(format!("plan {}", phases.join(" ")));
        Ok(())
    }

    fn phase<T>(
        &self,
        name: &str,
        detail: Option<&str>,
        body: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let result = body();
        let ended = if result.is_ok() { "ok" } else { "failed" };
        let detail = detail.map(|detail| format!("[{detail}]")).unwrap_or_default();
        self.0.borrow_mut().push(format!("{name}{detail} {ended}"));
        result
    }

    fn number(&self) -> u16 {
        0x1234
    }

    fn measure(&self, name: &str, value: f64, unit: &str) -> Result<(), Failure> {
        self.0.borrow_mut().push(format!("{name} {value} {unit}"));
        Ok(())
    }

    fn debug(&self, message: &str) {
        self.0.borrow_mut().push(message.to_owned());
    }
}

pub(crate) fn settings(more: &str) -> Settings {
    let text = format!(r#"{{"host": "ns", "query": {{"name": "www.example.org"}}{more}}}"#);
    serde_json::from_str(&text).expect("sound settings")
}

/// A run, and what was recorded of it.
fn run(settings: &Settings, servers: &[Answers]) -> (Result<(), Failure>, Vec<String>) {
    let recorder = Kept::default();
    let opened = Rc::new(RefCell::new(servers.iter()));
    let result = check::run(settings, &recorder, |transport| {
        recorder.debug(&format!("open {transport:?}"));
        let answers = *opened
            .borrow_mut()
            .next()
            .expect("no more connections are opened");
        Ok(Server {
            answers,
            said: VecDeque::new(),
        })
    });
    (result, recorder.0.into_inner())
}

/// An answer to the question, changed as the test wants it.
fn answer(question: &[u8], change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::from_vec(question).expect("the question is sound");
    message.metadata.message_type = MessageType::Response;
    change(&mut message);
    message.to_vec().expect("it can be written")
}

fn address(last: u8) -> Record {
    Record::from_rdata(
        Name::from_ascii("www.example.org.").unwrap(),
        300,
        RData::A(A::new(192, 0, 2, last)),
    )
}

fn well(question: &[u8]) -> Vec<u8> {
    answer(question, |message| {
        message.add_answer(address(1));
    })
}

/// With the length in front that a stream wants, around an answer to a question that has it too.
fn framed(question: &[u8], answers: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let message = answers(&question[2..]);
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message.as_slice()].concat()
}

fn reason(result: Result<(), Failure>) -> (Reason, String) {
    let failure = result.expect_err("it fails");
    (failure.reason().clone(), failure.message().to_owned())
}

#[test]
fn an_answer_is_measured_and_judged() {
    let settings = settings(r#", "expect": {"exact_answers": ["192.0.2.1"], "min_ttl": 300}"#);
    let (result, record) = run(&settings, &[|question| vec![well(question)]]);
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(
        record,
        [
            "plan resolve connect query validate",
            "open Udp",
            "query ok",
            "dns.response.code 0 1",
            "dns.response.size 49 By",
            "dns.answer.records 1 {record}",
            "dns.authority.records 0 {record}",
            "dns.additional.records 0 {record}",
            "dns.answer.min_ttl 300 s",
            "validate ok",
        ]
    );
}

#[test]
fn what_does_not_answer_the_question_is_passed_over() {
    let strays: Answers = |question| {
        let mut other_number = well(question);
        other_number[0] ^= 1;
        let other_question = answer(question, |message| {
            message.queries[0].set_name(Name::from_ascii("www.example.net.").unwrap());
        });
        vec![
            b"".to_vec(),
            b"abc".to_vec(),
            question.to_vec(),
            other_number,
            other_question,
            well(question),
        ]
    };
    let (result, record) = run(&settings(""), &[strays]);
    assert!(result.is_ok(), "{result:?}");
    let passed_over: Vec<_> = record
        .iter()
        .filter(|line| line.starts_with("a datagram"))
        .collect();
    assert_eq!(
        passed_over,
        [
            "a datagram is passed over: it is too short for a message",
            "a datagram is passed over: it is too short for a message",
            "a datagram is passed over: it is a question itself",
            "a datagram is passed over: its number is not that of the question",
            "a datagram is passed over: it answers another question",
        ]
    );
}

#[test]
fn the_deadline_says_what_came_instead_of_the_answer() {
    let deadline = |answers: Answers| {
        let (result, _) = run(&settings(""), &[answers]);
        let (reason, message) = reason(result);
        assert!(matches!(reason, Reason::Call(CallError::DeadlineExceeded)));
        message
    };
    assert_eq!(deadline(|_| Vec::new()), "the deadline has passed");
    assert_eq!(
        deadline(|question| vec![question.to_vec()]),
        "the deadline has passed after a datagram that does not answer the question: it is a question itself"
    );
    let unasked: Answers = |question| {
        let nothing = answer(question, |message| message.queries.clear());
        let cut = answer(question, |message| {
            message.metadata.truncation = true;
            message.queries.clear();
        });
        vec![question.to_vec(), nothing, cut]
    };
    assert_eq!(
        deadline(unasked),
        "the deadline has passed after 3 datagrams that do not answer the question, of the last: it repeats no question"
    );
}

#[test]
fn datagrams_without_end_are_too_many() {
    let many: Answers = |_| vec![b"abc".to_vec(); 1_001];
    let large: Answers = |_| vec![vec![0; 60_000]; 18];
    for (answers, message) in [
        (
            many,
            "the server sends more than 1000 datagrams that do not answer the question, of the last: it is too short \
             for a message",
        ),
        (
            large,
            "the server sends datagrams of more than 1048576 bytes in all that do not answer the question, of the \
             last: its number is not that of the question",
        ),
    ] {
        let (result, record) = run(&settings(""), &[answers]);
        let (reason, told) = reason(result);
        assert!(matches!(reason, Reason::TooLarge), "{told}");
        assert_eq!(told, message);
        let logged = record.iter().filter(|line| line.contains("passed over")).count();
        assert!(logged <= 21, "{logged}");
    }
    // One less, and the answer counts.
    let enough: Answers = |question| [vec![b"abc".to_vec(); 1_000], vec![well(question)]].concat();
    let (result, record) = run(&settings(""), &[enough]);
    assert!(result.is_ok(), "{result:?}");
    let told = "further datagrams are passed over, and not told";
    assert_eq!(
        record.iter().filter(|line| *line == told).count(),
        1,
        "{record:?}"
    );
}

#[test]
fn a_cut_off_answer_is_asked_for_again_over_tcp() {
    let cut: Answers = |question| vec![answer(question, |message| message.metadata.truncation = true)];
    let whole: Answers = |question| {
        let message = framed(question, well);
        // In pieces, the length among them.
        vec![
            message[..1].to_vec(),
            message[1..20].to_vec(),
            message[20..].to_vec(),
        ]
    };
    let (result, record) = run(&settings(""), &[cut, whole]);
    assert!(result.is_ok(), "{result:?}");
    let steps: Vec<_> = record.iter().filter(|line| !line.starts_with("dns.")).collect();
    assert_eq!(
        steps,
        [
            "plan resolve connect query validate",
            "open Udp",
            "query ok",
            "the answer was cut off to fit into a datagram: it is asked for again over TCP",
            "open Tcp",
            "query[over TCP] ok",
            "validate ok",
        ]
    );
}

#[test]
fn where_an_answer_is_cut_off_makes_no_difference() {
    let cut: [Answers; 3] = [
        // Within a record, the counts those of the whole.
        |question| {
            let whole = answer(question, |message| {
                message.metadata.truncation = true;
                message.add_answer(address(1)).add_answer(address(2));
            });
            vec![whole[..whole.len() - 7].to_vec()]
        },
        // Right behind the question, the counts those of the whole.
        |question| {
            let mut cut = answer(question, |message| message.metadata.truncation = true);
            cut[7] = 9;
            vec![cut]
        },
        // Another question, which is passed over, and then the right one.
        |question| {
            let other = answer(question, |message| {
                message.metadata.truncation = true;
                message.queries[0].set_name(Name::from_ascii("www.example.net.").unwrap());
            });
            vec![
                other,
                answer(question, |message| message.metadata.truncation = true),
            ]
        },
    ];
    for cut in cut {
        let (result, record) = run(&settings(""), &[cut, |question| vec![framed(question, well)]]);
        assert!(result.is_ok(), "{result:?}: {record:?}");
        assert!(record.contains(&"query[over TCP] ok".to_owned()), "{record:?}");
    }
}

#[test]
fn a_stream_ends_truthfully() {
    for transport in ["tcp", "tls"] {
        let settings = settings(&format!(r#", "transport": "{transport}""#));
        let (result, _) = run(&settings, &[|question| vec![framed(question, well)]]);
        assert!(result.is_ok(), "{result:?}");
        let (result, _) = run(&settings, &[|_| vec![Vec::new()]]);
        assert!(matches!(
            reason(result).0,
            Reason::Call(CallError::ConnectionClosed)
        ));
        let (result, _) = run(
            &settings,
            &[|question| vec![framed(question, well)[..9].to_vec(), Vec::new()]],
        );
        let (reason_, message) = reason(result);
        assert!(matches!(reason_, Reason::Call(CallError::ConnectionClosed)));
        assert_eq!(message, "the server closed the connection within its answer");
        let (result, _) = run(&settings, &[|question| vec![framed(question, <[u8]>::to_vec)]]);
        let (reason_, message) = reason(result);
        assert!(matches!(reason_, Reason::UnexpectedResponse), "{message}");
    }
    assert_eq!(settings(r#", "transport": "tls""#).transport, Transport::Tls);
}

#[test]
fn what_cannot_be_read_is_told() {
    // A name that points to itself, one that points past the end, and records that are not there.
    let garbage: [Answers; 3] = [
        |question| vec![[&question[..2], b"\x81\x80\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"].concat()],
        |question| vec![[&question[..2], b"\x81\x80\0\x01\0\0\0\0\0\0\xc0\xff\0\x01\0\x01"].concat()],
        |question| {
            let mut message = well(question);
            message[6..8].copy_from_slice(&[0xff, 0xff]);
            vec![message]
        },
    ];
    for answers in garbage {
        let (result, record) = run(&settings(""), &[answers]);
        let (reason, message) = reason(result);
        assert!(matches!(reason, Reason::UnexpectedResponse), "{message}");
        assert!(
            message.starts_with("the server's answer cannot be read: "),
            "{message}"
        );
        assert_eq!(record.last().map(String::as_str), Some("query failed"));
    }
}

/// An answer with one record of this type, for whose data there are these bytes.
fn with_record(question: &[u8], record_type: u16, data: &[u8]) -> Vec<u8> {
    let mut message = answer(question, |_| {});
    message[7] = 1;
    message.extend(b"\xc0\x0c");
    message.extend(record_type.to_be_bytes());
    message.extend(b"\0\x01\0\0\x01\x2c");
    message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    message.extend(data);
    message
}

#[test]
fn a_record_without_data_is_read_where_its_type_may_have_none() {
    let kinds: [(&str, Answers); 3] = [
        ("TYPE65400", |question| vec![with_record(question, 65_400, b"")]),
        ("APL", |question| vec![with_record(question, 42, b"")]),
        ("NULL", |question| vec![with_record(question, 10, b"")]),
    ];
    for (kind, answers) in kinds {
        let regexp = format!(r"^www\\.example\\.org\\.\t300\tIN\t{kind}\t\\\\# 0$");
        let expected = settings(&format!(
            r#", "expect": {{"min_answers": 1, "validate_answer": {{"fail_if_not_matches_regexp": ["{regexp}"]}}}}"#
        ));
        let (result, record) = run(&expected, &[answers]);
        assert!(result.is_ok(), "{kind}: {result:?}");
        assert!(
            record.contains(&"dns.response.size 45 By".to_owned()),
            "{record:?}"
        );
    }
    let (result, _) = run(&settings(""), &[|question| vec![with_record(question, 1, b"")]]);
    let (reason, message) = reason(result);
    assert!(matches!(reason, Reason::UnexpectedResponse), "{message}");
    assert_eq!(
        message,
        "the server's answer cannot be read: a record of type `A` has no data"
    );
}

#[test]
fn the_largest_answer_is_read() {
    let large: Answers = |question| {
        vec![framed(question, |question| {
            // Each record's name is a pointer to the question's.
            let record = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01";
            let mut message = answer(question, |_| {});
            message[6..8].copy_from_slice(&4000_u16.to_be_bytes());
            message.extend(record.repeat(4000));
            message
        })]
    };
    let (result, record) = run(&settings(r#", "transport": "tcp""#), &[large]);
    assert!(result.is_ok(), "{result:?}");
    assert!(record.contains(&"dns.answer.records 4000 {record}".to_owned()));
}

#[test]
fn other_response_codes_fail_unless_they_are_expected() {
    let unknown: Answers = |question| {
        vec![answer(question, |message| {
            message.metadata.response_code = ResponseCode::NXDomain;
            message.metadata.authoritative = true;
            let zone = || Name::from_ascii("example.org.").unwrap();
            let soa = SOA::new(zone(), zone(), 7, 1, 2, 3, 4);
            message.add_authority(Record::from_rdata(zone(), 60, RData::SOA(soa)));
        })]
    };
    let (result, record) = run(&settings(""), &[unknown]);
    let (reason_, message) = reason(result);
    assert!(matches!(reason_, Reason::AssertionFailed));
    assert_eq!(message, "the response code is `NXDOMAIN`, wanted `NOERROR`");
    assert!(record.contains(&"dns.soa.serial 7 1".to_owned()), "{record:?}");
    let expected = settings(r#", "expect": {"rcodes": ["NXDOMAIN"], "authoritative": true}"#);
    assert!(run(&expected, &[unknown]).0.is_ok());
    // Who cannot read the question repeats none.
    let refused: Answers = |question| {
        vec![answer(question, |message| {
            message.queries.clear();
            message.metadata.response_code = ResponseCode::FormErr;
        })]
    };
    let (result, _) = run(&settings(""), &[refused]);
    assert!(reason(result).1.contains("`FORMERR`"));
}

#[test]
fn each_expectation_fails_with_its_own_words() {
    let two: Answers = |question| {
        vec![answer(question, |message| {
            message.add_answer(address(1)).add_answer(address(2));
            let host = Name::from_ascii("ns.example.org.").unwrap();
            message.add_authority(Record::from_rdata(host.clone(), 60, RData::NS(NS(host))));
        })]
    };
    for (expect, wanted) in [
        (r#""authoritative": true"#, "the answer is not authoritative"),
        (
            r#""min_answers": 3"#,
            "the answer has 2 records, wanted at least 3",
        ),
        (
            r#""min_ttl": 301"#,
            "may be kept for 300 s, wanted at least 301 s",
        ),
        (
            r#""answers": ["192.0.2.3"]"#,
            "the answer holds `192.0.2.1, 192.0.2.2`, wanted `192.0.2.3`",
        ),
        (
            r#""exact_answers": ["192.0.2.1"]"#,
            "the answer holds `192.0.2.2` as well, wanted nothing but `192.0.2.1`",
        ),
        (r#""exact_answers": []"#, "holds `192.0.2.1` as well"),
        (
            r#""validate_answer": {"fail_if_matches_regexp": ["nowhere", "A\t192\\.0\\.2\\.2$"]}"#,
            r"the answer record `www.example.org. 300 IN A 192.0.2.2` matches",
        ),
        (
            r#""validate_answer": {"fail_if_all_match_regexp": ["IN\tA"]}"#,
            "all answer records match",
        ),
        (
            r#""validate_answer": {"fail_if_not_matches_regexp": ["2\\.1$"]}"#,
            "192.0.2.2` does not match",
        ),
        (
            r#""validate_answer": {"fail_if_none_matches_regexp": ["2\\.3$"]}"#,
            "no answer record matches",
        ),
        (
            r#""validate_authority": {"fail_if_matches_regexp": ["NS\tns"]}"#,
            "the authority record",
        ),
        (
            r#""validate_additional": {"fail_if_not_matches_regexp": ["."]}"#,
            "there is no additional record",
        ),
        (
            r#""validate_additional": {"fail_if_none_matches_regexp": ["."]}"#,
            "no additional record matches",
        ),
    ] {
        let (result, record) = run(&settings(&format!(r#", "expect": {{{expect}}}"#)), &[two]);
        let (reason, message) = reason(result);
        assert!(matches!(reason, Reason::AssertionFailed), "{message}");
        assert!(message.contains(wanted), "{expect}: {message}");
        assert_eq!(record.last().map(String::as_str), Some("validate failed"));
    }
    for expect in [
        r#""answers": ["192.0.2.2"], "min_answers": 2, "min_ttl": 300, "authoritative": false"#,
        r#""exact_answers": ["192.0.2.2", "192.0.2.1"]"#,
        r#""validate_answer": {"fail_if_all_match_regexp": ["2\\.1$"], "fail_if_none_matches_regexp": ["2\\.1$"]}"#,
        r#""validate_authority": {"fail_if_not_matches_regexp": ["^ns\\.example\\.org\\.\t60\tIN\tNS\tns\\.example\\.org\\.$"]}"#,
    ] {
        let (result, _) = run(&settings(&format!(r#", "expect": {{{expect}}}"#)), &[two]);
        assert!(result.is_ok(), "{expect}: {result:?}");
    }
}

#[test]
fn a_time_to_live_with_its_top_bit_set_is_none() {
    let settings = settings(r#", "expect": {"min_ttl": 1}"#);
    let (result, record) = run(&settings, &[|question| vec![kept_for(question, 0x7fff_ffff)]]);
    assert!(result.is_ok(), "{result:?}");
    assert!(
        record.contains(&"dns.answer.min_ttl 2147483647 s".to_owned()),
        "{record:?}"
    );
    let (result, record) = run(&settings, &[|question| vec![kept_for(question, 0x8000_0001)]]);
    assert!(reason(result).1.contains("may be kept for 0 s"));
    assert!(
        record.contains(&"dns.answer.min_ttl 0 s".to_owned()),
        "{record:?}"
    );
}

fn kept_for(question: &[u8], ttl: u32) -> Vec<u8> {
    let mut record = address(1);
    record.ttl = ttl;
    answer(question, |message| {
        message.add_answer(record);
    })
}
