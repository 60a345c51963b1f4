//! What the redactor strikes out, and what it leaves.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::*;

fn redacted(secrets: &[&str], text: &str) -> String {
    Redactor::new(secrets.iter().map(|secret| secret.as_bytes()))
        .redact(text)
        .into_owned()
}

#[test]
fn secrets_are_struck_out_wherever_they_stand() {
    for (secrets, text, expected) in [
        (
            &["hunter2"][..],
            "LOGIN probe hunter2 refused",
            "LOGIN probe [redacted] refused",
        ),
        (&["hunter2"], "hunter2", "[redacted]"),
        (&["hunter2"], "hunter2hunter2", "[redacted][redacted]"),
        (&["hunter2"], "hunter 2, Hunter2", "hunter 2, Hunter2"),
        (&["ab", "abcd"], "xabcdx abx", "x[redacted]x [redacted]x"),
        (&["abcd", "cdef"], "abcdef", "[redacted]"),
        (&["abcd", "cdef", "bc"], "xabcdefx", "x[redacted]x"),
        (&["abcdef", "cd"], "abcdef cd", "[redacted] [redacted]"),
        (&["aa"], "aaaaa", "[redacted]"),
        (&["", "x"], "x y", "[redacted] y"),
        (&[""], "unchanged", "unchanged"),
        (&["日本"], "a日本日本b", "a[redacted][redacted]b"),
        (&["é"], "ééé", "[redacted][redacted][redacted]"),
    ] {
        assert_eq!(redacted(secrets, text), expected, "{secrets:?} in {text}");
    }
}

#[test]
fn a_secret_is_found_in_a_name_in_whatever_case() {
    let redactor = Redactor::new([&b"Hunter2-Hunter2"[..], b"mail"]);
    assert!(redactor.finds_in_name("guest.hunter2-hunter2"));
    assert!(redactor.finds_in_name("guest.hunter2-"));
    assert!(redactor.finds_in_name("guest.48756E746572322D"));
    assert!(!redactor.finds_in_name("guest.hunter"));
    // What passwords are made of in a test is what names are made of as well.
    assert!(!redactor.finds_in_name("imap.mailbox.messages"));
}

#[test]
fn a_secret_is_found_in_the_name_of_a_host_which_has_lost_its_case() {
    let redactor = Redactor::new([&b"CorrectHorse-Battery"[..]]);
    assert_eq!(
        redactor.redact("`correcthorse-battery.idp.test:80` is not granted"),
        "`[redacted].idp.test:80` is not granted"
    );
    assert_eq!(redactor.redact("correcthorse.idp.test"), "[redacted].idp.test");
    let short = Redactor::new([&b"Mail"[..]]);
    assert_eq!(short.redact("mail.example.org"), "mail.example.org");
}

#[test]
fn a_text_without_secrets_is_not_copied() {
    assert!(matches!(
        Redactor::new([&b"hunter2"[..]]).redact("nothing"),
        Cow::Borrowed(_)
    ));
    assert!(matches!(Redactor::default().redact("nothing"), Cow::Borrowed(_)));
}

#[test]
fn escaped_forms_are_struck_out() {
    let secret = "a\"b\\c/é\n d";
    for text in [
        format!("\"{}\"", secret.as_bytes().escape_ascii()),
        "\"a\"b\\c/é\\n d\"".to_owned(),
        "\"a&quot;b\\c/&#233;&#10; d\"".to_owned(),
        serde_json::to_string(secret).unwrap(),
        r#""a\"b\\c\/é\n d""#.to_owned(),
        r#""a\"b\\c/\u00e9\n d""#.to_owned(),
        format!("{secret:?}"),
        format!("\"{}\"", secret.escape_default()),
    ] {
        assert_eq!(redacted(&[secret], &text), "\"[redacted]\"", "{text}");
    }
    for text in [
        "a%22b%5Cc%2F%C3%A9%0A%20d",
        "a%22b%5cc%2f%c3%a9%0a%20d",
        "a%22b%5Cc%2F%C3%A9%0A+d",
    ] {
        assert_eq!(redacted(&[secret], text), "[redacted]", "{text}");
    }
    assert_eq!(
        redacted(&["hunter2"], "68756e74657232 68756E74657232"),
        "[redacted] [redacted]"
    );
}

#[test]
fn a_secret_that_is_no_text_is_struck_out_as_bytes_and_as_a_text() {
    let redactor = Redactor::new([&b"\0a\xff\xe9hunter2"[..]]);
    for text in [
        String::from_utf8_lossy(b"\0a\xff\xe9hunter2").into_owned(),
        r"\0a\xff\xe9hunter2".to_owned(),
        r"\x00a\xff\xe9hunter2".to_owned(),
        "\\0a\u{fffd}\u{fffd}hunter2".to_owned(),
        "\\u{0}a\u{fffd}\u{fffd}hunter2".to_owned(),
        "%00a%FF%E9hunter2".to_owned(),
    ] {
        assert_eq!(redactor.redact(&format!("<{text}>")), "<[redacted]>", "{text}");
    }
}

#[test]
fn base64_is_struck_out_where_it_is_escaped_too() {
    let encoded = STANDARD_NO_PAD.encode("??>hunter>??");
    assert!(encoded.contains('/'), "{encoded}");
    let (slashes, percent) = (
        encoded.replace('/', r"\/"),
        encoded.replace('/', "%2F").replace('+', "%2B"),
    );
    for text in [slashes, percent] {
        assert_eq!(
            redacted(&["??>hunter>??"], &format!("<{text}>")),
            "<[redacted]>",
            "{text}"
        );
    }
}

#[test]
fn base64_is_struck_out_at_every_alignment_and_whole() {
    for secret in [
        "hunt",
        "hunter",
        "hunter2",
        "h?>~ÿ~>?",
        "correct horse battery staple",
    ] {
        for before in ["", "p", "pr", "pro", "\0probe\0"] {
            for after in ["", "x", "xy", "xyz"] {
                let plain = format!("{before}{secret}{after}");
                for encoded in [
                    STANDARD.encode(&plain),
                    STANDARD_NO_PAD.encode(&plain),
                    URL_SAFE.encode(&plain),
                    URL_SAFE_NO_PAD.encode(&plain),
                ] {
                    let text = format!("AUTHENTICATE PLAIN {encoded} refused");
                    let expected = "AUTHENTICATE PLAIN [redacted] refused";
                    assert_eq!(redacted(&[secret], &text), expected, "{plain:?}");
                }
            }
        }
    }
}

#[test]
fn short_secrets_do_not_eat_harmless_words() {
    assert_eq!(
        redacted(&["ab"], "YWI is not struck out, ab is"),
        "YWI is not struck out, [redacted] is"
    );
}

#[test]
fn what_comes_up_during_a_run_is_struck_out_too() {
    let mut redactor = Redactor::new([&b"hunter2"[..]]);
    redactor.add(b"AHByb2JlAGh1bnRlcjI=");
    redactor.add(&[0xff, 0xfe]);
    assert_eq!(
        redactor.redact("found AHByb2JlAGh1bnRlcjI= and \u{fffd}\u{fffd}"),
        "found [redacted] and [redacted]"
    );
}

#[test]
fn a_secret_that_was_cut_off_is_struck_out_as_far_as_it_goes() {
    let redactor = Redactor::new([b"correct horse battery".as_slice()]);
    assert_eq!(
        redactor.redact("it said `correct horse b…`"),
        "it said `[redacted]…`"
    );
    assert_eq!(
        redactor.redact("it said `correct horses`"),
        "it said `[redacted]s`"
    );
    assert_eq!(redactor.redact("it said `correct`"), "it said `correct`");
    assert_eq!(
        redactor.redact(r"it said `correct\x20hor\x7…"),
        "it said `[redacted]…"
    );
    assert_eq!(redactor.redact(r"it said `cor\x7"), "it said `[redacted]");
    for mark in ["…", "...", ""] {
        assert_eq!(
            redactor.redact(&format!("it said `xxcorr{mark}")),
            format!("it said `xx[redacted]{mark}")
        );
        assert_eq!(
            redactor.redact(&format!("it said `xxco{mark}")),
            format!("it said `xxco{mark}")
        );
    }
}

#[test]
fn what_is_added_to_a_clone_is_struck_out_of_its_texts_and_of_no_others() {
    let made = Redactor::new([b"hunter2".as_slice()]);
    let redact = |added: &[&str]| {
        let mut clone = made.clone();
        added.iter().for_each(|text| clone.add(text.as_bytes()));
        let text = "hunter2, first-of-all, second-of-all, c2Vjb25kLW9mLWFsbA==";
        (clone.redact(text).into_owned(), clone.finds_in_name("second-of"))
    };
    let nothing = (
        "[redacted], first-of-all, second-of-all, c2Vjb25kLW9mLWFsbA==".to_owned(),
        false,
    );
    let first = (
        "[redacted], [redacted], second-of-all, c2Vjb25kLW9mLWFsbA==".to_owned(),
        false,
    );
    let second = (
        "[redacted], first-of-all, [redacted], [redacted]".to_owned(),
        true,
    );
    let both = ("[redacted], [redacted], [redacted], [redacted]".to_owned(), true);
    // Whatever was added to the clones before.
    for _ in 0..2 {
        assert_eq!(redact(&["first-of-all"]), first);
        assert_eq!(redact(&["first-of-all"]), first);
        assert_eq!(redact(&["second-of-all"]), second);
        assert_eq!(redact(&[]), nothing);
        assert_eq!(redact(&["second-of-all", "first-of-all"]), both);
        assert_eq!(redact(&["first-of-all", "second-of-all", "first-of-all"]), both);
    }
}
