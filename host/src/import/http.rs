//! The prober `http`, which becomes settings of the plugin `http`.

mod credentials;
mod expect;

use super::module::{Translation, refuse_ip_protocol};
use super::secrets::looks_secret;
use super::table::Table;
use super::tls;
use super::write::Value;
use crate::budget::Limits;
use credentials::Headers;

/// How many redirects the prober follows.
const REDIRECTS: i64 = 10;
/// The most bytes of a body that the plugin takes.
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// What a regular expression may take to look at a byte, in units of fuel: most take some 700.
const FUEL_FOR_BYTE: u64 = 900;

/// What is not ours, and why.
const NOT_OURS: [(&str, &str); 11] = [
    (
        "proxy_url",
        "there are no proxies: a check reaches its target itself",
    ),
    ("no_proxy", "there are no proxies"),
    ("proxy_from_environment", "there are no proxies"),
    (
        "proxy_connect_header",
        "there are no proxies; its values are not copied",
    ),
    ("skip_resolve_phase_with_proxy", "there are no proxies"),
    (
        "oauth2",
        "no token is fetched first; its secrets are not copied. A token that lasts can be a `bearer`",
    ),
    (
        "fail_if_body_json_matches_cel",
        "there is no CEL; `expect.json` compares values",
    ),
    (
        "fail_if_body_json_not_matches_cel",
        "there is no CEL; `expect.json` compares values",
    ),
    ("enable_http3", "HTTP/1.1 is spoken"),
    ("body_file", "put what is in the file into `body`"),
    ("http_client_config", "its keys stand beside the others"),
];

/// Turns the table `http`.
pub(super) fn turn(table: Option<Table<'_>>, translation: &mut Translation<'_>) -> Option<&'static str> {
    let Some(mut table) = table else {
        translation.set("max_body", Value::Integer(MAX_BODY.cast_signed()));
        translation.set("redirects", Value::Integer(REDIRECTS));
        return Some("http");
    };
    refuse_ip_protocol(&mut table, translation);
    table.refuse(&NOT_OURS, translation.notes);
    // Without effect: HTTP/1.1 is what every server of HTTP/2 speaks too.
    table.get("enable_http2");
    if let Some((method, _)) = table.text("method", translation.notes) {
        translation.set("method", Value::text(method.to_ascii_uppercase()));
    }
    let mut headers = Headers::default();
    headers.turn(&mut table, translation);
    compression(&mut table, &mut headers, translation);
    if let Some(value) = headers.toml() {
        translation.set("headers", value);
    }
    body(&mut table, translation);
    let max_body = max_body(&mut table, translation);
    redirects(&mut table, translation);
    let expected = expect::turn(&mut table, translation);
    if let Some(line) = tls::turn(&mut table, translation).minimum_1_3 {
        tls_version(expected.encryption, line, translation);
    }
    fuel(expected.body_patterns, max_body, translation);
    table.finish(translation.notes);
    Some("http")
}

/// What is sent. Where it looks as if a password was in it, it is not copied.
fn body(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    if let Some((body, line)) = table
        .text("body", translation.notes)
        .filter(|(body, _)| !body.is_empty())
    {
        if looks_secret(body) {
            let message = "`body`: it looks as if it held a secret, and is not copied";
            translation.notes.left_out(line, message);
        } else {
            translation.set("body", Value::text(body));
        }
    }
}

/// How large a response may be: where the prober has no limit, as large as the plugin takes it.
fn max_body(table: &mut Table<'_>, translation: &mut Translation<'_>) -> u64 {
    let mut most = MAX_BODY;
    if let Some((text, line)) = table.text("body_size_limit", translation.notes) {
        match size(text) {
            Some(0) => {
                let message = format!("`body_size_limit: {text}`: the plugin takes {MAX_BODY} bytes at most");
                translation.notes.remark(line, message);
            }
            Some(limit) if limit <= MAX_BODY => most = limit,
            Some(_) => {
                let message =
                    format!("`body_size_limit` is `{text}`, the plugin takes {MAX_BODY} bytes at most");
                translation.notes.left_out(line, message);
            }
            None => {
                let message = format!("`body_size_limit` is `{text}`, wanted a size such as `5MB`");
                translation.notes.left_out(line, message);
            }
        }
    }
    translation.set("max_body", Value::Integer(most.cast_signed()));
    most
}

/// Enough to look through the largest body for every expression.
fn fuel(body_patterns: usize, max_body: u64, translation: &mut Translation<'_>) {
    let wanted = FUEL_FOR_BYTE * body_patterns as u64 * max_body;
    if wanted > Limits::default().fuel {
        translation.key("budget.fuel", Value::Integer(wanted.cast_signed()));
    }
}

/// The lowest version of TLS. The prober asks it of targets with TLS, the plugin of all, which matters where there may be
/// others.
fn tls_version(encryption: Option<bool>, line: usize, translation: &mut Translation<'_>) {
    if encryption == Some(false) {
        return;
    }
    translation.set("expect.tls_version", Value::text("1.3"));
    if encryption.is_none() {
        let message = "`tls_config.min_version: TLS13`: here a target without TLS fails too. \
                       Where there are some, give them a module without `expect.tls_version`";
        translation.notes.remark(line, message);
    }
}

/// A size as the prober reads it: every unit is a power of 1024.
fn size(text: &str) -> Option<u64> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let exponent = match unit.trim() {
        "" | "B" => 0,
        "KB" | "KiB" | "K" => 1,
        "MB" | "MiB" | "M" => 2,
        "GB" | "GiB" | "G" => 3,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1024_u64.pow(exponent))
}

fn redirects(table: &mut Table<'_>, translation: &mut Translation<'_>) {
    let follows = table
        .boolean("no_follow_redirects", translation.notes)
        .map(|(is_off, _)| !is_off)
        .or(table
            .boolean("follow_redirects", translation.notes)
            .map(|(follows, _)| follows));
    let redirects = if follows == Some(false) { 0 } else { REDIRECTS };
    translation.set("redirects", Value::Integer(redirects));
}

/// A coding that the answer has to have, which the prober asks for too.
fn compression(table: &mut Table<'_>, headers: &mut Headers, translation: &mut Translation<'_>) {
    match table.text("compression", translation.notes) {
        None | Some(("" | "identity", _)) => {}
        Some((coding @ ("gzip" | "deflate"), _)) => {
            headers.add_if_missing("Accept-Encoding", coding);
            translation.set("expect.encoding", Value::text(coding));
        }
        Some((coding, line)) => {
            let message = format!("`compression` is `{coding}`, the plugin decodes `gzip` and `deflate`");
            translation.notes.left_out(line, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(size("5MB"), Some(5 << 20));
        assert_eq!(
            (size("1KiB"), size("7"), size("0B")),
            (Some(1024), Some(7), Some(0))
        );
        assert_eq!(
            (size("5XB"), size("MB"), size("99999999999GB")),
            (None, None, None)
        );
    }
}
