//! An IMAP4rev1 server (RFC 3501) that knows what the built-in check and `check_imap` say: its capabilities are in the
//! greeting, one user may log in, and every mailbox has three messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::serve::Stream;
use super::{PASSWORD, USER};

/// The longest command, in bytes.
const MAX_COMMAND: usize = 8 * 1024;
const GREETING: &[u8] =
    b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN] bench is ready\r\n";

/// Converses until the client says goodbye or leaves.
pub(super) async fn converse(mut stream: impl Stream) -> std::io::Result<()> {
    stream.write_all(GREETING).await?;
    let mut received = Vec::with_capacity(1024);
    loop {
        let Some(end) = received.iter().position(|&byte| byte == b'\n') else {
            if received.len() > MAX_COMMAND || stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let line: Vec<u8> = received.drain(..=end).collect();
        let (answer, is_over) = answer(String::from_utf8_lossy(&line).trim_end());
        stream.write_all(answer.as_bytes()).await?;
        if is_over {
            return stream.shutdown().await;
        }
    }
}

/// The answer to a command, and whether it was the last.
fn answer(line: &str) -> (String, bool) {
    let mut words = line.split(' ');
    let (tag, command) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let answer = match command.to_ascii_uppercase().as_str() {
        "CAPABILITY" => {
            format!("* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN\r\n{tag} OK done\r\n")
        }
        "AUTHENTICATE" if is_let_in(words.nth(1)) => format!("{tag} OK logged in\r\n"),
        "AUTHENTICATE" | "LOGIN" => format!("{tag} NO [AUTHENTICATIONFAILED] not you\r\n"),
        "EXAMINE" | "SELECT" => format!(
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n\
             * OK [PERMANENTFLAGS ()] none\r\n* 3 EXISTS\r\n* 0 RECENT\r\n\
             * OK [UIDVALIDITY 1] valid\r\n* OK [UIDNEXT 4] next\r\n{tag} OK [READ-ONLY] opened\r\n"
        ),
        "LOGOUT" => return (format!("* BYE goodbye\r\n{tag} OK done\r\n"), true),
        "NOOP" => format!("{tag} OK done\r\n"),
        _ => format!("{tag} BAD unknown\r\n"),
    };
    (answer, false)
}

fn is_let_in(response: Option<&str>) -> bool {
    let expected = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
    response == Some(expected.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_is_let_in() {
        let login = |password: &str| {
            let response = STANDARD.encode(format!("\0{USER}\0{password}"));
            answer(&format!("A1 AUTHENTICATE PLAIN {response}")).0
        };
        assert_eq!(login(PASSWORD), "A1 OK logged in\r\n");
        assert!(login("guess").starts_with("A1 NO "));
    }

    #[test]
    fn a_logout_is_the_end() {
        assert_eq!(
            answer("a1 logout"),
            ("* BYE goodbye\r\na1 OK done\r\n".into(), true)
        );
        assert!(!answer("A1 NOOP").1);
    }
}
