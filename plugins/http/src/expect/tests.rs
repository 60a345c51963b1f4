//! Every expectation, met and not met.

use serde_json::json;

use super::*;
use crate::head::Fields;
use crate::script::tls_info;

const NOW: i64 = 1_800_000_000;

fn expectations(raw: Value) -> Expectations {
    serde_json::from_value::<RawExpectations>(raw)
        .expect("expectations")
        .finish()
        .expect("expectations")
}

fn response(body: &str) -> Response {
    Response {
        status: StatusCode::OK,
        version: Version::HTTP_11,
        fields: Fields::from_iter([
            ("Content-Type", "text/html; charset=utf-8"),
            ("Via", "1.1 one"),
            ("via", "1.1 two"),
        ]),
        body: body.as_bytes().to_vec(),
        received: body.len(),
    }
}

fn unmet(raw: Value, body: &str) -> Vec<String> {
    expectations(raw).unmet(&response(body), None, NOW).sentences
}

fn assert_met(raw: Value, body: &str) {
    assert_eq!(unmet(raw.clone(), body), Vec::<String>::new(), "{raw}");
}

#[test]
fn status() {
    for raw in [
        json!({}),
        json!({ "status": [200] }),
        json!({ "status": ["3xx", "200"] }),
    ] {
        assert_met(raw, "");
    }
    assert_eq!(
        unmet(json!({ "status": ["3xx", 204] }), ""),
        ["status 200, expected 3xx or 204"]
    );
}

#[test]
fn headers() {
    assert_met(
        json!({ "headers": { "Content-Type": "^text/html\\b", "via": "two" } }),
        "",
    );
    assert_eq!(
        unmet(
            json!({ "headers": { "content-type": "json", "via": "three", "x-cache": "HIT" } }),
            ""
        ),
        [
            "header `content-type` is `text/html; charset=utf-8`, expected a match of `json`",
            "header `via` is `1.1 one`, expected a match of `three`",
            "no header `x-cache`, expected one that matches `HIT`",
        ]
    );
}

#[test]
fn headers_that_may_miss_and_headers_that_must_not_match() {
    assert_met(
        json!({
            "headers": { "x-cache": { "matches": "HIT", "required": false }, "via": ["one", "two"] },
            "headers_not_match": { "x-cache": ".*", "via": "three", "content-type": ["json", "xml"] },
        }),
        "",
    );
    assert_eq!(
        unmet(
            json!({
                "headers": { "via": ["one", "three"] },
                "headers_not_match": {
                    "content-type": ["utf", "^text"], "x-cache": { "matches": "HIT", "required": true },
                },
            }),
            ""
        ),
        [
            "header `via` is `1.1 one`, expected a match of `three`",
            "header `content-type` matches `utf`: `text/html; charset=utf-8`",
            "header `content-type` matches `^text`: `text/html; charset=utf-8`",
            "no header `x-cache`",
        ]
    );
}

#[test]
fn a_header_without_patterns_must_be_there_unless_it_may_be_missing() {
    let wanted = |of: Value| unmet(json!({ "headers": { "x-cache": of.clone(), "via": of } }), "");
    for required in [
        json!([]),
        json!({ "matches": [] }),
        json!({ "matches": [], "required": true }),
    ] {
        assert_eq!(wanted(required), ["no header `x-cache`"]);
    }
    assert_eq!(
        wanted(json!({ "matches": [], "required": false })),
        Vec::<String>::new()
    );
}

#[test]
fn unmet_patterns_are_counted_apart_from_all_else() {
    let patterns = |raw: Value| {
        expectations(raw)
            .unmet(&response("all is well"), None, NOW)
            .patterns
    };
    assert_eq!(patterns(json!({ "body_contains": "ill", "status": 404 })), None);
    assert_eq!(
        patterns(json!({ "body_contains": "ill", "body_matches": "well$" })),
        Some(0)
    );
    assert_eq!(
        patterns(json!({
            "body_matches": ["^all", "ill"], "body_not_matches": ["is", "x"],
            "headers": { "via": ["one", "three"] }, "headers_not_match": { "content-type": "utf" },
        })),
        Some(4)
    );
}

#[test]
fn version_and_encoding() {
    assert_met(
        json!({ "http_version": ["1.0", "1.1"], "encoding": "identity" }),
        "",
    );
    assert_eq!(
        unmet(json!({ "http_version": "1.0", "encoding": "gzip" }), ""),
        [
            "version HTTP/1.1, expected HTTP/1.0",
            "body is encoded as `identity`, expected `gzip`"
        ]
    );
}

#[test]
fn tls_or_none() {
    let unmet = |wanted: bool, has_tls: bool| {
        let tls = has_tls.then(|| tls_info("1.3", NOW));
        expectations(json!({ "tls": wanted }))
            .unmet(&response(""), tls.as_ref(), NOW)
            .sentences
    };
    assert_eq!(unmet(true, true), Vec::<String>::new());
    assert_eq!(unmet(false, false), Vec::<String>::new());
    assert_eq!(
        unmet(true, false),
        ["the response came without TLS, expected it over TLS"]
    );
    assert_eq!(
        unmet(false, true),
        ["the response came over TLS, expected it without"]
    );
}

#[test]
fn text() {
    let body = "all is well\nuptime 17 days";
    assert_met(
        json!({ "body_contains": "well", "body_matches": "uptime \\d+", "body_not_matches": "(?i)error" }),
        body,
    );
    assert_met(
        json!({ "body_contains": ["all", "well"], "body_matches": ["^all", "days$"] }),
        body,
    );
    assert_eq!(
        unmet(
            json!({ "body_contains": ["ill", "well"], "body_matches": "^up", "body_not_matches": ["x", "up\\w+ 1"] }),
            body
        ),
        [
            "body does not contain `ill`",
            "body does not match `^up`",
            r"body is `all is well\nuptime 17 days`",
            "body matches `up\\w+ 1`: `uptime 1`",
        ]
    );
    assert_eq!(
        unmet(json!({ "body_contains": "x" }), ""),
        ["body does not contain `x`", "body is empty"]
    );
}

#[test]
fn json_by_pointer() {
    let body = r#"{"status": "up", "a/b": {"m~n": 1}, "list": [{"n": 2.0}, null], "": 3}"#;
    assert_met(
        json!({ "json": {
            "/status": "up", "/a~1b/m~0n": 1.0, "/list/0/n": 2, "/list/1": null, "/": 3,
            "/list": [{ "n": 2 }, null],
        } }),
        body,
    );
    assert_met(json!({ "json": { "": [1, 2] } }), "[1, 2]");
    assert_eq!(
        unmet(
            json!({ "json": { "/status": "down", "/none": 1, "/list/1": false, "/a~1b": {} } }),
            body
        ),
        [
            "JSON `/status` is `\"up\"`, expected `\"down\"`",
            "JSON has no `/none`, expected `1`",
            "JSON `/list/1` is `null`, expected `false`",
            "JSON `/a~1b` is `{\"m~n\":1}`, expected `{}`",
        ]
    );
    assert_eq!(
        unmet(json!({ "json": { "/a": 1, "/b": 2 } }), "<html>"),
        ["body is not JSON (expected value at line 1 column 1), it is `<html>`"]
    );
}

#[test]
fn integers_are_not_the_same_because_they_are_as_floating_point() {
    let unmet = |wanted: Value, found: &str| {
        unmet(
            json!({ "json": { "/id": wanted } }),
            &format!("{{\"id\":{found}}}"),
        )
    };
    for (wanted, found) in [
        (json!(9_007_199_254_740_992_u64), "9007199254740993"),
        (json!(i64::MAX), "9223372036854775806"),
        (json!(u64::MAX), "18446744073709551614"),
        (json!(-1), "18446744073709551615"),
    ] {
        let sentence = format!("JSON `/id` is `{found}`, expected `{wanted}`");
        assert_eq!(unmet(wanted, found), [sentence]);
    }
    for (wanted, found) in [
        (json!(9_007_199_254_740_993_u64), "9007199254740993"),
        (json!(1.0), "1"),
        (json!(1), "1e0"),
        (json!(-0.0), "0"),
    ] {
        assert_eq!(unmet(wanted, found), Vec::<String>::new());
    }
}

#[test]
fn size() {
    assert_met(json!({ "min_size": 5, "max_size": 5 }), "hello");
    assert_eq!(
        unmet(json!({ "min_size": 6 }), "hello"),
        ["body has 5 bytes, expected at least 6"]
    );
    assert_eq!(
        unmet(json!({ "max_size": 4 }), "hello"),
        ["body has 5 bytes, expected at most 4"]
    );
}

#[test]
fn certificate_days() {
    let expectations = expectations(json!({ "certificate_days": 14 }));
    let unmet = |left: Option<i64>| {
        let tls = left.map(|left| tls_info("1.3", NOW + left));
        expectations.unmet(&response(""), tls.as_ref(), NOW).sentences
    };
    assert_eq!(unmet(Some(14 * SECONDS_PER_DAY)), Vec::<String>::new());
    assert_eq!(
        unmet(Some(14 * SECONDS_PER_DAY - 1)),
        ["certificate of `CN=example.org` has 13 days left, expected 14"]
    );
    assert_eq!(
        unmet(Some(-3 * SECONDS_PER_DAY)),
        ["certificate of `CN=example.org` expired 3 days ago, expected 14 days left"]
    );
    assert_eq!(unmet(None), ["no certificate without TLS, expected 14 days left"]);
}

#[test]
fn tls_version() {
    let unmet = |wanted: &str, version: Option<&str>| {
        let tls = version.map(|version| tls_info(version, NOW));
        expectations(json!({ "tls_version": wanted }))
            .unmet(&response(""), tls.as_ref(), NOW)
            .sentences
    };
    assert_eq!(unmet("1.2", Some("1.2")), Vec::<String>::new());
    assert_eq!(unmet("1.2", Some("1.3")), Vec::<String>::new());
    assert_eq!(
        unmet("1.3", Some("1.2")),
        ["TLS version 1.2, expected at least 1.3"]
    );
    assert_eq!(
        unmet("1.3", Some("1.1")),
        ["TLS version 1.1, expected at least 1.3"]
    );
    assert_eq!(unmet("1.3", None), ["no TLS, expected at least 1.3"]);
}
