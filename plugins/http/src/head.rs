//! The head of a response, parsed: status, version, and the header fields as they were sent. Spellings of former days are
//! taken as RFC 9112 has a user agent take them. Pure.

use std::mem::MaybeUninit;

use http::{StatusCode, Version};
use httparse::{ParserConfig, Status};

/// The most header fields of a response: more than any common server sends.
pub(crate) const MAX_FIELDS: usize = 128;

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    pub(crate) fields: Fields,
}

/// Why a head is none.
#[derive(Debug)]
pub(crate) enum Fault {
    /// More fields than [`MAX_FIELDS`].
    TooManyFields,
    /// What breaks the protocol, in words.
    Broken(String),
}

/// Parses a head, and says how many bytes it has; none while its end is not there.
///
/// Its room for fields, 2 KiB, is not to be part of a caller's, who waits for more bytes with it.
#[inline(never)]
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(usize, Head)>, Fault> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let mut parser = ParserConfig::default();
    // A colon behind white space (section 5.1), and a value that goes on in the next line (section 5.2).
    parser
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let length = match parser.parse_response_with_uninit_headers(&mut response, bytes, &mut fields) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooManyFields),
        Err(error) => return Err(Fault::Broken(error.to_string())),
    };
    let code = response.code.unwrap_or_default();
    let head = Head {
        status: StatusCode::from_u16(code)
            .map_err(|_| Fault::Broken(format!("invalid status code: {code:03}")))?,
        version: match response.version {
            Some(0) => Version::HTTP_10,
            _ => Version::HTTP_11,
        },
        fields: Fields::of(response.headers, length),
    };
    Ok(Some((length, head)))
}

/// Header fields in the order in which they were sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    /// Names and values, one behind the other.
    text: Vec<u8>,
    /// Where the name of each ends, and where its value ends.
    ends: Vec<(usize, usize)>,
}

impl Fields {
    /// `length` is that of the head which holds them.
    fn of(parsed: &[httparse::Header<'_>], length: usize) -> Self {
        let mut fields = Self {
            text: Vec::with_capacity(length),
            ends: Vec::with_capacity(parsed.len()),
        };
        for field in parsed {
            fields.push(field.name, field.value);
        }
        fields
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        self.text.extend_from_slice(name.as_bytes());
        let name_end = self.text.len();
        let mut lines = value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        self.text.extend_from_slice(lines.next().unwrap_or_default());
        for line in lines.filter(|line| !line.is_empty()) {
            if self.text.len() > name_end {
                self.text.push(b' ');
            }
            self.text.extend_from_slice(line);
        }
        self.ends.push((name_end, self.text.len()));
    }

    /// The value of the first field of this name, in whatever case.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields of this name, in whatever case.
    pub(crate) fn get_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().filter_map(move |&(name_end, end)| {
            let (field, value) = (&self.text[start..name_end], &self.text[name_end..end]);
            start = end;
            field.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
        })
    }
}

#[cfg(test)]
impl<'t> FromIterator<(&'t str, &'t str)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(written: I) -> Self {
        let mut fields = Self::default();
        for (name, value) in written {
            fields.push(name, value.as_bytes());
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &str) -> Fields {
        let (length, head) = parse(head.as_bytes()).expect(head).expect("a whole head");
        assert!(length > 0);
        head.fields
    }

    #[test]
    fn fields_are_found_by_their_names_in_whatever_case() {
        let fields = fields("HTTP/1.1 200 OK\r\nVia: a\r\nX:\r\nVIA:  b \r\nServer: x\r\n\r\n");
        assert_eq!(fields.get_all("via").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(fields.get("sERVER"), Some(b"x".as_slice()));
        assert_eq!(fields.get("x"), Some(b"".as_slice()));
        assert_eq!(fields.get("y"), None);
    }

    #[test]
    fn fields_in_former_spellings_are_those_of_today() {
        for (former, value) in [
            ("X: one \r\n\ttwo\r\n  \r\n three", "one two three"),
            ("X:\n all", "all"),
            ("X:\r\n \r\n\t\r\n all \r\n ", "all"),
            ("X: a\n  b\r\n c", "a b c"),
            ("X \t: four", "four"),
            ("X : \r\n five", "five"),
        ] {
            let fields = fields(&format!("HTTP/1.1 200 OK\r\n{former}\r\nY: z\r\n\r\n"));
            assert_eq!(
                fields,
                Fields::from_iter([("X", value), ("Y", "z")]),
                "{former:?}"
            );
        }
    }

    #[test]
    fn nothing_goes_on_with_the_status_line() {
        let fault = parse(b"HTTP/1.1 200 OK\r\n folded\r\n\r\n").expect_err("nothing to go on with");
        assert!(matches!(fault, Fault::Broken(why) if why == "invalid header name"));
    }

    #[test]
    fn a_head_that_has_not_ended_is_none_yet() {
        let whole = b"HTTP/1.0 404 \r\nX: y\r\n z\r\n\r\nbody";
        for end in 0..whole.len() - 4 {
            assert!(parse(&whole[..end]).expect("no fault").is_none(), "{end}");
        }
        let (length, head) = parse(whole).expect("no fault").expect("a whole head");
        assert_eq!(length, whole.len() - 4);
        assert_eq!(
            (head.status, head.version),
            (StatusCode::NOT_FOUND, Version::HTTP_10)
        );
    }
}
