//! What is expected of the answer, and what is wrong with one that is otherwise. Pure.
//!
//! The regular expressions are those of blackbox_exporter's DNS prober, with its meaning, so that its
//! configurations can be taken over: they are held against records in the form of `presentation`.

use std::net::IpAddr;

use bedcheck_sdk::Failure;
use hickory_proto::rr::{Record, RecordType};
use regex_lite::Regex;
use serde::Deserialize;

use crate::answer::Answer;
use crate::{mnemonics, presentation, rcode};

/// How many regular expressions a list may have: each is compiled in every run.
const MAX_REGEXPS: usize = 32;
/// How much of a record a message repeats, in bytes.
const MAX_SHOWN: usize = 200;

/// What is expected.
#[derive(Debug)]
pub(crate) struct Expectations {
    codes: Vec<u16>,
    authoritative: Option<bool>,
    min_answers: usize,
    min_ttl: u32,
    answers: Vec<String>,
    exact_answers: Option<Vec<String>>,
    /// The type of the records that `answers` and `exact_answers` speak of.
    record_type: RecordType,
    sections: [Rules; 3],
}

/// The expectations as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    rcodes: Option<Vec<String>>,
    authoritative: Option<bool>,
    min_answers: u16,
    min_ttl: u32,
    answers: Vec<String>,
    exact_answers: Option<Vec<String>>,
    validate_answer: WrittenRules,
    validate_authority: WrittenRules,
    validate_additional: WrittenRules,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenRules {
    fail_if_matches_regexp: Vec<String>,
    fail_if_all_match_regexp: Vec<String>,
    fail_if_not_matches_regexp: Vec<String>,
    fail_if_none_matches_regexp: Vec<String>,
}

/// The regular expressions for a section.
#[derive(Debug)]
struct Rules {
    section: &'static str,
    matches: Vec<Regex>,
    all_match: Vec<Regex>,
    not_matches: Vec<Regex>,
    none_matches: Vec<Regex>,
}

impl Written {
    /// The finished expectations of a question for records of that type.
    pub(crate) fn finish(self, record_type: RecordType) -> Result<Expectations, String> {
        let codes = match self.rcodes {
            None => vec![rcode::NOERROR],
            Some(written) if written.is_empty() => {
                return Err("expect.rcodes: found none, wanted at least one response code".into());
            }
            Some(written) => written
                .iter()
                .map(|code| rcode::parse(code).map_err(|error| format!("expect.rcodes: {error}")))
                .collect::<Result<_, _>>()?,
        };
        Ok(Expectations {
            codes,
            authoritative: self.authoritative,
            min_answers: self.min_answers.into(),
            min_ttl: self.min_ttl,
            answers: self.answers,
            exact_answers: self.exact_answers,
            record_type,
            sections: [
                self.validate_answer.finish("answer")?,
                self.validate_authority.finish("authority")?,
                self.validate_additional.finish("additional")?,
            ],
        })
    }
}

impl WrittenRules {
    fn finish(self, section: &'static str) -> Result<Rules, String> {
        let compiled = |key: &str, written: Vec<String>| {
            let place = format!("expect.validate_{section}.{key}");
            if written.len() > MAX_REGEXPS {
                return Err(format!(
                    "{place}: found {}, wanted at most {MAX_REGEXPS}",
                    written.len()
                ));
            }
            let compile = |text: &String| {
                Regex::new(text).map_err(|error| {
                    format!("{place}: found `{text}`, which is no regular expression: {error}")
                })
            };
            written.iter().map(compile).collect::<Result<Vec<_>, _>>()
        };
        Ok(Rules {
            section,
            matches: compiled("fail_if_matches_regexp", self.fail_if_matches_regexp)?,
            all_match: compiled("fail_if_all_match_regexp", self.fail_if_all_match_regexp)?,
            not_matches: compiled("fail_if_not_matches_regexp", self.fail_if_not_matches_regexp)?,
            none_matches: compiled("fail_if_none_matches_regexp", self.fail_if_none_matches_regexp)?,
        })
    }
}

impl Expectations {
    /// Holds an answer against them.
    ///
    /// # Errors
    ///
    /// The first expectation that is not met.
    pub(crate) fn judge(&self, answer: &Answer) -> Result<(), Failure> {
        self.problem(answer)
            .map_or(Ok(()), |problem| Err(Failure::assertion_failed(problem)))
    }

    fn problem(&self, answer: &Answer) -> Option<String> {
        if !self.codes.contains(&answer.code()) {
            let wanted: Vec<String> = self
                .codes
                .iter()
                .map(|code| quoted(&rcode::name(*code)))
                .collect();
            let found = quoted(&rcode::name(answer.code()));
            return Some(format!(
                "the response code is {found}, wanted {}",
                wanted.join(" or ")
            ));
        }
        if let Some(wanted) = self.authoritative
            && wanted != answer.is_authoritative()
        {
            let (found, wanted) = match wanted {
                true => ("is not", "one that is"),
                false => ("is", "one that is not"),
            };
            return Some(format!("the answer {found} authoritative, wanted {wanted}"));
        }
        let found = answer.answers().len();
        if found < self.min_answers {
            let wanted = self.min_answers;
            return Some(format!(
                "the answer has {found} records, wanted at least {wanted}"
            ));
        }
        self.wrong_ttl(answer)
            .or_else(|| self.wrong_data(answer))
            .or_else(|| {
                let sections = [answer.answers(), answer.authorities(), answer.additionals()];
                let mut rules = self.sections.iter().zip(sections);
                rules.find_map(|(rules, records)| rules.problem(records))
            })
    }

    fn wrong_ttl(&self, answer: &Answer) -> Option<String> {
        let short = answer.answers().iter().find(|record| record.ttl < self.min_ttl)?;
        Some(format!(
            "the record {} may be kept for {} s, wanted at least {} s",
            shown(&presentation::record(short)),
            short.ttl,
            self.min_ttl
        ))
    }

    fn wrong_data(&self, answer: &Answer) -> Option<String> {
        if self.answers.is_empty() && self.exact_answers.is_none() {
            return None;
        }
        let of_type = |record: &&Record| {
            self.record_type == RecordType::ANY || record.record_type() == self.record_type
        };
        let canonical = |text: &String| canonical(self.record_type, text);
        let records = answer.answers().iter().filter(of_type);
        let found: Vec<String> = records.map(|record| presentation::data(&record.data)).collect();
        let canonical_found: Vec<_> = found.iter().map(canonical).collect();
        let exact = self.exact_answers.as_deref().unwrap_or_default();
        let mut wanted = self.answers.iter().chain(exact);
        if let Some(missing) = wanted.find(|wanted| !canonical_found.contains(&canonical(wanted))) {
            let found = match found.as_slice() {
                [] => "nothing".to_owned(),
                found => shown(&found.join(", ")),
            };
            return Some(format!("the answer holds {found}, wanted {}", shown(missing)));
        }
        self.exact_answers.as_ref()?;
        let wanted: Vec<_> = exact.iter().map(canonical).collect();
        let mut pairs = found.iter().zip(&canonical_found);
        let (surplus, _) = pairs.find(|(_, found)| !wanted.contains(found))?;
        Some(format!(
            "the answer holds {} as well, wanted nothing but {}",
            shown(surplus),
            shown(&exact.join(", "))
        ))
    }
}

impl Rules {
    fn problem(&self, records: &[Record]) -> Option<String> {
        let section = self.section;
        let texts: Vec<String> = records.iter().map(presentation::record).collect();
        if let Some((text, regexp)) = first(&texts, &self.matches, true) {
            return Some(format!("the {section} record {} matches `{regexp}`", shown(text)));
        }
        if let Some((text, regexp)) = first(&texts, &self.not_matches, false) {
            return Some(format!(
                "the {section} record {} does not match `{regexp}`",
                shown(text)
            ));
        }
        if let Some(regexp) = self.not_matches.first().filter(|_| texts.is_empty()) {
            return Some(format!(
                "there is no {section} record, wanted one that matches `{regexp}`"
            ));
        }
        if !self.all_match.is_empty() && first(&texts, &self.all_match, false).is_none() {
            return Some(format!("all {section} records match {}", listed(&self.all_match)));
        }
        if !self.none_matches.is_empty() && first(&texts, &self.none_matches, true).is_none() {
            return Some(format!(
                "no {section} record matches {}",
                listed(&self.none_matches)
            ));
        }
        None
    }
}

/// The first text that matches an expression, or that does not.
fn first<'t>(texts: &'t [String], regexps: &'t [Regex], wanted: bool) -> Option<(&'t str, &'t Regex)> {
    let all = texts
        .iter()
        .flat_map(|text| regexps.iter().map(move |regexp| (text.as_str(), regexp)));
    all.into_iter()
        .find(|(text, regexp)| regexp.is_match(text) == wanted)
}

/// Data in the one form of all that are the same: fields that any white space divides, names in lower case without the dot
/// at their end (RFC 4343), addresses as they are usually written, texts with no more escapes than they need, numbers for
/// what has a number and a name. A key or a digest may have white space in it, and what says where a service is may be in
/// any order.
fn canonical(record_type: RecordType, text: &str) -> Vec<String> {
    use RecordType::{HTTPS, SVCB};
    if let Some(address) = address(text.trim()) {
        return vec![address];
    }
    let mut fields = divided(text);
    let blob = blob(record_type).filter(|(at, _)| *at < fields.len());
    if let Some((at, _)) = blob {
        let whole = fields.split_off(at).concat();
        fields.push(whole);
    }
    let first_parameter = match record_type {
        SVCB | HTTPS => fields.len().min(2),
        _ => fields.len(),
    };
    let parameters = fields.split_off(first_parameter);
    let mut parameters: Vec<String> = parameters.iter().map(|field| parameter(field)).collect();
    parameters.sort_unstable();
    let has_case = |index| blob == Some((index, Blob::Base64));
    let canonical = |(index, field): (usize, String)| {
        if field.starts_with('"') {
            return presentation::unquoted(&field).map_or(field, |text| presentation::quoted(&text));
        }
        if has_case(index) {
            return field;
        }
        numbered(record_type, index, &field)
            .unwrap_or_else(|| field.strip_suffix('.').unwrap_or(&field).to_ascii_lowercase())
    };
    fields
        .into_iter()
        .enumerate()
        .map(canonical)
        .chain(parameters)
        .collect()
}

/// A parameter of a service in the one form of all that are the same. Its value may be in quotes or not, and has case
/// unless it is made of names of parameters or of addresses (RFC 9460 section 2.1).
fn parameter(field: &str) -> String {
    let (key, value) = field.split_once('=').unwrap_or((field, ""));
    let key = key.to_ascii_lowercase();
    let value =
        presentation::unquoted(value).map_or_else(|| value.to_owned(), |text| presentation::quoted(&text));
    let value = match key.as_str() {
        "mandatory" => value.to_ascii_lowercase(),
        "ipv4hint" | "ipv6hint" => {
            let addresses = value.trim_matches('"').split(',');
            let addresses = addresses.map(|text| address(text).unwrap_or_else(|| text.to_owned()));
            addresses.collect::<Vec<_>>().join(",")
        }
        _ => value,
    };
    format!("{key}={value}")
}

/// An address as it is usually written.
fn address(text: &str) -> Option<String> {
    text.parse::<IpAddr>().ok().map(|address| address.to_string())
}

/// How a key or a digest is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blob {
    Base64,
    Hexadecimal,
}

/// Which field is a key or a digest, the last one.
fn blob(record_type: RecordType) -> Option<(usize, Blob)> {
    use RecordType::{CDNSKEY, CDS, CERT, DNSKEY, DS, OPENPGPKEY, SMIMEA, SSHFP, TLSA};
    match record_type {
        OPENPGPKEY => Some((0, Blob::Base64)),
        SSHFP => Some((2, Blob::Hexadecimal)),
        CERT | CDNSKEY | DNSKEY => Some((3, Blob::Base64)),
        CDS | DS | SMIMEA | TLSA => Some((3, Blob::Hexadecimal)),
        _ => None,
    }
}

/// The number that a field stands for which may be a name as well.
fn numbered(record_type: RecordType, index: usize, field: &str) -> Option<String> {
    use RecordType::{CDNSKEY, CDS, CERT, DNSKEY, DS};
    let name = field.to_ascii_uppercase();
    let number = match (record_type, index) {
        (CERT, 0) => mnemonics::certificate(&name),
        (CERT | CDNSKEY | DNSKEY, 2) | (CDS | DS, 1) => mnemonics::algorithm(&name),
        _ => None,
    };
    number.map(|number| number.to_string())
}

/// A text divided at its white space, but for what is in quotes.
fn divided(text: &str) -> Vec<String> {
    let (mut fields, mut field) = (Vec::new(), String::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for character in text.chars() {
        if character.is_whitespace() && !is_quoted {
            fields.extend((!field.is_empty()).then(|| std::mem::take(&mut field)));
            continue;
        }
        is_quoted ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        field.push(character);
    }
    fields.extend((!field.is_empty()).then_some(field));
    fields
}

fn listed(regexps: &[Regex]) -> String {
    let quoted: Vec<String> = regexps.iter().map(|regexp| quoted(regexp.as_str())).collect();
    quoted.join(" or ")
}

fn quoted(text: &str) -> String {
    format!("`{text}`")
}

/// A text of the server's, with spaces for tabs and not too long.
fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_SHOWN);
    let dots = if end < text.len() { "..." } else { "" };
    quoted(&format!("{}{dots}", text[..end].replace('\t', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_the_same_however_it_is_written() {
        use RecordType::{AAAA, CAA, CERT, CNAME, DNSKEY, DS, HTTPS, MX, OPENPGPKEY, SSHFP, SVCB, TXT};
        for (record_type, found, wanted, expected) in [
            (AAAA, "2001:db8::1", "2001:0DB8:0:0::1", true),
            (AAAA, "2001:db8::1", "2001:db8::2", false),
            (MX, "10 mail.example.org.", "10 \t MAIL.example.org ", true),
            (MX, "10 mail.example.org.", "1 0 mail.example.org.", false),
            (MX, "10 mail.example.org.", "10", false),
            (CNAME, "a.example.", "a.example", true),
            (TXT, "\"a  b\" \"c\"", "\"a  b\"\t\"c\"", true),
            (TXT, "\"a  b\"", "\"a b\"", false),
            (TXT, "\"a\"", "\"A\"", false),
            (TXT, "\"a\\\" b\"", "\"a\\\"  b\"", false),
            (TXT, r#""v=DMARC1; p=none""#, r#""v=DMARC1\; p=none""#, true),
            (TXT, r#""a\"b\\" "\195\188""#, r#""\097\034b\092" "ü""#, true),
            (TXT, r#""a\\b""#, r#""a\b""#, false),
            (TXT, r#""a""#, r#""a\""#, false),
            (TXT, r#""a" "b""#, r#""a""b""#, false),
            (TXT, r#""\256""#, r#""256""#, false),
            (CAA, "0 issue \"ca.example\"", "0  ISSUE \"ca.example\"", true),
            (DS, "370 13 2 BE74359954", "370 13 2 be743 59954", true),
            (DNSKEY, "257 3 13 mdsswUyr", "257 3 13 mdss wUyr", true),
            (DNSKEY, "257 3 13 mdsswUyr", "257 3 13 MDSSWUYR", false),
            (
                DNSKEY,
                "257 3 13 mdsswUyr",
                "257 3 ecdsap256sha256 mdsswUyr",
                true,
            ),
            (DS, "370 13 2 BE74", "370 ECDSAP256SHA256 2 BE74", true),
            (OPENPGPKEY, "mQENBFVHm5sB", "mQENB FVHm5sB", true),
            (OPENPGPKEY, "mQENBFVHm5sB", "MQENBFVHM5SB", false),
            (CERT, "PGP 1 DH mQENBFVH", "PGP 1 2 mQEN BFVH", true),
            (CERT, "PGP 1 DH mQENBFVH", "3 1 dh mQENBFVH", true),
            (CERT, "PGP 1 DH mQENBFVH", "pgp 1 2 MQENBFVH", false),
            (CERT, "PGP 1 DH mQENBFVH", "PKIX 1 2 mQENBFVH", false),
            (SSHFP, "4 2 A1B2C3", "4 2 a1b2 c3", true),
            (
                HTTPS,
                "1 . alpn=\"h2,h3\" port=8443",
                "1 . port=\"8443\" alpn=h2,h3",
                true,
            ),
            (HTTPS, "1 . alpn=\"h2\"", "1 . alpn=\"h3\"", false),
            (HTTPS, "1 . alpn=\"h2\"", "1 . ALPN=h2", true),
            (HTTPS, "1 . alpn=\"h2\"", "1 . alpn=H2", false),
            (HTTPS, "1 . ech=AAEC", "1 . ech=aaec", false),
            (HTTPS, "1 . ech=AAEC", "1 . ech=\"AAEC\"", true),
            (
                SVCB,
                "1 Pool.example. key667=\"a;b\"",
                r"1 pool.example KEY667=a\;b",
                true,
            ),
            (
                SVCB,
                "1 . mandatory=port no-default-alpn ipv6hint=2001:db8::1,2001:db8::2",
                "1 . ipv6hint=2001:DB8:0::1,2001:db8::2 No-Default-ALPN mandatory=PORT",
                true,
            ),
        ] {
            let is_same = canonical(record_type, found) == canonical(record_type, wanted);
            assert_eq!(is_same, expected, "{found}: {wanted}");
        }
    }
}
