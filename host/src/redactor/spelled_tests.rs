//! Tests of `spelled.rs`.

use super::*;

/// How much of the bytes the text stands for, and how much of the text that is.
fn beginning(bytes: &[u8], text: &str) -> (usize, usize) {
    let Piece { wanted, written } = Spelled::new(bytes).beginning(text.as_bytes());
    (wanted, written)
}

#[test]
fn every_byte_may_be_written_in_its_own_way() {
    let secret = "a\t\"\\%&é\u{1f600} z".as_bytes();
    for text in [
        "a\t\"\\%&é\u{1f600} z",
        r#"a\t\"\\%&é😀 z"#,
        r#"a\t"\%&é😀 z"#,
        r"a\x09\x22\x5c\x25\x26\xc3\xa9\xf0\x9f\x98\x80\x20z",
        r"\u0061\u0009\u0022\u005C\u0025\u0026\u00e9\ud83d\ude00 z",
        r"a\u{9}\u{22}\u{5c}\u{25}\u{26}\u{e9}\u{1f600}\u{20}z",
        "a%09%22%5C%25%26%C3%a9%F0%9f%98%80+z",
        "a&#9;&quot;\\%&amp;é&#x1F600; z",
        "a&#x9;\\\"%5c%25&amp;\\xc3\\xa9\\u{1f600}%20z",
        r#"a\t\"\\%&\303\251\360\237\230\200 z"#,
        r#"\141\11\42\134\45\46\xe9\U0001F600\40z"#,
        r"a\t\42\\%&\xc3\251\U0001f600 z",
    ] {
        assert_eq!(beginning(secret, text), (secret.len(), text.len()), "{text}");
    }
}

#[test]
fn what_an_escape_stands_for_where_it_may_be_several_things_is_told_by_the_rest() {
    for (bytes, texts) in [
        (&b"\x001"[..], &[r"\01", r"\0001", r"\x001"][..]),
        (b"\x0000", &[r"\000", r"\00000", r"\x0000"]),
        (b"\x017", &[r"\0017", r"\x017"]),
        (b"\x7f8", &[r"\1778", r"\x7f8"]),
        (
            "\u{c3}\u{82}".as_bytes(),
            &[r"\xc3\x82", r"\xc3\x83\xc2\x82", r"\303\203\302\202"],
        ),
        ("\u{c3}x".as_bytes(), &[r"\xc3x", r"\xc3\x83x"]),
        (b"\xe9z", &[r"\xe9z", r"\351z"]),
    ] {
        for text in texts {
            assert_eq!(beginning(bytes, text), (bytes.len(), text.len()), "{text}");
        }
    }
}

#[test]
fn it_goes_as_far_as_the_text_agrees() {
    for (bytes, text, expected) in [
        (&b"abc"[..], "abd", (2, 2)),
        (b"abc", "", (0, 0)),
        (b"abc", r"a\x62\x6", (2, 5)),
        (b"a\nb", r"a\nc", (2, 3)),
        (b"a\\nb", r"a\nb", (4, 4)),
        (b"a\\nb", r"a\\nb", (4, 5)),
        (b"\0\x010", r"\0\x010", (3, 7)),
        ("é".as_bytes(), r"\xc3", (1, 4)),
        (b"\xff\xfe", r"\xff%FE", (2, 7)),
        (b"%41", "%41", (3, 3)),
        (b"&amp;", "&amp;", (5, 5)),
        (b"&amp;", "&amp;amp;", (5, 9)),
    ] {
        assert_eq!(beginning(bytes, text), expected, "{bytes:?} in {text}");
    }
}

#[test]
fn what_is_no_escape_stands_for_nothing_else() {
    for text in [
        r"\",
        r"\q",
        r"\x4",
        r"\xg1",
        r"\u{}",
        r"\u{110000}",
        r"\u12",
        r"\ud83d",
        r"\8",
        r"\U0000004",
        r"\U00110000",
        "%",
        "%4",
        "&;",
        "&#;",
        "&#x;",
        "&lt",
    ] {
        assert_eq!(beginning(b"A", text), (0, 0), "{text}");
        let escapes = escapes(text.as_bytes(), Reading::default()).map(|escape| escape.is_some());
        assert_eq!(escapes, [false; 3], "{text}");
    }
}
