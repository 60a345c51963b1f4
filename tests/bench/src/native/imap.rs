//! The conversation of the check `imap`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;

use super::{Stream, receive, told};
use crate::target::{PASSWORD, USER};

/// Logs in, opens `INBOX`, logs out. The capabilities are in the greeting.
pub(super) async fn converse(stream: impl Stream) -> Result<(), String> {
    let mut conversation = Conversation {
        stream,
        received: Vec::new(),
        commands: 0,
    };
    let greeting = conversation.line().await?;
    if !greeting.starts_with("* OK ") || !greeting.contains("AUTH=PLAIN") || !greeting.contains("SASL-IR") {
        return Err(format!("the server begins with `{}`", greeting.trim_end()));
    }
    let credentials = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
    conversation
        .command(&format!("AUTHENTICATE PLAIN {credentials}"), None)
        .await?;
    conversation.command("EXAMINE INBOX", Some(" EXISTS")).await?;
    conversation.command("LOGOUT", Some("* BYE")).await
}

struct Conversation<S> {
    stream: S,
    received: Vec<u8>,
    commands: u32,
}

impl<S: Stream> Conversation<S> {
    /// Sends a command and waits for its completion, before which there has to be a line with that text.
    async fn command(&mut self, command: &str, wanted: Option<&str>) -> Result<(), String> {
        self.commands += 1;
        let tag = format!("A{}", self.commands);
        let sent = format!("{tag} {command}\r\n");
        self.stream.write_all(sent.as_bytes()).await.map_err(told)?;
        self.stream.flush().await.map_err(told)?;
        let mut is_missing = wanted.is_some();
        loop {
            let line = self.line().await?;
            is_missing &= !wanted.is_some_and(|text| line.contains(text));
            let Some(status) = line.strip_prefix(&tag) else {
                continue;
            };
            if !status.starts_with(" OK") || is_missing {
                return Err(format!("the server answers `{}`", line.trim_end()));
            }
            return Ok(());
        }
    }

    /// The next line, with its end.
    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return String::from_utf8(line).map_err(|_| "a line is no text".to_owned());
            }
            receive(&mut self.stream, &mut self.received).await?;
        }
    }
}
