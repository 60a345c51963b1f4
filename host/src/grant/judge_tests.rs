//! Tests of `judge.rs`.

use super::*;

fn grants(patterns: &[&str]) -> Grants {
    Grants::new(patterns.iter().map(|pattern| pattern.parse().unwrap()).collect())
}

fn socket(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
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

#[test]
fn a_wildcard_grants_what_is_below_its_suffix_and_not_the_suffix() {
    let grants = grants(&["*.example.org:443", "*.Example.net.:8000-8001"]);
    for (host, port, allowed) in [
        ("www.example.org", 443, true),
        ("WWW.Example.org.", 443, true),
        ("a.b.c.example.org", 443, true),
        ("_x.example.org", 443, true),
        ("www.example.net", 8001, true),
        ("example.org", 443, false),
        (".example.org", 443, false),
        ("wwwexample.org", 443, false),
        ("www.example.org", 80, false),
        ("www.example.org.evil.test", 443, false),
        ("*.example.org", 443, false),
        ("192.0.2.1", 443, false),
    ] {
        assert_eq!(grants.allows(host, port), allowed, "{host}:{port}");
    }
    // Behind a name that only a wildcard grants, the same addresses are refused as behind any other.
    for (address, allowed) in [
        ("192.0.2.1", true),
        ("127.0.0.1", false),
        ("169.254.169.254", false),
    ] {
        let result = grants.allows_address("www.example.org", socket(address, 443));
        assert_eq!(result.is_ok(), allowed, "{address}");
    }
}

#[test]
fn a_range_grants_its_addresses_and_no_name() {
    let grants = grants(&["192.0.2.0/24:80", "[2001:db8::]/32:8000-8099"]);
    for (host, port, allowed) in [
        ("192.0.2.0", 80, true),
        ("192.0.2.255", 80, true),
        ("::ffff:192.0.2.7", 80, true),
        ("192.0.3.0", 80, false),
        ("192.0.2.7", 443, false),
        ("2001:db8:1::7", 8050, true),
        ("2001:db9::7", 8050, false),
        ("www.example.org", 80, false),
    ] {
        assert_eq!(grants.allows(host, port), allowed, "{host}:{port}");
    }
}

#[test]
fn a_name_may_lead_into_a_granted_range_but_never_to_what_no_name_may_lead_to() {
    let grants = grants(&[
        "mail.internal:993",
        "10.0.0.0/8:993",
        "127.0.0.0/8:993",
        "169.254.0.0/16:993",
        "100.64.0.0/10:993",
        "[fd00::]/8:993",
    ]);
    for (address, port, allowed) in [
        ("10.9.8.7", 993, true),
        ("127.0.0.1", 993, true),
        ("fd12::1", 993, true),
        ("::ffff:10.9.8.7", 993, true),
        ("64:ff9b::a09:807", 993, true),
        ("10.9.8.7", 143, false),
        ("192.168.0.1", 993, false),
        ("169.254.169.254", 993, false),
        ("169.254.0.1", 993, false),
        ("100.100.100.200", 993, false),
        ("fd00:ec2::254", 993, false),
        ("64:ff9b::a9fe:a9fe", 993, false),
        ("224.0.0.1", 993, false),
        ("0.0.0.0", 993, false),
    ] {
        let result = grants.allows_address("mail.internal", socket(address, port));
        assert_eq!(result.is_ok(), allowed, "{address}:{port}");
    }
}

#[test]
fn no_range_grants_a_metadata_address_in_whatever_form() {
    let ranges = grants(&[
        "169.254.0.0/16:80",
        "100.64.0.0/10:80",
        "[fd00::]/8:80",
        "[64:ff9b::]/96:80",
        "[2002::]/16:80",
        "255.0.0.0/8:80",
    ]);
    for (address, allowed) in [
        ("169.254.0.1", true),
        ("100.64.0.1", true),
        ("fd00::1", true),
        ("64:ff9b::c000:201", true),
        ("169.254.169.254", false),
        ("::ffff:169.254.169.254", false),
        ("169.254.170.2", false),
        ("100.100.100.200", false),
        ("fd00:ec2::254", false),
        ("64:ff9b::a9fe:a9fe", false),
        ("64:ff9b::7f00:1", false),
        ("2002:a9fe:a9fe::1", false),
        ("2002:6440:1::1", true),
        ("255.255.255.255", false),
    ] {
        assert_eq!(ranges.allows(address, 80), allowed, "{address}");
    }
    assert_eq!(
        ranges.permit("169.254.169.254", 80).unwrap_err().to_string(),
        "`169.254.169.254:80` is not granted; to allow it, add `\"169.254.169.254:80\"` to `allow`"
    );
    assert!(grants(&["169.254.169.254:80"]).allows("169.254.169.254", 80));
    assert!(grants(&["[64:ff9b::a9fe:a9fe]:80"]).allows("64:ff9b::a9fe:a9fe", 80));
}

#[test]
fn what_is_no_host_is_told_in_few_words() {
    let refusal = grants(&[]).permit(&"\0".repeat(1 << 22), 80).unwrap_err();
    let told = refusal.to_string();
    assert!(
        told.starts_with(r"`\u{0}\u{0}") && told.len() < 512,
        "{} bytes",
        told.len()
    );
}
