//! Tests of `pattern.rs`.

use super::*;

#[test]
fn patterns_are_read_and_shown() {
    for (pattern, shown) in [
        ("mail.example.org:993", "mail.example.org:993"),
        ("Mail.Example.ORG.:993", "mail.example.org:993"),
        ("localhost:8080", "localhost:8080"),
        ("_imaps.example.org:993", "_imaps.example.org:993"),
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1:443"),
        ("example.org:8000-8099", "example.org:8000-8099"),
        ("example.org:80-80", "example.org:80"),
        ("example.org:1-65535", "example.org:1-65535"),
        ("*.Example.org.:443", "*.example.org:443"),
        ("*.a.example.org:8000-8099", "*.a.example.org:8000-8099"),
        ("192.0.2.0/24:443", "192.0.2.0/24:443"),
        ("10.0.0.0/8:80-90", "10.0.0.0/8:80-90"),
        ("192.0.2.1/32:443", "192.0.2.1:443"),
        ("[2001:db8::]/32:443", "[2001:db8::]/32:443"),
        ("[2001:db8::1]/128:443", "[2001:db8::1]:443"),
    ] {
        assert_eq!(pattern.parse::<Grant>().unwrap().to_string(), shown, "{pattern}");
    }
    assert_eq!("self".parse(), Ok(Allowance::OwnTarget));
}

#[track_caller]
fn assert_refused(cases: &[(&str, &str)]) {
    for (pattern, wanted) in cases {
        let error = pattern.parse::<Allowance>().unwrap_err().to_string();
        assert_eq!(error, format!("found `{pattern}`, wanted {wanted}"));
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_what_was_wanted() {
    let name = "a host name or address before the port";
    let scheme = "`host:port` without a scheme or path, such as `www.example.org:443`, or a range of addresses, \
                  such as `192.0.2.0/24:443`";
    assert_refused(&[
        ("mail.example.org", PORT_MISSING),
        ("", PORT_MISSING),
        (":443", name),
        ("a..b:443", name),
        ("-a.org:443", name),
        ("ex ample.org:443", name),
        ("127.1:80", name),
        ("0x7f000001:80", name),
        ("0X7F000001:80", name),
        ("10.1.2.300:80", name),
        ("mail.example.org:", PORTS),
        ("mail.example.org:0", PORTS),
        ("mail.example.org:65536", PORTS),
        ("mail.example.org:+80", PORTS),
        ("mail.example.org:90-80", PORTS),
        ("mail.example.org:http", PORTS),
        ("mail.example.org:*", PORTS),
        ("2001:db8::1:443", BRACKETS),
        ("[2001:db8::1]", "`[address]:port`, such as `[2001:db8::1]:443`"),
        ("[192.0.2.1]:80", "an IPv6 address between the brackets"),
        ("[fe80::1%eth0]:80", "an IPv6 address between the brackets"),
        ("https://example.org:443", scheme),
        ("example.org/24:443", scheme),
        ("0.0.0.0:80", UNDIALLED),
        ("224.0.0.1:80", UNDIALLED),
        ("[::]:80", UNDIALLED),
        ("self:443", "`self` alone: its port is that of the settings"),
        ("Self:443", "`self` alone: its port is that of the settings"),
    ]);
}

#[test]
fn a_wildcard_that_stands_for_too_much_or_in_the_wrong_place_is_refused() {
    let every = "names, and not every host there is: a `*` stands before a name, such as `*.example.org:443`";
    let top_level =
        "at least two labels after the `*`, such as `*.example.org:443`: `*.org` is a whole top-level domain";
    assert_refused(&[
        ("*:443", every),
        ("*.org:443", top_level),
        ("*.ORG.:443", top_level),
        ("*", WILDCARD),
        ("*.example.org", WILDCARD),
        ("*example.org:443", WILDCARD),
        ("www.*.org:443", WILDCARD),
        ("*.*.example.org:443", WILDCARD),
        ("a*.example.org:443", WILDCARD),
        ("*.:443", "a host name after the `*.`"),
        ("*.2.0.192:443", "a host name after the `*.`"),
        (
            "*.192.0.2.0:443",
            "a range of addresses as such, such as `192.0.2.0/24:443`",
        ),
        ("*.example.org:*", PORTS),
    ]);
}

#[test]
fn a_range_that_is_none_is_refused() {
    let of_ipv4 = "a prefix of 8 to 32 bits after the `/`, such as `/24`";
    let wide = "a prefix of at least 8 bits: no wider range is anybody's own";
    assert_refused(&[
        (
            "192.0.2.1/24:443",
            "`192.0.2.0/24:443`: the bits of its address after the prefix are zero",
        ),
        (
            "[2001:db8::1]/32:80-90",
            "`[2001:db8::]/32:80-90`: the bits of its address after the prefix are zero",
        ),
        ("192.0.2.1/24:x", PORTS),
        ("192.0.2.0/33:443", of_ipv4),
        ("192.0.2.0/:443", of_ipv4),
        ("192.0.2.0/+4:443", of_ipv4),
        (
            "[2001:db8::]/129:443",
            "a prefix of 8 to 128 bits after the `/`, such as `/24`",
        ),
        ("0.0.0.0/0:443", wide),
        ("[2000::]/3:443", wide),
        ("192.0.2.0/24", PORT_MISSING),
        ("192.0.2.0/24:0", PORTS),
        ("2001:db8::/32:443", BRACKETED_RANGE),
        ("[2001:db8::/32]:443", BRACKETED_RANGE),
        (
            "[::ffff:192.0.2.0]/120:443",
            "IPv4 addresses as such, such as `192.0.2.0/24:443`",
        ),
        ("224.0.0.0/8:443", UNDIALLED),
        ("0.0.0.0/8:443", UNDIALLED),
    ]);
}
