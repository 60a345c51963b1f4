//! Fuzzing what texts go through before they are shown: nothing that steers a terminal passes, and what is
//! shortened and wrapped fits.

use bedcheck_fuzz::{Bytes, Fuzz};

use super::printable::{column, columns, fit, printable_ascii, wrap};
use crate::text::{is_dangerous, printable};

fn property(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let (width, most) = (bytes.below(90), bytes.below(6) + 1);
    let ellipsis = *bytes.pick(&["…", "...", ""]);
    let text = String::from_utf8_lossy(bytes.rest());
    let shown = printable(&text);
    assert!(!shown.contains(is_dangerous), "{shown:?}");
    assert_eq!(printable(&shown), shown, "once is enough");
    let ascii = printable_ascii(&text);
    assert!(ascii.is_ascii() && !ascii.contains(is_dangerous), "{ascii:?}");
    assert!(columns(&fit(&shown, width, ellipsis)) <= width, "{shown:?}");
    assert_eq!(columns(&column(&shown, width, ellipsis)), width, "{shown:?}");
    let lines = wrap(&shown, width, most, ellipsis);
    assert!(lines.len() <= most, "{lines:?}");
    for line in &lines {
        // One character may be wider than the line.
        assert!(
            columns(line) <= width || line.chars().count() == 1,
            "{line:?} of {width}"
        );
    }
}

#[test]
fn printable_texts() {
    let words: [&[u8]; 12] = [
        b"\x1b[2J",
        b"\xc2\x9b",
        b" ",
        b"  ",
        b"\n",
        b"\xe6\x97\xa5",
        b"\xf0\x9f\x9b\x8f",
        b"e\xcc\x81",
        b"\xe2\x80\x8d",
        b"\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",
        b"\xef\xb8\x8f",
        b"\xe2\x80\xae",
    ];
    Fuzz::new("printable_texts")
        .seeds([
            "\x08\x02\x00one two three four",
            "\x04\x05\x00日本 e\u{301} 👩\u{200d}💻 \x1b[31m",
        ])
        .dictionary(&words)
        .run(property);
}
