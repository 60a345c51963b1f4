//! Tests of `grant.rs`.

use super::*;

fn grants(patterns: &[&str]) -> Grants {
    Grants::new(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

fn socket(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

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
    ] {
        assert_eq!(pattern.parse::<Grant>().unwrap().to_string(), shown, "{pattern}");
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_what_was_wanted() {
    let name = "a host name or address before the port";
    let port = "a port from 1 to 65535, or a range such as `8000-8099`";
    let wildcard = "each host and port by itself, such as `www.example.org:443`: there are no wildcards";
    for (pattern, wanted) in [
        (
            "mail.example.org",
            "a port as well, such as `www.example.org:443`",
        ),
        ("", "a port as well, such as `www.example.org:443`"),
        (":443", name),
        ("a..b:443", name),
        ("-a.org:443", name),
        ("ex ample.org:443", name),
        ("127.1:80", name),
        ("0x7f000001:80", name),
        ("10.1.2.300:80", name),
        ("mail.example.org:", port),
        ("mail.example.org:0", port),
        ("mail.example.org:65536", port),
        ("mail.example.org:+80", port),
        ("mail.example.org:90-80", port),
        ("mail.example.org:http", port),
        (
            "2001:db8::1:443",
            "an IPv6 address in brackets and a port, such as `[2001:db8::1]:443`",
        ),
        ("[2001:db8::1]", "`[address]:port`, such as `[2001:db8::1]:443`"),
        ("[192.0.2.1]:80", "an IPv6 address between the brackets"),
        ("[fe80::1%eth0]:80", "an IPv6 address between the brackets"),
        (
            "https://example.org:443",
            "`host:port` without a scheme or path, such as `www.example.org:443`",
        ),
        ("*.example.org:443", wildcard),
        ("example.org:*", wildcard),
        ("0.0.0.0:80", "an address that can be dialled"),
        ("224.0.0.1:80", "an address that can be dialled"),
        ("[::]:80", "an address that can be dialled"),
    ] {
        let error = pattern.parse::<Grant>().unwrap_err().to_string();
        assert_eq!(error, format!("found `{pattern}`, wanted {wanted}"));
    }
}

#[test]
fn only_what_is_granted_is_allowed() {
    let grants = grants(&[
        "mail.example.org:993",
        "192.0.2.1:80",
        "[2001:db8::1]:443",
        "web.example.org:8000-8099",
    ]);
    for (host, port, allowed) in [
        ("mail.example.org", 993, true),
        ("MAIL.example.org.", 993, true),
        ("mail.example.org", 143, false),
        ("example.org", 993, false),
        ("mail.example.org.evil.test", 993, false),
        ("xmail.example.org", 993, false),
        ("192.0.2.1", 80, true),
        ("::ffff:192.0.2.1", 80, true),
        ("192.0.2.2", 80, false),
        ("2001:db8:0:0:0:0:0:1", 443, true),
        ("web.example.org", 8000, true),
        ("web.example.org", 8099, true),
        ("web.example.org", 8100, false),
        ("", 80, false),
        ("[2001:db8::1]", 443, false),
    ] {
        assert_eq!(grants.allows(host, port), allowed, "{host}:{port}");
    }
    assert!(!Grants::default().allows("mail.example.org", 993));
}

#[test]
fn a_refusal_says_what_to_add() {
    let grants = grants(&["mail.example.org:993"]);
    for (host, port, sentence) in [
        (
            "evil.test",
            25,
            "`evil.test:25` is not granted; to allow it, add `\"evil.test:25\"` to `allow`",
        ),
        (
            "2001:db8::1",
            25,
            "`[2001:db8::1]:25` is not granted; to allow it, add `\"[2001:db8::1]:25\"` to `allow`",
        ),
        ("a b", 25, "`a b` is neither a host name nor an address"),
        ("127.1", 25, "`127.1` is neither a host name nor an address"),
        (
            "mail.example.org",
            0,
            "`mail.example.org` port 0 can never be dialled",
        ),
        ("0.0.0.0", 80, "`0.0.0.0` port 80 can never be dialled"),
    ] {
        assert_eq!(grants.permit(host, port).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn behind_a_name_only_public_addresses_are_allowed() {
    let grants = grants(&["mail.example.org:993"]);
    for (address, allowed) in [
        ("192.0.2.1", true),
        ("2001:db8::1", true),
        ("64:ff9b::c000:201", true),
        ("127.0.0.1", false),
        ("::1", false),
        ("10.1.2.3", false),
        ("172.16.0.1", false),
        ("192.168.0.1", false),
        ("100.64.0.1", false),
        ("fd12::1", false),
        ("169.254.0.1", false),
        ("169.254.169.254", false),
        ("fd00:ec2::254", false),
        ("fe80::1", false),
        ("224.0.0.1", false),
        ("ff02::1", false),
        ("255.255.255.255", false),
        ("0.0.0.0", false),
        ("::", false),
        ("::ffff:127.0.0.1", false),
        ("::ffff:169.254.169.254", false),
        ("64:ff9b::a9fe:a9fe", false),
        ("2002:a01:203::1", false),
        ("::10.1.2.3", false),
    ] {
        let result = grants.allows_address("mail.example.org", socket(address, 993));
        assert_eq!(result.is_ok(), allowed, "{address}");
    }
}

#[test]
fn a_name_may_lead_to_a_private_address_that_is_granted_itself() {
    let grants = grants(&[
        "mail.internal:993",
        "10.1.2.3:993",
        "127.0.0.1:993",
        "169.254.169.254:993",
    ]);
    let leads_to = |address, port| grants.allows_address("mail.internal", socket(address, port));
    assert_eq!(leads_to("10.1.2.3", 993), Ok(()));
    assert_eq!(leads_to("::ffff:10.1.2.3", 993), Ok(()));
    assert_eq!(leads_to("64:ff9b::a01:203", 993), Ok(()));
    assert_eq!(leads_to("127.0.0.1", 993), Ok(()));
    assert_eq!(
        leads_to("10.1.2.4", 993).unwrap_err().to_string(),
        "`mail.internal` leads to `10.1.2.4`, a private address; to allow it, add `\"10.1.2.4:993\"` to `allow` as well"
    );
    assert!(leads_to("10.1.2.3", 143).is_err());
    assert_eq!(
        leads_to("169.254.169.254", 993).unwrap_err().to_string(),
        "`mail.internal` leads to `169.254.169.254`, a cloud metadata address; no name may lead there"
    );
}

#[test]
fn localhost_may_be_loopback_and_nothing_else() {
    let grants = grants(&["localhost:993", "imap.localhost:993"]);
    for name in ["localhost", "imap.localhost", "LOCALHOST."] {
        assert_eq!(grants.allows_address(name, socket("127.0.0.1", 993)), Ok(()));
        assert_eq!(grants.allows_address(name, socket("::1", 993)), Ok(()));
        assert!(grants.allows_address(name, socket("10.0.0.1", 993)).is_err());
    }
    assert!(
        grants
            .allows_address("notlocalhost", socket("127.0.0.1", 993))
            .is_err()
    );
}

#[test]
fn an_address_dialled_as_such_is_its_own_grant() {
    let grants = grants(&["127.0.0.1:993", "169.254.169.254:80"]);
    for (address, port) in [("127.0.0.1", 993), ("169.254.169.254", 80)] {
        assert!(grants.allows(address, port));
        assert_eq!(grants.allows_address(address, socket(address, port)), Ok(()));
    }
    assert!(
        grants
            .allows_address("127.0.0.1", socket("10.0.0.1", 993))
            .is_err()
    );
}
