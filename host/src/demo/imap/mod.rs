//! A small IMAP4rev1 server with one account: enough of RFC 3501 to log in, open mailboxes and count
//! their messages, over implicit TLS, STARTTLS or neither. Here is the connection; what is said on it is
//! in `dialogue`.

mod command;
mod dialogue;
mod framing;

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use self::dialogue::{Dialogue, Next, Protection};
use super::endpoint::finish;

/// How a server protects its conversations.
#[derive(Clone)]
pub(crate) enum Security {
    /// TLS from the first byte (RFC 8314).
    ImplicitTls(TlsAcceptor),
    /// TLS once the client asks for it; no login before.
    StartTls(TlsAcceptor),
    /// None, and passwords are taken in the clear.
    Plaintext,
}

/// The one account of a server. Not printable, for it holds the password.
pub(crate) struct Account {
    user: String,
    password: String,
    mailboxes: Vec<(String, u32)>,
}

impl Account {
    /// An account without mailboxes.
    pub(crate) fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            mailboxes: Vec::new(),
        }
    }

    /// Adds a mailbox with so many messages.
    #[must_use]
    pub(crate) fn mailbox(mut self, name: &str, messages: u32) -> Self {
        self.mailboxes.push((name.to_owned(), messages));
        self
    }

    fn admits(&self, user: &[u8], password: &[u8]) -> bool {
        user == self.user.as_bytes() && password == self.password.as_bytes()
    }

    /// How many messages a mailbox holds; nothing when there is none of this name. Only `INBOX` may be
    /// written in any case (RFC 3501 section 5.1).
    fn messages(&self, mailbox: &[u8]) -> Option<u32> {
        let is_it = |name: &str| {
            name.as_bytes() == mailbox || name == "INBOX" && mailbox.eq_ignore_ascii_case(b"INBOX")
        };
        self.mailboxes
            .iter()
            .find(|(name, _)| is_it(name))
            .map(|&(_, messages)| messages)
    }
}

/// Serves one connection until one of the two sides ends it.
///
/// # Errors
/// When TLS or the network fails.
pub(crate) async fn serve(
    mut stream: TcpStream,
    account: Arc<Account>,
    security: Security,
) -> io::Result<()> {
    match security {
        Security::ImplicitTls(acceptor) => {
            let mut dialogue = Dialogue::new(account, Protection::Tls);
            let mut stream = acceptor.accept(stream).await?;
            converse(&mut stream, &mut dialogue).await?;
            finish(&mut stream).await
        }
        Security::StartTls(acceptor) => {
            let mut dialogue = Dialogue::new(account, Protection::Offered);
            if converse(&mut stream, &mut dialogue).await? == Ended::ForTls {
                let mut stream = acceptor.accept(stream).await?;
                dialogue.tls_started();
                converse(&mut stream, &mut dialogue).await?;
                return finish(&mut stream).await;
            }
            finish(&mut stream).await
        }
        Security::Plaintext => {
            converse(&mut stream, &mut Dialogue::new(account, Protection::Never)).await?;
            finish(&mut stream).await
        }
    }
}

/// Why a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// One of the two sides is done.
    ForGood,
    /// To go on under TLS.
    ForTls,
}

async fn converse<S>(stream: &mut S, dialogue: &mut Dialogue) -> io::Result<Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut received = [0; 4096];
    let mut next = Next::Receive;
    loop {
        stream.write_all(&dialogue.take_output()).await?;
        stream.flush().await?;
        match next {
            Next::Receive => {}
            Next::StartTls => return Ok(Ended::ForTls),
            Next::Close => return Ok(Ended::ForGood),
        }
        let count = stream.read(&mut received).await?;
        if count == 0 {
            return Ok(Ended::ForGood);
        }
        next = dialogue.receive(&received[..count]);
    }
}
