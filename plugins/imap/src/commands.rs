//! Commands as they are sent. Pure.

use crate::host::Part;
use crate::mailbox;
use crate::response::Capabilities;
use crate::settings::Open;

/// The longest literal that `LITERAL-` lets through without a wait, in bytes (RFC 7888 section 5).
const LITERAL_MINUS_MAX: usize = 4096;

/// How long user and password may be together for `AUTHENTICATE PLAIN`, in bytes: with a NUL before each they come to
/// the 12,288 bytes in base64 that a line of authentication has at most (RFC 4954 section 4). The host sends no longer
/// one with a secret in it.
pub(crate) const MAX_PLAIN: usize = 9214;

/// The tag of a command: `A` and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    text: [u8; 11],
    start: usize,
}

impl Tag {
    /// The tag of the command of this number.
    pub(crate) fn new(number: u32) -> Self {
        let mut tag = Self {
            text: [b'A'; 11],
            start: 10,
        };
        let mut rest = number;
        loop {
            // A digit is in a byte.
            tag.text[tag.start] = b'0' + (rest % 10) as u8;
            tag.start -= 1;
            rest /= 10;
            if rest == 0 {
                return tag;
            }
        }
    }

    /// As it is sent.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// A command, cut where the server's go-ahead must be waited for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The word for messages.
    pub(crate) name: &'static str,
    /// The tag that the response to it will carry.
    pub(crate) tag: Tag,
    /// The step with which the server learns whose login it is; that of a login.
    pub(crate) credentials: usize,
    /// What is sent first.
    pub(crate) first: Vec<Part>,
    /// What is sent after each continuation.
    pub(crate) later: Vec<Vec<Part>>,
}

impl Command {
    /// `CAPABILITY` (RFC 9051 section 6.1.1).
    pub(crate) fn capability(tag: Tag) -> Self {
        let line = [tag.as_bytes(), b" CAPABILITY\r\n"].concat();
        Self::line("CAPABILITY", tag, line)
    }

    /// `STARTTLS` (RFC 9051 section 6.2.1).
    pub(crate) fn starttls(tag: Tag) -> Self {
        let line = [tag.as_bytes(), b" STARTTLS\r\n"].concat();
        Self::line("STARTTLS", tag, line)
    }

    /// `LOGOUT` (RFC 9051 section 6.1.3).
    pub(crate) fn logout(tag: Tag) -> Self {
        let line = [tag.as_bytes(), b" LOGOUT\r\n"].concat();
        Self::line("LOGOUT", tag, line)
    }

    /// `SELECT` or `EXAMINE` (RFC 9051 sections 6.3.2 and 6.3.3).
    pub(crate) fn open(tag: Tag, mailbox: &str, open: Open) -> Self {
        let name = match open {
            Open::Examine => "EXAMINE",
            Open::Select => "SELECT",
        };
        let argument = mailbox::argument(mailbox);
        let words = [
            tag.as_bytes(),
            b" ",
            name.as_bytes(),
            b" ",
            argument.as_bytes(),
            b"\r\n",
        ];
        Self::line(name, tag, words.concat())
    }

    /// `AUTHENTICATE PLAIN` (RFC 9051 section 6.2.2, RFC 4616), with the message in the first line
    /// where `SASL-IR` allows it (RFC 4959).
    pub(crate) fn authenticate_plain(tag: Tag, user: &str, capabilities: &Capabilities) -> Self {
        let message = Part::Base64WithPassword(["\0", user, "\0"].concat().into());
        let end = Part::Bytes(b"\r\n".to_vec());
        let (first, later) = if capabilities.sasl_ir {
            let begin = [tag.as_bytes(), b" AUTHENTICATE PLAIN "].concat();
            (vec![Part::Bytes(begin), message, end], Vec::new())
        } else {
            let begin = [tag.as_bytes(), b" AUTHENTICATE PLAIN\r\n"].concat();
            (vec![Part::Bytes(begin)], vec![vec![message, end]])
        };
        Self {
            name: "AUTHENTICATE",
            tag,
            credentials: later.len(),
            first,
            later,
        }
    }

    /// Whether user and password are short enough for `AUTHENTICATE PLAIN`.
    pub(crate) fn fits_plain(user: &str, password_length: usize) -> bool {
        user.len() + password_length <= MAX_PLAIN
    }

    /// `LOGIN` (RFC 9051 section 6.2.3) with user and password as literals, which hold any byte. The
    /// server's go-ahead is waited for except where `LITERAL+` or `LITERAL-` allow to go on.
    pub(crate) fn login(tag: Tag, user: &str, password_length: usize, capabilities: &Capabilities) -> Self {
        let mut steps = Steps::default();
        steps.bytes(tag.as_bytes());
        steps.bytes(b" LOGIN ");
        steps.announce(user.len(), capabilities);
        let credentials = steps.later.len();
        steps.bytes(user.as_bytes());
        steps.bytes(b" ");
        steps.announce(password_length, capabilities);
        steps.last().push(Part::Password);
        steps.bytes(b"\r\n");
        Self {
            name: "LOGIN",
            tag,
            credentials,
            first: steps.first,
            later: steps.later,
        }
    }

    /// A command that needs no go-ahead.
    fn line(name: &'static str, tag: Tag, line: Vec<u8>) -> Self {
        Self {
            name,
            tag,
            credentials: 0,
            first: vec![Part::Bytes(line)],
            later: Vec::new(),
        }
    }
}

/// The steps of a command in the making.
#[derive(Default)]
struct Steps {
    first: Vec<Part>,
    later: Vec<Vec<Part>>,
}

impl Steps {
    fn last(&mut self) -> &mut Vec<Part> {
        self.later.last_mut().unwrap_or(&mut self.first)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(Part::Bytes(before)) = self.last().last_mut() {
            before.extend_from_slice(bytes);
        } else {
            self.last().push(Part::Bytes(bytes.to_vec()));
        }
    }

    /// Announces a literal. What follows is sent after the server's go-ahead where it must be waited for.
    fn announce(&mut self, length: usize, capabilities: &Capabilities) {
        if capabilities.literal_plus || (capabilities.literal_minus && length <= LITERAL_MINUS_MAX) {
            self.bytes(format!("{{{length}+}}\r\n").as_bytes());
        } else {
            self.bytes(format!("{{{length}}}\r\n").as_bytes());
            self.later.push(Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Part {
        Part::Bytes(text.as_bytes().to_vec())
    }

    fn line(command: &Command) -> &str {
        match steps(command)[..] {
            [[Part::Bytes(bytes)]] => std::str::from_utf8(bytes).unwrap(),
            ref other => panic!("{other:?}"),
        }
    }

    fn steps(command: &Command) -> Vec<&[Part]> {
        [&command.first]
            .into_iter()
            .chain(&command.later)
            .map(Vec::as_slice)
            .collect()
    }

    #[test]
    fn tags() {
        for number in [0, 1, 9, 10, 4_294_967_295] {
            assert_eq!(Tag::new(number).as_bytes(), format!("A{number}").as_bytes());
        }
    }

    #[test]
    fn simple_commands() {
        assert_eq!(line(&Command::capability(Tag::new(1))), "A1 CAPABILITY\r\n");
        assert_eq!(line(&Command::starttls(Tag::new(2))), "A2 STARTTLS\r\n");
        assert_eq!(line(&Command::logout(Tag::new(3))), "A3 LOGOUT\r\n");
    }

    #[test]
    fn mailboxes_are_quoted_where_they_must_be() {
        for (name, wanted) in [
            ("INBOX", "A1 EXAMINE INBOX\r\n"),
            ("inbox", "A1 EXAMINE INBOX\r\n"),
            ("Archive/2026", "A1 EXAMINE Archive/2026\r\n"),
            ("Sent Items", "A1 EXAMINE \"Sent Items\"\r\n"),
            ("say \"hi\\\"", "A1 EXAMINE \"say \\\"hi\\\\\\\"\"\r\n"),
            ("R&D (old)", "A1 EXAMINE \"R&-D (old)\"\r\n"),
            ("Entwürfe", "A1 EXAMINE Entw&APw-rfe\r\n"),
            ("a\r\nA2 DELETE b", "A1 EXAMINE \"a&AA0ACg-A2 DELETE b\"\r\n"),
            ("x{3}", "A1 EXAMINE \"x{3}\"\r\n"),
            ("%*", "A1 EXAMINE \"%*\"\r\n"),
        ] {
            assert_eq!(line(&Command::open(Tag::new(1), name, Open::Examine)), wanted);
        }
        let select = Command::open(Tag::new(1), "INBOX", Open::Select);
        assert_eq!((select.name, line(&select)), ("SELECT", "A1 SELECT INBOX\r\n"));
    }

    #[test]
    fn authenticate_plain_with_and_without_initial_response() {
        let message = Part::Base64WithPassword(b"\0ann\0".to_vec());
        let sasl_ir = Capabilities {
            sasl_ir: true,
            ..Capabilities::default()
        };
        assert_eq!(
            steps(&Command::authenticate_plain(Tag::new(1), "ann", &sasl_ir)),
            [vec![
                bytes("A1 AUTHENTICATE PLAIN "),
                message.clone(),
                bytes("\r\n")
            ]]
        );
        assert_eq!(
            steps(&Command::authenticate_plain(
                Tag::new(1),
                "ann",
                &Capabilities::default()
            )),
            [
                vec![bytes("A1 AUTHENTICATE PLAIN\r\n")],
                vec![message, bytes("\r\n")]
            ]
        );
    }

    #[test]
    fn login_waits_unless_literals_need_no_wait() {
        let plain = Capabilities::default();
        let plus = Capabilities {
            literal_plus: true,
            ..plain
        };
        let minus = Capabilities {
            literal_minus: true,
            ..plain
        };
        let in_one_go = [vec![
            bytes("A1 LOGIN {3+}\r\nann {6+}\r\n"),
            Part::Password,
            bytes("\r\n"),
        ]];
        assert_eq!(
            steps(&Command::login(Tag::new(1), "ann", 6, &plain)),
            [
                vec![bytes("A1 LOGIN {3}\r\n")],
                vec![bytes("ann {6}\r\n")],
                vec![Part::Password, bytes("\r\n")]
            ]
        );
        assert_eq!(steps(&Command::login(Tag::new(1), "ann", 6, &plus)), in_one_go);
        assert_eq!(steps(&Command::login(Tag::new(1), "ann", 6, &minus)), in_one_go);
        assert_eq!(
            steps(&Command::login(Tag::new(1), "ann", 4097, &minus)),
            [
                vec![bytes("A1 LOGIN {3+}\r\nann {4097}\r\n")],
                vec![Part::Password, bytes("\r\n")]
            ]
        );
        assert_eq!(steps(&Command::login(Tag::new(1), "ann", 4097, &plus)).len(), 1);
        // The length counts bytes.
        assert_eq!(
            steps(&Command::login(Tag::new(1), "ü", 1, &plain))[0],
            [bytes("A1 LOGIN {2}\r\n")]
        );
    }
}
