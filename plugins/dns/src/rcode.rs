//! Response codes by name and number (RFC 6895 section 2.3, without those that only TSIG and TKEY have). Pure.

/// Everything went well; the name exists.
pub(crate) const NOERROR: u16 = 0;

const NAMES: [(u16, &str); 12] = [
    (NOERROR, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (16, "BADVERS"),
];

/// The code of that name, or of that number.
pub(crate) fn parse(text: &str) -> Result<u16, String> {
    let named = NAMES
        .iter()
        .find(|(_, name)| name.eq_ignore_ascii_case(text))
        .map(|(code, _)| *code);
    // With the four bits of EDNS (RFC 6891 section 6.1.3) there are twelve in all.
    let code = named.or_else(|| text.parse().ok().filter(|code| *code <= 0x0fff));
    code.ok_or_else(|| {
        format!(
            "found `{text}`, wanted a response code, such as `NOERROR`, `NXDOMAIN`, `SERVFAIL` or its number"
        )
    })
}

/// The name of a code; its number if it has none.
pub(crate) fn name(code: u16) -> String {
    let named = NAMES.iter().find(|(other, _)| *other == code);
    named.map_or_else(|| code.to_string(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_numbers() {
        for (code, name) in NAMES {
            assert_eq!(parse(name), Ok(code));
            assert_eq!(parse(&code.to_string()), Ok(code));
            assert_eq!(super::name(code), name);
        }
        assert_eq!(parse("nxdomain"), Ok(3));
        assert_eq!(name(3841), "3841");
        assert!(parse("OK").is_err() && parse("4096").is_err());
    }
}
