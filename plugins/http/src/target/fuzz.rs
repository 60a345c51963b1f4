//! Fuzzing URLs: what is taken apart without parsing is what parsing makes of it.

use bedcheck_fuzz::{Fuzz, Random};
use url::Url;

use super::Target;

const WORDS: [&[u8]; 40] = [
    b"http://",
    b"https://",
    b"ftp://",
    b"HTTP:",
    b"//",
    b"/",
    b".",
    b"..",
    b"/./",
    b"/../",
    b":",
    b":80",
    b":443",
    b":8080",
    b":08",
    b":65536",
    b"?",
    b"#",
    b"@",
    b"a",
    b"example.org",
    b"EXAMPLE",
    b"127.0.0.1",
    b"127.1",
    b"1",
    b"01",
    b"0x7f",
    b"[::1]",
    b"-",
    b"--",
    b"xn--bcher-kva",
    b"xn--",
    b"_",
    b"%2e",
    b"%",
    b"\\",
    b" ",
    b"\t",
    b"\xc3\xbc",
    b"~=&+,:;@",
];

/// Holds both ways of reading a URL against each other.
pub(super) fn assert_same(text: &str) {
    if let Some(plain) = Target::parse_plain(text) {
        let url = Url::parse(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(Target::from_url(url), Ok(plain), "{text:?}");
    }
}

fn urls(random: &mut Random) -> Vec<u8> {
    let words = std::iter::repeat_with(|| random.choice(WORDS.as_slice()).copied().unwrap_or_default());
    words.take(8).collect::<Vec<_>>().concat()
}

#[test]
fn http_urls() {
    Fuzz::new("http_urls")
        .dictionary(&WORDS)
        .generator(urls)
        .max_length(64)
        .run(|input| {
            let text = String::from_utf8_lossy(input);
            assert_same(&text);
            assert_same(&format!("http://{text}"));
            assert_same(&format!("https://example.org/{text}"));
        });
}
