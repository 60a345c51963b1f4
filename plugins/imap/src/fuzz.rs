//! Fuzzing what is read and written here against the whole grammar, which imap-codec has: of any bytes it reads the same
//! statuses, and of any name it makes the same argument.

use bedcheck_fuzz::{Fuzz, Random};
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder;
use imap_codec::imap_types::command::{Command, CommandBody};
use imap_codec::imap_types::core::Tag;
use imap_codec::imap_types::mailbox::Mailbox;
use imap_codec::imap_types::response::{
    GreetingKind as CodecKind, Response as CodecResponse, Status as CodecStatus, StatusKind,
};
use imap_codec::{CommandCodec, GreetingCodec, ResponseCodec};

use crate::commands;
use crate::mailbox;
use crate::response::{self, Condition, GreetingKind, Kind, Response};
use crate::settings::Open;

const WORDS: [&[u8]; 24] = [
    b"* ",
    b"+ ",
    b"A1 ",
    b"a.b-c] ",
    b"OK",
    b"ok ",
    b"No ",
    b"BAD ",
    b"BYE ",
    b"bye",
    b"PREAUTH ",
    b" ",
    b"\t",
    b"\r\n",
    b"\x0b",
    b"\x0c",
    b"\0",
    b"\xff",
    b"\xc2\xa0",
    b"[READ-ONLY] ",
    b"inbox",
    b"&",
    b"\"",
    b"\\",
];

/// What a status says, for a comparison.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Tagged(Vec<u8>, Condition),
    Untagged(Condition),
    Bye,
}

/// What must hold for any bytes.
fn property(input: &[u8]) {
    let line = [input, b"\r\n"].concat();
    if Kind::of(&line) == Kind::Status {
        assert_eq!(read(&line), read_by_grammar(&line));
    }
    let greeting = response::decode_greeting(&line).map(|greeting| greeting.kind);
    assert_eq!(greeting, greeting_by_grammar(&line));
    if let Ok(name) = str::from_utf8(input) {
        let wanted = argument_by_grammar(name);
        assert_eq!(mailbox::argument(name), wanted);
        let command = commands::Command::open(commands::Tag::new(1), name, Open::Select);
        let line = format!("A1 SELECT {wanted}\r\n").into_bytes();
        assert_eq!(command.first, [crate::host::Part::Bytes(line)]);
    }
}

fn read(line: &[u8]) -> Option<Said> {
    match response::decode(line)? {
        Response::Tagged { tag, status } => Some(Said::Tagged(tag.to_vec(), status.condition)),
        Response::Untagged(status) => Some(Said::Untagged(status.condition)),
        Response::Bye(_) => Some(Said::Bye),
        other => panic!("{other:?} is no status"),
    }
}

fn read_by_grammar(line: &[u8]) -> Option<Said> {
    let line = without_text(line);
    let Ok((b"", CodecResponse::Status(status))) = ResponseCodec::default().decode(&line) else {
        return None;
    };
    let condition = |kind| match kind {
        StatusKind::Ok => Condition::Ok,
        StatusKind::No => Condition::No,
        StatusKind::Bad => Condition::Bad,
    };
    Some(match status {
        CodecStatus::Bye(_) => Said::Bye,
        CodecStatus::Untagged(body) => Said::Untagged(condition(body.kind)),
        CodecStatus::Tagged(tagged) => Said::Tagged(
            tagged.tag.as_ref().as_bytes().to_vec(),
            condition(tagged.body.kind),
        ),
    })
}

fn greeting_by_grammar(line: &[u8]) -> Option<GreetingKind> {
    match GreetingCodec::default().decode(&without_text(line)) {
        Ok((b"", greeting)) => Some(match greeting.kind {
            CodecKind::Ok => GreetingKind::Ok,
            CodecKind::PreAuth => GreetingKind::PreAuth,
            CodecKind::Bye => GreetingKind::Bye,
        }),
        _ => None,
    }
}

/// A status with its tag and its condition only, and a text for the grammar, which wants one: servers in use send none, or
/// what the grammar does not have.
fn without_text(line: &[u8]) -> Vec<u8> {
    let mut parts = line.trim_ascii_end().splitn(3, |&byte| byte == b' ');
    let (tag, condition) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    [tag, b" ", condition, b" .\r\n"].concat()
}

fn argument_by_grammar(name: &str) -> String {
    let mailbox =
        Mailbox::try_from(mailbox::encode(name).into_owned()).expect("the encoded name is US-ASCII");
    let select = Command {
        tag: Tag::unvalidated("A1"),
        body: CommandBody::Select { mailbox },
    };
    let line = String::from_utf8(CommandCodec::default().encode(&select).dump()).expect("so is the command");
    let argument = line
        .strip_prefix("A1 SELECT ")
        .and_then(|line| line.strip_suffix("\r\n"));
    argument.expect("no literal is needed").to_owned()
}

/// A status as servers send it, with something odd here and there.
fn status(random: &mut Random) -> Vec<u8> {
    let mut line = Vec::new();
    for _ in 0..random.u8(1..6) {
        line.extend(*random.choice(WORDS.as_slice()).unwrap_or(&b"".as_slice()));
    }
    line
}

#[test]
fn every_byte_in_every_place() {
    for byte in 0..=u8::MAX {
        for line in [
            [b"A", &[byte][..], b" OK done"].concat(),
            [b"A1", &[byte][..], b"OK done"].concat(),
            [b"A1 O", &[byte][..], b" done"].concat(),
            [b"A1 OK", &[byte][..], b"done"].concat(),
            [b"A1 OK", &[byte][..]].concat(),
            [b"*", &[byte][..], b"BYE"].concat(),
            [b"* BYE", &[byte][..]].concat(),
            [b"* ", &[byte][..], b"OK"].concat(),
            vec![byte],
        ] {
            property(&line);
        }
    }
}

#[test]
fn imap_grammar() {
    Fuzz::new("imap_grammar")
        .seeds([
            &b"A1 OK [READ-ONLY] done"[..],
            b"* BYE",
            b"* PREAUTH in",
            b"Sent \"&\" \xc3\xbc",
            b"inbox",
            b"",
        ])
        .dictionary(&WORDS)
        .generator(status)
        .max_length(256)
        .run(property);
}
