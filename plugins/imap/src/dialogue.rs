//! The conversation with the server, command by command: sends, waits, compares tags, and turns what
//! goes wrong into failures. In which order and in which phases is for `check.rs` to say.

use bedcheck_sdk::{CallError, Failure, Reason};

use crate::commands::{Command, MAX_PLAIN, Tag};
use crate::foreign;
use crate::host::{Recorder, Transport};
use crate::receive::Receiver;
use crate::remarks::{Remarks, said};
use crate::response::{self, Capabilities, Condition, Greeting, GreetingKind, Response, Status, Words};
use crate::settings::{Open, Tls};
use crate::text;

/// The most bytes of all responses of a run together. Opening a mailbox takes about 1 KiB, and there are fifty at
/// most; the rest is room for what a server may add unasked, and an end to a flood of it.
pub(crate) const MAX_ANSWERS: usize = 1024 * 1024;

/// The most responses of a run, in the same way: opening a mailbox takes ten. However short they are, so many, and so
/// many bytes that come one by one, are read with less fuel than a run has by default.
const MAX_RESPONSES: u32 = 20_000;

/// Response codes of a refused login that say that the server, not the credentials, is the trouble
/// (RFC 5530 section 3).
const SERVER_TROUBLE: [&str; 6] = [
    "UNAVAILABLE",
    "SERVERBUG",
    "INUSE",
    "LIMIT",
    "PRIVACYREQUIRED",
    "CANNOT",
];

/// What a mailbox said when it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// How many messages it holds.
    pub(crate) messages: Option<u32>,
    /// How many of them are recent.
    pub(crate) recent: Option<u32>,
}

/// What a server said in its greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeted {
    /// Whether the client is known already.
    pub(crate) is_preauth: bool,
    /// What the server can do, where that is told.
    pub(crate) capabilities: Option<Capabilities>,
}

/// A conversation. After anything but a regular answer it has ended: what comes next cannot be told
/// apart from what is late, so every further command fails at once with that first failure.
pub(crate) struct Dialogue<'r, T, R> {
    transport: T,
    recorder: &'r R,
    receiver: Receiver,
    commands: u32,
    responses: u32,
    answers_length: usize,
    remarks: Remarks<'r, R>,
    ended: Option<Failure>,
}

impl<'r, T: Transport, R: Recorder> Dialogue<'r, T, R> {
    /// A conversation over a connection on which nothing has been read yet.
    pub(crate) fn new(transport: T, recorder: &'r R) -> Self {
        Self {
            transport,
            recorder,
            receiver: Receiver::default(),
            commands: 0,
            responses: 0,
            answers_length: 0,
            remarks: Remarks::new(recorder),
            ended: None,
        }
    }

    /// Waits for the greeting (RFC 9051 section 7.1). `BYE` fails; so does `PREAUTH` where STARTTLS is
    /// wanted, for it rules STARTTLS out (RFC 9051 section 11.1).
    pub(crate) fn greeting(&mut self, tls: Tls) -> Result<Greeted, Failure> {
        let greeted = self
            .receive_greeting()
            .and_then(|()| greeted(self.receiver.last(), tls));
        self.ending(greeted)
    }

    fn receive_greeting(&mut self) -> Result<(), Failure> {
        loop {
            if let Some(finding) = foreign::recognise(self.receiver.pending()) {
                return Err(Failure::unexpected_response(finding));
            }
            if self.take_response()? {
                return Ok(());
            }
            self.receive("before its greeting", "")?;
        }
    }

    /// Asks what the server can do.
    pub(crate) fn capability(&mut self) -> Result<Capabilities, Failure> {
        let command = Command::capability(self.next_tag());
        let mut capabilities = None;
        let status = self.command(&command, |response| {
            if let Response::Capabilities(listed) = response {
                capabilities = Some(listed);
            }
        })?;
        accepted(&command, status)?;
        let capabilities = capabilities.or_else(|| status.words.capabilities());
        capabilities.ok_or_else(|| {
            Failure::unexpected_response("the server completed CAPABILITY without listing its capabilities")
        })
    }

    /// Asks for TLS. All that was received by then must have been part of the plaintext conversation:
    /// anything behind the answer could have been put there by an attacker, to be taken as said under
    /// TLS (RFC 9051 section 6.2.1).
    pub(crate) fn request_tls(&mut self, capabilities: &Capabilities) -> Result<(), Failure> {
        if !capabilities.starttls {
            return Err(Failure::tls_not_offered("the server does not offer STARTTLS"));
        }
        let command = Command::starttls(self.next_tag());
        let status = self.command(&command, |_| ())?;
        if status.condition != Condition::Ok {
            return Err(Failure::tls_not_offered(answered(&command, status)));
        }
        let injected = self.receiver.pending();
        if injected.is_empty() {
            return Ok(());
        }
        let injected = text::escaped(injected);
        self.ending(Err(Failure::unexpected_response(format!(
            "the server sent `{injected}` in the clear behind its answer to STARTTLS"
        ))))
    }

    /// Negotiates TLS. Nothing said before is of use after it.
    pub(crate) fn start_tls(&mut self) -> Result<(), Failure> {
        let result = self.transport.start_tls();
        self.receiver = Receiver::default();
        self.ending(result)
    }

    /// Logs in: `AUTHENTICATE PLAIN` where it is offered, otherwise `LOGIN` unless it is disabled.
    pub(crate) fn login(&mut self, user: &str, capabilities: &Capabilities) -> Result<(), Failure> {
        let command = self.login_command(user, capabilities)?;
        let mut step = 0;
        let status = self.command(&command, |response| {
            step += usize::from(matches!(response, Response::Continuation));
        })?;
        match status.condition {
            Condition::Ok => Ok(()),
            // It cannot have refused credentials that it has not seen.
            Condition::No if step < command.credentials => Err(Failure::unexpected_response(format!(
                "{}, before it was told who logs in",
                answered(&command, status)
            ))),
            Condition::No if !SERVER_TROUBLE.iter().any(|code| status.words.have_code(code)) => {
                let words = status.words.shown();
                Err(Failure::auth_rejected(format!(
                    "the server rejected the login: `{words}`"
                )))
            }
            Condition::No | Condition::Bad => Err(Failure::unexpected_response(answered(&command, status))),
        }
    }

    fn login_command(&mut self, user: &str, capabilities: &Capabilities) -> Result<Command, Failure> {
        let tag = self.next_tag();
        let length = self.transport.password_length();
        if capabilities.auth_plain && Command::fits_plain(user, length) {
            Ok(Command::authenticate_plain(tag, user, capabilities))
        } else if !capabilities.login_disabled {
            Ok(Command::login(tag, user, length, capabilities))
        } else if capabilities.auth_plain {
            let length = user.len() + length;
            Err(Failure::settings_invalid(format!(
                "`user` and `password` have {length} bytes together: the server takes `AUTHENTICATE PLAIN` only, for \
                 which they have at most {MAX_PLAIN}"
            )))
        } else {
            Err(Failure::unexpected_response(
                "the server offers no way to log in: `LOGINDISABLED` without `AUTH=PLAIN`",
            ))
        }
    }

    /// Opens a mailbox, which closes the one before.
    pub(crate) fn open(&mut self, mailbox: &str, open: Open) -> Result<Opened, Failure> {
        let command = Command::open(self.next_tag(), mailbox, open);
        let mut opened = Opened::default();
        let status = self.command(&command, |response| match response {
            Response::Exists(messages) => opened.messages = Some(messages),
            Response::Recent(messages) => opened.recent = Some(messages),
            // What came before was about the mailbox that was open (RFC 9051 section 7.1).
            Response::Untagged(status) if status.words.have_code("CLOSED") => opened = Opened::default(),
            _ => {}
        })?;
        accepted(&command, status)?;
        Ok(opened)
    }

    /// Logs out. A server that closes after its `BYE` without completing the command is forgiven.
    pub(crate) fn logout(&mut self) -> Result<(), Failure> {
        let command = Command::logout(self.next_tag());
        let mut bye = false;
        let result = self.command(&command, |response| bye |= matches!(response, Response::Bye(_)));
        match result {
            Ok(status) => accepted(&command, status),
            Err(failure) if bye && is_closed(&failure) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Takes leave without waiting for an answer: for a check that has failed already, and is to say so
    /// now. A client should not just hang up (RFC 9051 section 3.4).
    pub(crate) fn leave(&mut self) {
        if self.ended.is_none() {
            let command = Command::logout(self.next_tag());
            if let Err(failure) = self.transport.send(&command.first) {
                let message = format!("LOGOUT could not be sent: {failure}");
                self.recorder.debug(&message);
            }
        }
    }

    /// Sends a command and waits for its completion; shows every untagged response and every go-ahead to `observe`.
    fn command(
        &mut self,
        command: &Command,
        observe: impl FnMut(Response<'_>),
    ) -> Result<Status<'_>, Failure> {
        if let Some(failure) = &self.ended {
            return Err(failure.clone());
        }
        let result = self.exchange(command, observe);
        self.remarks.count_untold();
        let condition = self.ending(result)?;
        let words = response::words_of_status(self.receiver.last());
        Ok(Status { condition, words })
    }

    /// The condition of the completion, which is the last response.
    fn exchange(
        &mut self,
        command: &Command,
        mut observe: impl FnMut(Response<'_>),
    ) -> Result<Condition, Failure> {
        let name = command.name;
        let mut later = command.later.iter();
        self.transport.send(&command.first)?;
        loop {
            if !self.take_response()? {
                self.receive("during ", name)?;
                continue;
            }
            let bytes = self.receiver.last();
            let Some(response) = response::decode(bytes) else {
                self.remarks.on_undecoded(name, bytes)?;
                continue;
            };
            match response {
                Response::Continuation => match later.next() {
                    Some(step) => {
                        observe(response);
                        self.transport.send(step)?;
                    }
                    None => {
                        return Err(Failure::unexpected_response(format!(
                            "the server asks for more of {name}, which was sent as a whole"
                        )));
                    }
                },
                Response::Tagged { tag, .. } if tag != command.tag.as_bytes() => {
                    return Err(Failure::unexpected_response(format!(
                        "the server completed a command tagged `{}`: `{}` was wanted",
                        text::shown(tag),
                        text::shown(command.tag.as_bytes())
                    )));
                }
                Response::Tagged { status, .. } if status.condition == Condition::Ok && later.len() > 0 => {
                    return Err(Failure::unexpected_response(format!(
                        "the server completed {name} before it was sent as a whole"
                    )));
                }
                Response::Tagged { status, .. } => return Ok(status.condition),
                Response::Bye(words) if name != "LOGOUT" => return Err(bye(words)),
                other => {
                    self.remarks.on(other);
                    observe(other);
                }
            }
        }
    }

    /// Takes the next response, as long as there are not too many, or says that it is not whole.
    fn take_response(&mut self) -> Result<bool, Failure> {
        if !self.receiver.take()? {
            return Ok(false);
        }
        self.responses += 1;
        self.answers_length += self.receiver.last().len();
        if self.responses > MAX_RESPONSES {
            return Err(Failure::too_large(format!(
                "the server sends more than {MAX_RESPONSES} responses in all"
            )));
        }
        if self.answers_length > MAX_ANSWERS {
            return Err(Failure::too_large(format!(
                "the server sends responses of more than {MAX_ANSWERS} bytes in all"
            )));
        }
        Ok(true)
    }

    /// Waits for more; when, in two parts, is said if the server ends the stream instead.
    fn receive(&mut self, when: &str, command: &str) -> Result<(), Failure> {
        let bytes = self.transport.receive()?;
        if bytes.is_empty() {
            let pending = self.receiver.pending();
            let after = if pending.is_empty() {
                String::new()
            } else {
                format!(", in the middle of a response: `{}`", text::escaped(pending))
            };
            return Err(Failure::connection_closed(format!(
                "the server closed the connection {when}{command}{after}"
            )));
        }
        self.receiver.push(bytes);
        Ok(())
    }

    fn ending<V>(&mut self, result: Result<V, Failure>) -> Result<V, Failure> {
        if let Err(failure) = &result {
            self.ended.get_or_insert_with(|| failure.clone());
        }
        result
    }

    fn next_tag(&mut self) -> Tag {
        self.commands += 1;
        Tag::new(self.commands)
    }
}

/// What the greeting in this response says, if a check can go on after it.
fn greeted(bytes: &[u8], tls: Tls) -> Result<Greeted, Failure> {
    let Some(Greeting { kind, words }) = response::decode_greeting(bytes) else {
        let line = text::escaped(bytes);
        return Err(Failure::unexpected_response(format!(
            "the server begins with `{line}`, which is no IMAP greeting"
        )));
    };
    match kind {
        GreetingKind::Bye => Err(bye(words)),
        GreetingKind::PreAuth if tls == Tls::Starttls => Err(Failure::tls_not_offered(format!(
            "the server greets with `{}`, after which STARTTLS is not possible",
            said("PREAUTH", words)
        ))),
        GreetingKind::Ok | GreetingKind::PreAuth => Ok(Greeted {
            is_preauth: kind == GreetingKind::PreAuth,
            capabilities: words.capabilities(),
        }),
    }
}

fn accepted(command: &Command, status: Status<'_>) -> Result<(), Failure> {
    match status.condition {
        Condition::Ok => Ok(()),
        Condition::No | Condition::Bad => Err(Failure::unexpected_response(answered(command, status))),
    }
}

fn answered(command: &Command, status: Status<'_>) -> String {
    format!(
        "the server answered {} with `{}`",
        command.name,
        said(status.condition.as_str(), status.words)
    )
}

fn bye(words: Words<'_>) -> Failure {
    Failure::unexpected_response(format!("the server said `{}`", said("BYE", words)))
}

fn is_closed(failure: &Failure) -> bool {
    matches!(
        failure.reason(),
        Reason::Call(CallError::ConnectionClosed | CallError::ConnectionReset)
    )
}
