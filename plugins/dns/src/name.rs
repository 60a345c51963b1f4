//! Names as zone files write them (RFC 1035 section 5.1): `\.` is a dot within a label, `\009` the byte 9 in decimal.
//! Pure.

use hickory_proto::rr::Name;

/// Reads a name. It is one from the root, with the dot at its end or without it.
pub(crate) fn parse(text: &str) -> Result<Name, String> {
    let mut labels = vec![Vec::new()];
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'.' => {
                labels.push(Vec::new());
                continue;
            }
            b'\\' => escaped(&mut bytes)
                .ok_or("`\\` is followed by three decimal digits up to 255, or a character")?,
            b'!'..=b'~' => byte,
            _ => return Err("it holds something that is neither a letter, a digit nor a sign".into()),
        };
        if let Some(label) = labels.last_mut() {
            label.push(byte);
        }
    }
    if text == "." {
        labels.clear();
    } else if labels.len() > 1 && labels.last().is_some_and(Vec::is_empty) {
        // The dot at the end.
        labels.pop();
    }
    let name = labels.into_iter().try_fold(Name::root(), Name::append_label);
    let mut name = name.map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
}

/// The byte that is meant by what follows `\`.
fn escaped(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let first = bytes.next().filter(u8::is_ascii_graphic)?;
    let Some(hundreds) = digit(first) else {
        return Some(first);
    };
    let (tens, ones) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
    u8::try_from(hundreds * 100 + tens * 10 + ones).ok()
}

/// Writes a name as it stands in the message, with the dot at its end: names in other scripts in their ASCII form
/// (RFC 5890 section 2.3.2.1).
pub(crate) fn written(name: &Name) -> String {
    let mut text = String::new();
    for label in name.iter() {
        for &byte in label {
            match byte {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    text.extend(['\\', char::from(byte)])
                }
                b'!'..=b'~' => text.push(char::from(byte)),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
        text.push('.');
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_as_in_zone_files() {
        for (text, labels, wanted) in [
            (".", &[][..], "."),
            ("www.example.org", &["www", "example", "org"], "www.example.org."),
            (
                "_sip._tcp.Example.org.",
                &["_sip", "_tcp", "Example", "org"],
                "_sip._tcp.Example.org.",
            ),
            (r"a\065.c", &["aA", "c"], "aA.c."),
            (r"a\.b.c\032d\009", &["a.b", "c d\t"], r"a\.b.c\032d\009."),
            (
                "*.0/25.2.0.192.in-addr.arpa",
                &["*", "0/25", "2", "0", "192", "in-addr", "arpa"],
                "*.0/25.2.0.192.in-addr.arpa.",
            ),
        ] {
            let name = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let found: Vec<_> = name.iter().map(|label| str::from_utf8(label).unwrap()).collect();
            assert_eq!(
                (found.as_slice(), written(&name).as_str()),
                (labels, wanted),
                "{text}"
            );
            assert!(name.is_fqdn());
        }
        for text in [
            "",
            "a..b",
            ".a",
            "a b",
            "bücher",
            r"a\",
            r"a\25",
            r"a\256",
            r"a\2x0",
            &"a".repeat(64),
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
