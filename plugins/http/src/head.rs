//! The head of a response as its sender wrote it, and as it is written today: what RFC 9112 has a user agent take all the
//! same, put into the form that the parser takes. Pure.

use std::ops::Range;

/// Puts fields in former spellings into today's, in place and in as many bytes: a value that goes on in the next line
/// (section 5.2) into one line, a colon behind white space (section 5.1) to its name. Returns how much of it is worth
/// parsing: whole lines, for a line that has not come yet may go on with the one before. What follows the head is left alone.
pub(crate) fn straighten(received: &mut [u8]) -> usize {
    if !received.starts_with(b"HTTP/") {
        return received.len();
    }
    let Some(mut start) = end_of_line(received, 0) else {
        return received.len();
    };
    // Where the value ends that the next line may go on with. Nothing goes on with the status line.
    let mut value_end = None;
    while let Some(end) = end_of_line(received, start) {
        let line = &mut received[start..end];
        if line.trim_ascii_end().is_empty() && !is_blank(line[0]) {
            return end;
        }
        match (value_end, is_blank(line[0])) {
            (Some(value), true) => value_end = Some(unfold(received, value, start..end)),
            (None, true) => {}
            (_, false) => {
                close_up(line);
                value_end = Some(start + line.trim_ascii_end().len());
            }
        }
        start = end;
    }
    start
}

/// Where the line ends that begins at `start`, behind its line feed.
fn end_of_line(bytes: &[u8], start: usize) -> Option<usize> {
    let length = bytes[start..].iter().position(|&byte| byte == b'\n')?;
    Some(start + length + 1)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Moves what a line says behind the value that ends at `value_end`, a space between them, and fills up with spaces.
/// Returns where the value ends now.
fn unfold(bytes: &mut [u8], value_end: usize, line: Range<usize>) -> usize {
    let text = bytes[line.clone()].trim_ascii();
    let length = text.len();
    let begin = line.start + bytes[line.clone()].len() - bytes[line.clone()].trim_ascii_start().len();
    let line_break = line.end - if bytes[line].ends_with(b"\r\n") { 2 } else { 1 };
    let mut end = value_end;
    if length > 0 {
        bytes[end] = b' ';
        bytes.copy_within(begin..begin + length, end + 1);
        end += 1 + length;
    }
    bytes[end..line_break].fill(b' ');
    end
}

/// Moves the colon of a field to its name.
fn close_up(line: &mut [u8]) {
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return;
    };
    let name = line[..colon].iter().rposition(|&byte| !is_blank(byte));
    if let Some(last) = name {
        line[last + 1..=colon].fill(b' ');
        line[last + 1] = b':';
    }
}
