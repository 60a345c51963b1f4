//! The inputs that are kept, in the folders `corpus` and `findings` of this crate: a file for each target, an
//! input on each line, bytes that are no printable US-ASCII as escapes. So they can be read, and a change of
//! them as well. Lines that begin with `#` say something about the one below.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the inputs that together reach much.
const CORPUS: &str = "corpus";
/// The folder of the inputs that failed once, each with a line about it.
const FINDINGS: &str = "findings";

/// Everything that is kept for a target.
///
/// # Panics
///
/// When a line cannot be read back: somebody wrote it by hand.
pub(crate) fn kept(target: &str) -> Vec<Vec<u8>> {
    [FINDINGS, CORPUS]
        .iter()
        .map(|folder| path(folder, target))
        .flat_map(|path| {
            let text = fs::read_to_string(&path).unwrap_or_default();
            read(&text).unwrap_or_else(|line| panic!("{}:{line}: no escaped bytes", path.display()))
        })
        .collect()
}

/// Replaces a target's corpus.
///
/// # Panics
///
/// When the file cannot be written.
pub(crate) fn keep(target: &str, inputs: &[Vec<u8>]) {
    let mut lines: Vec<String> = inputs.iter().map(|input| line(input)).collect();
    lines.sort_by_key(|line| (line.len(), line.clone()));
    let path = path(CORPUS, target);
    fs::write(&path, lines.concat()).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
}

/// An input as a line of a file.
pub(crate) fn line(input: &[u8]) -> String {
    // `#` at the beginning would make it a comment.
    match input.split_first() {
        Some((b'#', rest)) => format!("\\x23{}\n", rest.escape_ascii()),
        _ => format!("{}\n", input.escape_ascii()),
    }
}

/// The file in which a target's findings are kept.
pub(crate) fn findings(target: &str) -> PathBuf {
    path(FINDINGS, target)
}

fn path(folder: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(format!("{target}.txt"))
}

/// The inputs of a file's text, or the number of the line that is none.
fn read(text: &str) -> Result<Vec<Vec<u8>>, usize> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'))
        .map(|(index, line)| unescaped(line).ok_or(index + 1))
        .collect()
}

fn unescaped(line: &str) -> Option<Vec<u8>> {
    let mut bytes = line.bytes();
    let mut input = Vec::with_capacity(line.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            input.push(byte);
            continue;
        }
        input.push(match bytes.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => hexadecimal(bytes.next()?)? * 16 + hexadecimal(bytes.next()?)?,
            same @ (b'\\' | b'\'' | b'"') => same,
            _ => return None,
        });
    }
    Some(input)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_is_read_back_from_its_line() {
        let all: Vec<u8> = (0..=255).collect();
        for input in [&all[..], b"# no comment", b"", b"\"\\n\"", "Größe\r\n".as_bytes()] {
            let line = line(input);
            assert_eq!(
                read(&format!("# a comment\n{line}")),
                Ok(vec![input.to_vec()]),
                "{line}"
            );
        }
        assert_eq!(read("a\n\\q\n"), Err(2));
        assert_eq!(read("\\x4"), Err(1));
    }
}
