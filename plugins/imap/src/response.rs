//! What a response says: read into the little that this check needs, as servers write it and at a fraction of what a
//! whole grammar costs. What is read borrows from the response, and more of it is read by who asks for it. Pure.

use memchr::memchr;

use crate::text;

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
        if begins_status(word) {
            Self::Status
        } else {
            Self::Data
        }
    }
}

/// Whether a word begins an untagged status (RFC 9051 section 7.1).
fn begins_status(word: &[u8]) -> bool {
    is(word, b"OK") || is(word, b"NO") || is(word, b"BAD") || is(word, b"BYE") || is(word, b"PREAUTH")
}

/// A decoded response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Response<'a> {
    /// The server waits for the rest of the command.
    Continuation,
    /// A command is complete.
    Tagged { tag: &'a [u8], status: Status<'a> },
    /// A condition that completes nothing.
    Untagged(Status<'a>),
    /// The server is about to close the connection.
    Bye(Words<'a>),
    /// What the server can do.
    Capabilities(Capabilities),
    /// How many messages the mailbox holds.
    Exists(u32),
    /// How many of them have the mark `\Recent`.
    Recent(u32),
    /// Something that does not matter here.
    Other,
}

/// A condition with what is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status<'a> {
    /// OK, NO or BAD.
    pub(crate) condition: Condition,
    /// The rest.
    pub(crate) words: Words<'a>,
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
    /// The condition that this word stands for.
    fn of(word: &[u8]) -> Option<Self> {
        match word {
            word if is(word, b"OK") => Some(Self::Ok),
            word if is(word, b"NO") => Some(Self::No),
            word if is(word, b"BAD") => Some(Self::Bad),
            _ => None,
        }
    }

    /// The word of the protocol.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

/// The response code in its brackets, where there is one, and the text, as the server sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words<'a>(&'a [u8]);

impl Words<'_> {
    /// For people: shortened, and without blanks at the end.
    pub(crate) fn shown(self) -> String {
        text::shown(self.0)
    }

    /// Whether the response code is this one (RFC 9051 section 7.1, RFC 5530).
    pub(crate) fn have_code(self, code: &str) -> bool {
        let Some((name, rest)) = self
            .0
            .strip_prefix(b"[")
            .and_then(|code_on| code_on.split_at_checked(code.len()))
        else {
            return false;
        };
        is(name, code.as_bytes()) && (matches!(rest, [] | [b' ' | b']', ..]) || text::shown(rest).is_empty())
    }

    /// The capabilities in the response code, where there are some.
    pub(crate) fn capabilities(self) -> Option<Capabilities> {
        let code = self.0.strip_prefix(b"[")?;
        let end = memchr(b']', code)?;
        let mut words = words(&code[..end]);
        is(words.next()?, b"CAPABILITY").then(|| words.collect())
    }
}

/// The capabilities this check looks for (RFC 9051 section 7.2.2), read from the words of a list, which may have any
/// blanks between them.
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

impl<'a> FromIterator<&'a [u8]> for Capabilities {
    fn from_iter<W: IntoIterator<Item = &'a [u8]>>(words: W) -> Self {
        let mut capabilities = Self::default();
        for word in words {
            capabilities.starttls |= is(word, b"STARTTLS");
            capabilities.auth_plain |= is(word, b"AUTH=PLAIN");
            capabilities.sasl_ir |= is(word, b"SASL-IR");
            capabilities.login_disabled |= is(word, b"LOGINDISABLED");
            capabilities.literal_plus |= is(word, b"LITERAL+");
            capabilities.literal_minus |= is(word, b"LITERAL-");
        }
        capabilities
    }
}

/// How a server greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GreetingKind {
    /// A login is wanted.
    Ok,
    /// The client is known by other means.
    PreAuth,
    /// The server wants no client now.
    Bye,
}

/// A decoded greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeting<'a> {
    /// OK, PREAUTH or BYE.
    pub(crate) kind: GreetingKind,
    /// The rest.
    pub(crate) words: Words<'a>,
}

/// Decodes the server's first response, or `None` when it is no greeting.
pub(crate) fn decode_greeting(bytes: &[u8]) -> Option<Greeting<'_>> {
    let (word, words) = cut_at_blank(bytes.trim_ascii_end().strip_prefix(b"* ")?);
    let kind = match word {
        word if is(word, b"OK") => GreetingKind::Ok,
        word if is(word, b"PREAUTH") => GreetingKind::PreAuth,
        word if is(word, b"BYE") => GreetingKind::Bye,
        _ => return None,
    };
    let words = Words(words);
    Some(Greeting { kind, words })
}

/// Decodes a response, or `None` when it follows no grammar known here.
pub(crate) fn decode(bytes: &[u8]) -> Option<Response<'_>> {
    // What it says does not matter: the server waits.
    if bytes.starts_with(b"+") {
        return Some(Response::Continuation);
    }
    let line = bytes.trim_ascii_end();
    let Some(data) = line.strip_prefix(b"* ") else {
        return tagged_response(line);
    };
    let (word, words) = cut_at_blank(data);
    let words = Words(words);
    if let Some(condition) = Condition::of(word) {
        Some(Response::Untagged(Status { condition, words }))
    } else if is(word, b"BYE") {
        Some(Response::Bye(words))
    } else if Kind::of(bytes) == Kind::Data {
        data_response(data)
    } else {
        None
    }
}

fn tagged_response(line: &[u8]) -> Option<Response<'_>> {
    let (tag, rest) = cut_at_blank(line);
    let (word, words) = cut_at_blank(rest);
    let status = Status {
        condition: Condition::of(word)?,
        words: Words(words),
    };
    is_tag(tag).then_some(Response::Tagged { tag, status })
}

/// What follows the tag and the condition of a status: servers in use leave it out, or write UTF-8, or codes of their own.
pub(crate) fn words_of_status(bytes: &[u8]) -> Words<'_> {
    let (_tag, rest) = cut_at_blank(bytes.trim_ascii_end());
    let (_condition, words) = cut_at_blank(rest);
    Words(words)
}

/// What stands before the first blank, and what stands behind it.
fn cut_at_blank(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b' ') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// `tag = 1*<any ASTRING-CHAR except "+">` (RFC 9051 section 9).
fn is_tag(tag: &[u8]) -> bool {
    !tag.is_empty() && tag.iter().all(|&byte| is_astring_char(byte) && byte != b'+')
}

/// `ASTRING-CHAR` (RFC 9051 section 9): what needs no quotes.
pub(crate) fn is_astring_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}

fn data_response(data: &[u8]) -> Option<Response<'_>> {
    let mut words = words(data);
    let first = words.next()?;
    if is(first, b"CAPABILITY") {
        return Some(Response::Capabilities(words.collect()));
    }
    if is_of_no_interest(first) {
        return Some(Response::Other);
    }
    let second = words.next()?;
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

/// Whether a word begins data that nothing is wanted of (RFC 9051 sections 7.2 to 7.4, RFC 3501).
fn is_of_no_interest(word: &[u8]) -> bool {
    is(word, b"FLAGS")
        || is(word, b"LIST")
        || is(word, b"LSUB")
        || is(word, b"STATUS")
        || is(word, b"SEARCH")
        || is(word, b"ESEARCH")
        || is(word, b"NAMESPACE")
        || is(word, b"ENABLED")
        || is(word, b"ID")
}

/// What stands between blanks of any kind.
fn words(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        text = text.trim_ascii_start();
        let end = text.iter().position(u8::is_ascii_whitespace);
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        text = rest;
        (!word.is_empty()).then_some(word)
    })
}

fn is(word: &[u8], name: &[u8]) -> bool {
    word.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(condition: Condition, words: &str) -> Status<'_> {
        Status {
            condition,
            words: Words(words.as_bytes()),
        }
    }

    fn tagged(condition: Condition, words: &str) -> Option<Response<'_>> {
        Some(Response::Tagged {
            tag: b"A1",
            status: status(condition, words),
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
            Some(Response::Bye(Words(b"see you")))
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
        assert_eq!(decode(b"* BYE\r\n"), Some(Response::Bye(Words(b""))));
        assert_eq!(decode(b"A1 OK [broken\r\n"), tagged(Condition::Ok, "[broken"));
    }

    #[test]
    fn codes() {
        for (words, is_it) in [
            ("[UNAVAILABLE] x", true),
            ("[UNAVAILABLE 5] x", true),
            ("[unavailable]", true),
            ("[UNAVAILABLE", true),
            ("[UNAVAILABLE\u{a0}\u{2003}", true),
            ("[UNAVAILABLE\u{a0}x", false),
            ("[UNAVAILABLES] x", false),
            ("[UNAVAIL] x", false),
            ("[UIDNEXT 5] UNAVAILABLE", false),
            ("[]", false),
            ("[", false),
            ("UNAVAILABLE", false),
            ("", false),
        ] {
            assert_eq!(Words(words.as_bytes()).have_code("UNAVAILABLE"), is_it, "{words}");
        }
    }

    #[test]
    fn words_are_shown_in_short_and_without_blanks_at_their_end() {
        let long = "x".repeat(201);
        for (words, shown) in [
            ("[READ-ONLY] opened", "[READ-ONLY] opened"),
            ("ready \u{a0}", "ready"),
            (&long, &format!("{}...", &long[1..])),
        ] {
            assert_eq!(Words(words.as_bytes()).shown(), shown);
        }
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
        assert_eq!(status.words.capabilities(), Some(few));
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
            let data = [b"* ", list, b"\r\n"].concat();
            assert_eq!(decode(&data), wanted.map(Response::Capabilities), "{shown}");
            let greeting = [b"* OK [", list, b"] hi\r\n"].concat();
            let greeting = decode_greeting(&greeting).unwrap();
            assert_eq!(greeting.words.capabilities(), wanted, "{shown}");
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
        assert!(greeting.words.capabilities().unwrap().starttls);
        let greeting = decode_greeting(b"* BYE full\r\n").unwrap();
        assert_eq!(
            (greeting.kind, greeting.words),
            (GreetingKind::Bye, Words(b"full"))
        );
        assert_eq!(
            decode_greeting(b"* PREAUTH\r\n").unwrap().kind,
            GreetingKind::PreAuth
        );
        assert_eq!(decode_greeting(b"* NO\r\n"), None);
        assert_eq!(decode_greeting(b"* CAPABILITY IMAP4rev1\r\n"), None);
        assert_eq!(decode_greeting(b"A1 OK ready\r\n"), None);
    }
}
