//! Fuzzing the translation: whatever a file holds, it is turned or refused with a line, and no secret gets through.

use bedcheck_fuzz::{Fuzz, Random};

use super::*;

/// What stands where secrets do.
const SECRET: &str = "hunter2";

const WORDS: [&[u8]; 30] = [
    b"modules:\n",
    b"  m:\n",
    b"    prober: http\n",
    b"    prober: tcp\n",
    b"    prober: dns\n",
    b"    timeout: 5s\n",
    b"    http:\n",
    b"    tcp:\n",
    b"    dns: {query_name: a, valid_rcodes: [NOERROR]}\n",
    b"      basic_auth: {username: a, password: hunter2}\n",
    b"      bearer_token: hunter2\n",
    b"      authorization: {type: X, credentials: hunter2}\n",
    b"      headers: {Cookie: hunter2, A: b}\n",
    b"      http_headers: {X: {secrets: [hunter2]}}\n",
    b"      oauth2: {client_secret: hunter2}\n",
    b"      tls_config: {key: hunter2, ca_file: x}\n",
    b"      valid_status_codes: [200, x]\n",
    b"      fail_if_header_matches: [{header: A, regexp: '.*'}]\n",
    b"      query_response:\n",
    b"      - expect: \"^(?P<a>x)$\"\n",
    b"        labels: [{name: a, value: '$1'}]\n",
    b"      - send: \"a LOGIN b hunter2\"\n",
    b"      - send: !!binary AAAA\n",
    b"      - starttls: true\n",
    b"      tls: true\n",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"\x00",
    b"\n",
];

fn property(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let lines = text.lines().count() + 1;
    match import(&text, "x.yml", &[]) {
        Err(error) => assert!(!error.message.is_empty()),
        Ok(imported) => {
            for note in &imported.notes {
                assert!((1..=lines).contains(&note.line), "{note}");
            }
            let modules = imported.toml.lines().filter(|line| *line == "[[module]]").count();
            assert_eq!(modules, imported.modules, "{}", imported.toml);
            assert!(
                imported
                    .toml
                    .lines()
                    .all(|line| !line.chars().any(char::is_control)),
                "{:?}",
                imported.toml
            );
        }
    }
}

/// A file of whole lines, in which secrets stand only where they are known as such.
fn lines(random: &mut Random) -> Vec<u8> {
    let mut text: Vec<u8> = b"modules:\n  m:\n    prober: ".to_vec();
    text.extend(
        *random
            .choice([&b"http\n    http:\n"[..], b"tcp\n    tcp:\n"].as_slice())
            .unwrap_or(&&b""[..]),
    );
    for _ in 0..random.u8(..8) {
        let word = random.u8(9..25);
        text.extend(WORDS[usize::from(word)]);
    }
    text
}

#[test]
fn import_of_blackbox() {
    Fuzz::new("import_of_blackbox")
        .dictionary(&WORDS)
        .generator(lines)
        .run(property);
}

#[test]
fn no_secret_gets_through() {
    let mut random = Random::with_seed(7);
    for _ in 0..2_000 {
        let text = String::from_utf8(lines(&mut random)).expect("the words are text");
        if let Ok(imported) = import(&text, "x.yml", &[]) {
            let everything = format!("{}{:?}", imported.toml, imported.notes);
            assert!(!everything.contains(SECRET), "{text}\n{everything}");
        }
    }
}
