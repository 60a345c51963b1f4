//! Commands as they are sent. Pure.

use imap_codec::CommandCodec;
use imap_codec::encode::{Encoder, Fragment};
use imap_codec::imap_types::command::{Command as Unencoded, CommandBody};
use imap_codec::imap_types::core::{LiteralMode, Tag};
use imap_codec::imap_types::mailbox::Mailbox;

use bedcheck_sdk::Failure;

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

/// A command, cut where the server's go-ahead must be waited for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The word for messages.
    pub(crate) name: &'static str,
    /// The tag that the response to it will carry.
    pub(crate) tag: String,
    /// What is sent first, and after each continuation.
    pub(crate) steps: Vec<Vec<Part>>,
    /// The step with which the server learns whose login it is; that of a login.
    pub(crate) credentials: usize,
}

impl Command {
    /// `CAPABILITY` (RFC 9051 section 6.1.1).
    pub(crate) fn capability(tag: String) -> Self {
        Self::encoded("CAPABILITY", tag, CommandBody::Capability)
    }

    /// `STARTTLS` (RFC 9051 section 6.2.1).
    pub(crate) fn starttls(tag: String) -> Self {
        Self::encoded("STARTTLS", tag, CommandBody::StartTLS)
    }

    /// `LOGOUT` (RFC 9051 section 6.1.3).
    pub(crate) fn logout(tag: String) -> Self {
        Self::encoded("LOGOUT", tag, CommandBody::Logout)
    }

    /// `SELECT` or `EXAMINE` (RFC 9051 sections 6.3.2 and 6.3.3).
    pub(crate) fn open(tag: String, name: &str, open: Open) -> Result<Self, Failure> {
        let mailbox = Mailbox::try_from(mailbox::encode(name))
            .map_err(|error| Failure::settings_invalid(format!("mailbox `{name}`: {error}")))?;
        Ok(match open {
            Open::Examine => Self::encoded("EXAMINE", tag, CommandBody::Examine { mailbox }),
            Open::Select => Self::encoded("SELECT", tag, CommandBody::Select { mailbox }),
        })
    }

    /// `AUTHENTICATE PLAIN` (RFC 9051 section 6.2.2, RFC 4616), with the message in the first line
    /// where `SASL-IR` allows it (RFC 4959).
    pub(crate) fn authenticate_plain(tag: String, user: &str, capabilities: &Capabilities) -> Self {
        let message = Part::Base64WithPassword(format!("\0{user}\0").into_bytes());
        let end = Part::Bytes(b"\r\n".to_vec());
        let steps = if capabilities.sasl_ir {
            vec![vec![
                Part::Bytes(format!("{tag} AUTHENTICATE PLAIN ").into_bytes()),
                message,
                end,
            ]]
        } else {
            vec![
                vec![Part::Bytes(format!("{tag} AUTHENTICATE PLAIN\r\n").into_bytes())],
                vec![message, end],
            ]
        };
        Self {
            name: "AUTHENTICATE",
            tag,
            credentials: steps.len() - 1,
            steps,
        }
    }

    /// Whether user and password are short enough for `AUTHENTICATE PLAIN`.
    pub(crate) fn fits_plain(user: &str, password_length: usize) -> bool {
        user.len() + password_length <= MAX_PLAIN
    }

    /// `LOGIN` (RFC 9051 section 6.2.3) with user and password as literals, which hold any byte. The
    /// server's go-ahead is waited for except where `LITERAL+` or `LITERAL-` allow to go on.
    pub(crate) fn login(
        tag: String,
        user: &str,
        password_length: usize,
        capabilities: &Capabilities,
    ) -> Self {
        let mut steps = Steps::default();
        steps.bytes(format!("{tag} LOGIN ").as_bytes());
        steps.announce(user.len(), capabilities);
        let credentials = steps.finished.len();
        steps.bytes(user.as_bytes());
        steps.bytes(b" ");
        steps.announce(password_length, capabilities);
        steps.last.push(Part::Password);
        steps.bytes(b"\r\n");
        Self {
            name: "LOGIN",
            tag,
            credentials,
            steps: steps.finish(),
        }
    }

    fn encoded(name: &'static str, tag: String, body: CommandBody<'_>) -> Self {
        let unencoded = Unencoded {
            tag: Tag::unvalidated(tag.as_str()),
            body,
        };
        let mut steps = Steps::default();
        for fragment in CommandCodec::default().encode(&unencoded) {
            match fragment {
                Fragment::Line { data }
                | Fragment::Literal {
                    data,
                    mode: LiteralMode::NonSync,
                } => {
                    steps.bytes(&data);
                }
                Fragment::Literal {
                    data,
                    mode: LiteralMode::Sync,
                } => {
                    steps.wait();
                    steps.bytes(&data);
                }
            }
        }
        Self {
            name,
            tag,
            steps: steps.finish(),
            credentials: 0,
        }
    }
}

/// The steps of a command in the making.
#[derive(Default)]
struct Steps {
    finished: Vec<Vec<Part>>,
    last: Vec<Part>,
}

impl Steps {
    /// What follows is sent after the server's go-ahead.
    fn wait(&mut self) {
        self.finished.push(std::mem::take(&mut self.last));
    }

    fn finish(mut self) -> Vec<Vec<Part>> {
        self.wait();
        self.finished
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(Part::Bytes(before)) = self.last.last_mut() {
            before.extend_from_slice(bytes);
        } else {
            self.last.push(Part::Bytes(bytes.to_vec()));
        }
    }

    fn announce(&mut self, length: usize, capabilities: &Capabilities) {
        if capabilities.literal_plus || (capabilities.literal_minus && length <= LITERAL_MINUS_MAX) {
            self.bytes(format!("{{{length}+}}\r\n").as_bytes());
        } else {
            self.bytes(format!("{{{length}}}\r\n").as_bytes());
            self.wait();
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
        match command.steps.as_slice() {
            [step] => match step.as_slice() {
                [Part::Bytes(bytes)] => std::str::from_utf8(bytes).unwrap(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn simple_commands() {
        assert_eq!(line(&Command::capability("A1".into())), "A1 CAPABILITY\r\n");
        assert_eq!(line(&Command::starttls("A2".into())), "A2 STARTTLS\r\n");
        assert_eq!(line(&Command::logout("A3".into())), "A3 LOGOUT\r\n");
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
            assert_eq!(
                line(&Command::open("A1".into(), name, Open::Examine).unwrap()),
                wanted
            );
        }
        let select = Command::open("A1".into(), "INBOX", Open::Select).unwrap();
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
            Command::authenticate_plain("A1".into(), "ann", &sasl_ir).steps,
            [vec![
                bytes("A1 AUTHENTICATE PLAIN "),
                message.clone(),
                bytes("\r\n")
            ]]
        );
        assert_eq!(
            Command::authenticate_plain("A1".into(), "ann", &Capabilities::default()).steps,
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
            Command::login("A1".into(), "ann", 6, &plain).steps,
            [
                vec![bytes("A1 LOGIN {3}\r\n")],
                vec![bytes("ann {6}\r\n")],
                vec![Part::Password, bytes("\r\n")]
            ]
        );
        assert_eq!(Command::login("A1".into(), "ann", 6, &plus).steps, in_one_go);
        assert_eq!(Command::login("A1".into(), "ann", 6, &minus).steps, in_one_go);
        assert_eq!(
            Command::login("A1".into(), "ann", 4097, &minus).steps,
            [
                vec![bytes("A1 LOGIN {3+}\r\nann {4097}\r\n")],
                vec![Part::Password, bytes("\r\n")]
            ]
        );
        assert_eq!(Command::login("A1".into(), "ann", 4097, &plus).steps.len(), 1);
        // The length counts bytes.
        assert_eq!(
            Command::login("A1".into(), "ü", 1, &plain).steps[0],
            [bytes("A1 LOGIN {2}\r\n")]
        );
    }
}
