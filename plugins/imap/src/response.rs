//! What a response says: decoded into the little that this check needs. Statuses are left to imap-codec; of data, three
//! kinds are read here, as servers write them and at a fraction of what a whole grammar costs. Pure.

use imap_codec::decode::Decoder;
use imap_codec::imap_types::response::{
    Greeting as ParsedGreeting, GreetingKind, Response as Parsed, Status as ParsedStatus, StatusKind,
};
use imap_codec::{GreetingCodec, ResponseCodec};

use crate::text;

/// The words that begin an untagged status (RFC 9051 section 7.1).
const STATUS_WORDS: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];

/// What begins data that nothing is wanted of (RFC 9051 sections 7.2 to 7.4, RFC 3501).
const OF_NO_INTEREST: [&[u8]; 9] = [
    b"FLAGS",
    b"LIST",
    b"LSUB",
    b"STATUS",
    b"SEARCH",
    b"ESEARCH",
    b"NAMESPACE",
    b"ENABLED",
    b"ID",
];

/// What a response is by its beginning, which is enough to cut it out of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `+`: the server waits for the rest of a command.
    Continuation,
    /// A condition with text, tagged or not. Its text may look like a literal and holds none.
    Status,
    /// Any other untagged response. It can hold literals.
    Data,
}

impl Kind {
    /// The kind of the response that begins like this.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"+") {
            return Self::Continuation;
        }
        let Some(untagged) = bytes.strip_prefix(b"* ") else {
            return Self::Status;
        };
        let word = untagged
            .split(|byte| matches!(byte, b' ' | b'\r' | b'\n'))
            .next()
            .unwrap_or_default();
        if STATUS_WORDS
            .iter()
            .any(|status| word.eq_ignore_ascii_case(status))
        {
            Self::Status
        } else {
            Self::Data
        }
    }
}

/// A decoded response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// The server waits for the rest of the command.
    Continuation,
    /// A command is complete.
    Tagged { tag: String, status: Status },
    /// A condition that completes nothing.
    Untagged(Status),
    /// The server is about to close the connection: its words.
    Bye(String),
    /// What the server can do.
    Capabilities(Capabilities),
    /// How many messages the mailbox holds.
    Exists(u32),
    /// How many of them have the mark `\Recent`.
    Recent(u32),
    /// Something that does not matter here.
    Other,
}

/// A condition with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// OK, NO or BAD.
    pub(crate) condition: Condition,
    /// The response code in its brackets, where there is one, and the text; shortened.
    pub(crate) text: String,
    /// The capabilities in the response code, where there are some.
    pub(crate) capabilities: Option<Capabilities>,
}

impl Status {
    /// The name of the response code (RFC 9051 section 7.1, RFC 5530), as written.
    pub(crate) fn code(&self) -> Option<&str> {
        self.text.strip_prefix('[')?.split([' ', ']']).next()
    }

    /// Whether the response code is this one.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.code().is_some_and(|found| found.eq_ignore_ascii_case(code))
    }
}

/// Whether it went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It did.
    Ok,
    /// The server cannot or will not.
    No,
    /// The server did not understand.
    Bad,
}

impl Condition {
    /// The word of the protocol.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

/// The capabilities this check looks for (RFC 9051 section 7.2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// `STARTTLS`.
    pub(crate) starttls: bool,
    /// `AUTH=PLAIN` (RFC 4616).
    pub(crate) auth_plain: bool,
    /// `SASL-IR` (RFC 4959).
    pub(crate) sasl_ir: bool,
    /// `LOGINDISABLED`.
    pub(crate) login_disabled: bool,
    /// `LITERAL+` (RFC 7888).
    pub(crate) literal_plus: bool,
    /// `LITERAL-` (RFC 7888).
    pub(crate) literal_minus: bool,
}

impl Capabilities {
    /// Those in `CAPABILITY IMAP4rev1 …`, which may have any blanks between its words.
    fn listed(text: &[u8]) -> Option<Self> {
        let mut words = words(text);
        if !is(words.next()?, b"CAPABILITY") {
            return None;
        }
        let mut capabilities = Self::default();
        for word in words {
            capabilities.add(word);
        }
        Some(capabilities)
    }

    /// Those in the response code of a status.
    fn of_code(status: &[u8]) -> Option<Self> {
        let code = after_condition(status).strip_prefix(b"[")?;
        let end = code.iter().position(|&byte| byte == b']')?;
        Self::listed(&code[..end])
    }

    fn add(&mut self, word: &[u8]) {
        for (name, has) in [
            (&b"STARTTLS"[..], &mut self.starttls),
            (b"AUTH=PLAIN", &mut self.auth_plain),
            (b"SASL-IR", &mut self.sasl_ir),
            (b"LOGINDISABLED", &mut self.login_disabled),
            (b"LITERAL+", &mut self.literal_plus),
            (b"LITERAL-", &mut self.literal_minus),
        ] {
            *has |= is(word, name);
        }
    }
}

/// A decoded greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// OK, PREAUTH or BYE.
    pub(crate) kind: GreetingKind,
    /// The response code in its brackets, where there is one, and the text; shortened.
    pub(crate) text: String,
    /// The capabilities in the response code, where there are some.
    pub(crate) capabilities: Option<Capabilities>,
}

/// Decodes the server's first response, or `None` when it is no greeting.
pub(crate) fn decode_greeting(bytes: &[u8]) -> Option<Greeting> {
    match GreetingCodec::default().decode(&without_text(bytes)) {
        Ok((b"", ParsedGreeting { kind, .. })) => Some(Greeting {
            kind,
            text: text::shown(after_condition(bytes)),
            capabilities: Capabilities::of_code(bytes),
        }),
        _ => None,
    }
}

/// Decodes a response, or `None` when it follows no grammar known here.
pub(crate) fn decode(bytes: &[u8]) -> Option<Response> {
    match Kind::of(bytes) {
        // What it says does not matter: the server waits.
        Kind::Continuation => Some(Response::Continuation),
        Kind::Status => match ResponseCodec::default().decode(&without_text(bytes)) {
            Ok((b"", Parsed::Status(status))) => Some(status_response(&status, bytes)),
            _ => None,
        },
        Kind::Data => data_response(bytes.strip_prefix(b"* ")?),
    }
}

fn status_response(parsed: &ParsedStatus<'_>, bytes: &[u8]) -> Response {
    let text = text::shown(after_condition(bytes));
    let (tag, body) = match parsed {
        ParsedStatus::Bye(_) => return Response::Bye(text),
        ParsedStatus::Untagged(body) => (None, body),
        ParsedStatus::Tagged(tagged) => (Some(tagged.tag.as_ref().to_owned()), &tagged.body),
    };
    let condition = match body.kind {
        StatusKind::Ok => Condition::Ok,
        StatusKind::No => Condition::No,
        StatusKind::Bad => Condition::Bad,
    };
    let status = Status {
        condition,
        text,
        capabilities: Capabilities::of_code(bytes),
    };
    match tag {
        Some(tag) => Response::Tagged { tag, status },
        None => Response::Untagged(status),
    }
}

fn data_response(data: &[u8]) -> Option<Response> {
    if let Some(capabilities) = Capabilities::listed(data) {
        return Some(Response::Capabilities(capabilities));
    }
    let mut words = words(data);
    let (first, second) = (words.next()?, words.next().unwrap_or_default());
    if OF_NO_INTEREST.iter().any(|word| is(first, word)) {
        return Some(Response::Other);
    }
    let number = || str::from_utf8(first).ok()?.parse().ok();
    if is(second, b"EXISTS") && words.next().is_none() {
        number().map(Response::Exists)
    } else if is(second, b"RECENT") && words.next().is_none() {
        number().map(Response::Recent)
    } else if is(second, b"EXPUNGE") || is(second, b"FETCH") {
        Some(Response::Other)
    } else {
        None
    }
}

/// What stands between blanks.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

fn is(word: &[u8], name: &[u8]) -> bool {
    word.eq_ignore_ascii_case(name)
}

/// A status with its tag and its condition only, and a text for the grammar, which wants one. Servers in use send none,
/// or UTF-8, or codes of their own: that is read from the response itself.
fn without_text(bytes: &[u8]) -> Vec<u8> {
    let mut parts = bytes.trim_ascii_end().splitn(3, |&byte| byte == b' ');
    let (tag, condition) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    [tag, b" ", condition, b" .\r\n"].concat()
}

/// What follows the tag and the condition: response code and text.
fn after_condition(bytes: &[u8]) -> &[u8] {
    bytes.splitn(3, |&byte| byte == b' ').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(condition: Condition, text: &str) -> Status {
        Status {
            condition,
            text: text.into(),
            capabilities: None,
        }
    }

    fn tagged(condition: Condition, text: &str) -> Option<Response> {
        Some(Response::Tagged {
            tag: "A1".into(),
            status: status(condition, text),
        })
    }

    #[test]
    fn statuses() {
        assert_eq!(decode(b"A1 OK done\r\n"), tagged(Condition::Ok, "done"));
        assert_eq!(
            decode(b"A1 no [UNAVAILABLE] later\r\n"),
            tagged(Condition::No, "[UNAVAILABLE] later")
        );
        assert_eq!(
            decode(b"A1 BAD what? {5}\r\n"),
            tagged(Condition::Bad, "what? {5}")
        );
        assert_eq!(
            decode(b"* BYE see you\r\n"),
            Some(Response::Bye("see you".into()))
        );
        assert_eq!(
            decode(b"* NO [ALERT] disk\r\n"),
            Some(Response::Untagged(status(Condition::No, "[ALERT] disk")))
        );
        assert_eq!(
            decode(b"* OK [PERMANENTFLAGS (\\Seen \\*)] \"quoted\" \\ and (specials) %*\r\n"),
            Some(Response::Untagged(status(
                Condition::Ok,
                "[PERMANENTFLAGS (\\Seen \\*)] \"quoted\" \\ and (specials) %*"
            )))
        );
    }

    #[test]
    fn statuses_beyond_the_grammar_that_servers_send() {
        assert_eq!(decode(b"A1 OK\r\n"), tagged(Condition::Ok, ""));
        assert_eq!(decode(b"A1 OK \r\n"), tagged(Condition::Ok, ""));
        assert_eq!(
            decode(b"A1 OK [READ-ONLY]\r\n"),
            tagged(Condition::Ok, "[READ-ONLY]")
        );
        assert_eq!(
            decode("A1 NO ungültig\r\n".as_bytes()),
            tagged(Condition::No, "ungültig")
        );
        assert_eq!(decode(b"* BYE\r\n"), Some(Response::Bye(String::new())));
        assert_eq!(decode(b"A1 OK [broken\r\n"), tagged(Condition::Ok, "[broken"));
    }

    #[test]
    fn codes() {
        assert_eq!(
            status(Condition::No, "[UNAVAILABLE] x").code(),
            Some("UNAVAILABLE")
        );
        assert_eq!(status(Condition::No, "[UIDNEXT 5] x").code(), Some("UIDNEXT"));
        assert_eq!(status(Condition::No, "plain").code(), None);
        assert!(status(Condition::No, "[unavailable]").has_code("UNAVAILABLE"));
        assert!(!status(Condition::No, "UNAVAILABLE").has_code("UNAVAILABLE"));
    }

    #[test]
    fn capabilities() {
        let all = Capabilities {
            starttls: true,
            auth_plain: true,
            sasl_ir: true,
            login_disabled: true,
            literal_plus: true,
            literal_minus: true,
        };
        let line = b"* CAPABILITY IMAP4rev1 starttls AUTH=plain SASL-IR LOGINDISABLED LITERAL+ LITERAL- X-OWN=1 \r\n";
        assert_eq!(decode(line), Some(Response::Capabilities(all)));
        let few = Capabilities {
            auth_plain: true,
            ..Capabilities::default()
        };
        let Some(Response::Tagged { status, .. }) = decode(b"A1 OK [CAPABILITY IMAP4rev2 AUTH=PLAIN] in\r\n")
        else {
            panic!("no tagged status");
        };
        assert_eq!(status.capabilities, Some(few));
        // Words that only contain a name do not count.
        let none = decode(b"* CAPABILITY IMAP4rev1 AUTH=PLAINTEXT XSTARTTLS\r\n");
        assert_eq!(none, Some(Response::Capabilities(Capabilities::default())));
    }

    #[test]
    fn capabilities_as_servers_write_them() {
        for list in [
            &b"CAPABILITY IMAP4rev1  AUTH=PLAIN"[..],
            b"CAPABILITY\tIMAP4rev1\tAUTH=PLAIN",
            b"capability IMAP4rev1 AUTH=PLAIN  \t",
            b"CAPABILITY IMAP4rev1 X-\xc3\xbc auth=plain \xff",
            b"CAPABILITY IMAP4rev1 X(Y) \"Z\" AUTH=PLAIN {",
        ] {
            let shown = list.escape_ascii();
            let wanted = Some(Capabilities {
                auth_plain: true,
                ..Capabilities::default()
            });
            let data = decode(&[b"* ", list, b"\r\n"].concat());
            assert_eq!(data, wanted.map(Response::Capabilities), "{shown}");
            let greeting = decode_greeting(&[b"* OK [", list, b"] hi\r\n"].concat()).unwrap();
            assert_eq!(greeting.capabilities, wanted, "{shown}");
        }
    }

    #[test]
    fn data() {
        for exists in ["* 23 EXISTS \r\n", "* 23  EXISTS\t\r\n"] {
            assert_eq!(decode(exists.as_bytes()), Some(Response::Exists(23)));
        }
        assert_eq!(decode(b"* 23 EXISTS\r\n"), Some(Response::Exists(23)));
        assert_eq!(decode(b"* 5 recent\r\n"), Some(Response::Recent(5)));
        assert_eq!(decode(b"* FLAGS (\\Answered \\Seen)\r\n"), Some(Response::Other));
        assert_eq!(decode(b"* LIST () \"/\" {3}\r\na\"b\r\n"), Some(Response::Other));
        assert_eq!(decode(b"* 1 EXPUNGE\r\n"), Some(Response::Other));
        assert_eq!(decode(b"+ idling\r\n"), Some(Response::Continuation));
        assert_eq!(decode(b"+\r\n"), Some(Response::Continuation));
    }

    #[test]
    fn what_follows_no_grammar() {
        for bytes in [
            &b"* XVENDOR (strange]\r\n"[..],
            b"* 99999999999 EXISTS\r\n",
            b"A1 MAYBE so\r\n",
            b"A1\r\n",
            b"\r\n",
            b"* \r\n",
            b"A{ OK done\r\n",
            b"* x EXISTS\r\n",
            b"* 5 EXISTS more\r\n",
            b"* CAPABILITIES IMAP4rev1\r\n",
        ] {
            assert_eq!(decode(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn greetings() {
        let greeting = decode_greeting(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n").unwrap();
        assert_eq!(greeting.kind, GreetingKind::Ok);
        assert!(greeting.capabilities.unwrap().starttls);
        let greeting = decode_greeting(b"* BYE full\r\n").unwrap();
        assert_eq!(
            (greeting.kind, greeting.text.as_str()),
            (GreetingKind::Bye, "full")
        );
        assert_eq!(
            decode_greeting(b"* PREAUTH\r\n").unwrap().kind,
            GreetingKind::PreAuth
        );
        assert_eq!(decode_greeting(b"* NO\r\n"), None);
        assert_eq!(decode_greeting(b"* CAPABILITY IMAP4rev1\r\n"), None);
    }
}
