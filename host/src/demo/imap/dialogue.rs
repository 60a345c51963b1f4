//! The server's side of an IMAP4rev1 conversation (RFC 3501): bytes in, bytes out, and what to do with
//! the connection. Pure; the connection is in `mod`, the grammar in `framing` and `command`.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Account;
use super::command::{Command, Malformed};
use super::framing::{Frame, Framing};

/// What protects the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// TLS is on.
    Tls,
    /// Nothing yet: STARTTLS is offered, and logins are refused until then.
    Offered,
    /// Nothing, and passwords are taken all the same: what a client sees behind a middlebox that strips
    /// STARTTLS from the capabilities.
    Never,
}

/// What to do with the connection after the output has been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Receive more.
    Receive,
    /// Start TLS, then say so by [`Dialogue::tls_started`].
    StartTls,
    /// Close it.
    Close,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    NotAuthenticated,
    /// Waiting for the answer to `+` of AUTHENTICATE with this tag.
    Authenticating(String),
    Authenticated,
    /// With a mailbox open.
    Selected,
    LoggedOut,
}

/// The conversation on one connection.
pub(crate) struct Dialogue {
    account: Arc<Account>,
    protection: Protection,
    state: State,
    framing: Framing,
    output: Vec<u8>,
}

impl Dialogue {
    /// A conversation that begins with the greeting.
    pub(crate) fn new(account: Arc<Account>, protection: Protection) -> Self {
        let mut dialogue = Self {
            account,
            protection,
            state: State::NotAuthenticated,
            framing: Framing::default(),
            output: Vec::new(),
        };
        dialogue.say(&format!(
            "* OK [CAPABILITY {}] bedcheck demo server ready",
            dialogue.capabilities()
        ));
        dialogue
    }

    /// Takes what is to be sent now.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Acts on received bytes: answers all commands that are complete with them.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Next {
        self.framing.push(bytes);
        loop {
            let next = match self.framing.next() {
                Frame::Incomplete => return Next::Receive,
                Frame::Awaited => {
                    self.say("+ go on");
                    Next::Receive
                }
                Frame::TooLong => {
                    self.say("* BYE the command is too long");
                    Next::Close
                }
                Frame::Complete(frame) => self.act(&frame),
            };
            if next != Next::Receive {
                // RFC 3501 section 6.2.1: commands sent before TLS must not count within it.
                self.framing.clear();
                return next;
            }
        }
    }

    /// Goes on under TLS. There is no second greeting.
    pub(crate) fn tls_started(&mut self) {
        self.protection = Protection::Tls;
    }

    fn capabilities(&self) -> &'static str {
        match self.protection {
            Protection::Offered => "IMAP4rev1 LITERAL+ STARTTLS LOGINDISABLED",
            Protection::Tls | Protection::Never => "IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN",
        }
    }

    fn act(&mut self, frame: &[u8]) -> Next {
        if let State::Authenticating(tag) = self.state.clone() {
            self.state = State::NotAuthenticated;
            if frame == b"*" {
                self.answer(&tag, "BAD AUTHENTICATE cancelled");
            } else {
                self.plain(&tag, frame);
            }
            return Next::Receive;
        }
        match Command::parse(frame) {
            Ok(command) => self.command(&command),
            Err(Malformed { tag }) => {
                self.answer(tag.as_deref().unwrap_or("*"), "BAD this is no command");
                Next::Receive
            }
        }
    }

    fn command(&mut self, command: &Command) -> Next {
        let tag = command.tag.as_str();
        let arguments: Vec<&[u8]> = command.arguments.iter().map(Vec::as_slice).collect();
        match (command.name.as_str(), &arguments[..]) {
            ("CAPABILITY", []) => {
                self.say(&format!("* CAPABILITY {}", self.capabilities()));
                self.answer(tag, "OK CAPABILITY completed");
            }
            ("NOOP", []) => self.answer(tag, "OK NOOP completed"),
            ("LOGOUT", []) => {
                self.state = State::LoggedOut;
                self.say("* BYE logging out");
                self.answer(tag, "OK LOGOUT completed");
                return Next::Close;
            }
            ("STARTTLS", []) => return self.start_tls(tag),
            ("LOGIN", [user, password]) => {
                if self.may_log_in(tag) {
                    self.log_in(tag, user, password);
                }
            }
            ("AUTHENTICATE", [mechanism, initial @ ..]) if initial.len() <= 1 => {
                self.authenticate(tag, mechanism, initial.first().copied());
            }
            ("SELECT" | "EXAMINE", [mailbox]) => self.open(tag, &command.name, mailbox),
            ("CLOSE" | "UNSELECT", []) => self.close(tag, &command.name),
            (
                "CAPABILITY" | "NOOP" | "LOGOUT" | "STARTTLS" | "LOGIN" | "AUTHENTICATE" | "SELECT"
                | "EXAMINE" | "CLOSE" | "UNSELECT",
                _,
            ) => self.answer(tag, "BAD wrong number of arguments"),
            _ => self.answer(tag, "BAD unknown command"),
        }
        Next::Receive
    }

    fn start_tls(&mut self, tag: &str) -> Next {
        if self.protection != Protection::Offered {
            self.answer(tag, "BAD STARTTLS is not available");
            return Next::Receive;
        }
        self.answer(tag, "OK begin TLS negotiation now");
        Next::StartTls
    }

    fn authenticate(&mut self, tag: &str, mechanism: &[u8], initial: Option<&[u8]>) {
        if !self.may_log_in(tag) {
            return;
        }
        if !mechanism.eq_ignore_ascii_case(b"PLAIN") {
            return self.answer(tag, "NO [CANNOT] the only mechanism is PLAIN");
        }
        match initial {
            // RFC 4959 section 3: an empty initial response is written as `=`.
            Some(b"=") => self.plain(tag, b""),
            Some(response) => self.plain(tag, response),
            None => {
                self.state = State::Authenticating(tag.to_owned());
                self.say("+ ");
            }
        }
    }

    /// The one message of PLAIN: authorization identity, user and password (RFC 4616 section 2).
    fn plain(&mut self, tag: &str, response: &[u8]) {
        let Ok(message) = BASE64_STANDARD.decode(response) else {
            return self.answer(tag, "BAD this is no base64");
        };
        let fields: Vec<&[u8]> = message.split(|&byte| byte == 0).collect();
        match fields[..] {
            [identity, user, password] if identity.is_empty() || identity == user => {
                self.log_in(tag, user, password);
            }
            [_, _, _] => self.answer(tag, "NO [AUTHORIZATIONFAILED] nobody may act for another user"),
            _ => self.answer(tag, "BAD this is no message of PLAIN"),
        }
    }

    /// Answers a login that cannot be.
    fn may_log_in(&mut self, tag: &str) -> bool {
        if self.state != State::NotAuthenticated {
            self.answer(tag, "BAD already logged in");
            false
        } else if self.protection == Protection::Offered {
            self.answer(tag, "NO [PRIVACYREQUIRED] logins need TLS");
            false
        } else {
            true
        }
    }

    fn log_in(&mut self, tag: &str, user: &[u8], password: &[u8]) {
        if self.account.admits(user, password) {
            self.state = State::Authenticated;
            self.answer(tag, &format!("OK [CAPABILITY {}] logged in", self.capabilities()));
        } else {
            self.answer(tag, "NO [AUTHENTICATIONFAILED] user or password is wrong");
        }
    }

    /// SELECT and EXAMINE (RFC 3501 section 6.3.1).
    fn open(&mut self, tag: &str, name: &str, mailbox: &[u8]) {
        if !matches!(self.state, State::Authenticated | State::Selected) {
            return self.answer(tag, "BAD log in first");
        }
        // A failed SELECT leaves no mailbox open.
        self.state = State::Authenticated;
        let Some(messages) = self.account.messages(mailbox) else {
            return self.answer(tag, "NO [NONEXISTENT] there is no such mailbox");
        };
        self.state = State::Selected;
        let (permanent, access) = match name {
            "EXAMINE" => ("", "READ-ONLY"),
            _ => (r"\Answered \Flagged \Deleted \Seen \Draft", "READ-WRITE"),
        };
        self.say(r"* FLAGS (\Answered \Flagged \Deleted \Seen \Draft)");
        self.say(&format!("* {messages} EXISTS"));
        self.say("* 0 RECENT");
        self.say(&format!("* OK [PERMANENTFLAGS ({permanent})] what stays"));
        self.say("* OK [UIDVALIDITY 1] UIDs are valid");
        self.say(&format!(
            "* OK [UIDNEXT {}] the next UID",
            u64::from(messages) + 1
        ));
        self.answer(tag, &format!("OK [{access}] {name} completed"));
    }

    fn close(&mut self, tag: &str, name: &str) {
        if self.state == State::Selected {
            self.state = State::Authenticated;
            self.answer(tag, &format!("OK {name} completed"));
        } else {
            self.answer(tag, "BAD no mailbox is open");
        }
    }

    fn answer(&mut self, tag: &str, text: &str) {
        self.say(&format!("{tag} {text}"));
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
#[path = "dialogue_tests.rs"]
mod tests;
