//! Tests of `command_line.rs`.

use super::*;

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn read(set: &[&str], secret: &[&str]) -> Result<Config, String> {
    let (set, secret) = (strings(set), strings(secret));
    let command_line = CommandLine {
        plugin: "http",
        set: &set,
        secret: &secret,
        ..CommandLine::default()
    };
    command_line.to_config().map_err(|problems| problems.to_string())
}

#[test]
fn values_are_json_where_they_can_be_and_text_where_not() {
    let set = [
        "url=https://www.example.org/?a=b",
        "port=993",
        "expect.certificate_days=14",
        "expect.status=[\"2xx\"]",
        "follow=true",
        "user=\"123\"",
        "body=",
        "word=null",
        "host=[::1]",
    ];
    let config = read(&set, &[]).unwrap();
    assert_eq!(
        config.checks[0].settings.to_json(),
        json!({
            "url": "https://www.example.org/?a=b",
            "port": 993,
            "expect": { "certificate_days": 14, "status": ["2xx"] },
            "follow": true,
            "user": "123",
            "body": "",
            "word": "null",
            "host": "[::1]",
        })
        .to_string()
    );
    assert_eq!(
        config.checks[0].settings.location("/expect/status/0").to_string(),
        "--set expect.status"
    );
}

#[test]
fn a_secret_is_a_setting_and_its_source() {
    let config = read(
        &[],
        &["password=env:MAIL", "headers.authorization=file:/run/token"],
    )
    .unwrap();
    let check = &config.checks[0];
    assert_eq!(
        check.settings.to_json(),
        r#"{"password":{"secret":"password"},"headers":{"authorization":{"secret":"headers.authorization"}}}"#
    );
    assert_eq!(config.secrets["password"], SecretSource::Env("MAIL".into()));
    assert_eq!(
        config.secrets["headers.authorization"],
        SecretSource::File("/run/token".into())
    );
    assert_eq!(check.settings.secret_names().len(), 2);
}

#[test]
fn what_cannot_be_used_is_refused_all_at_once_and_with_its_option() {
    let message = |set: &[&str], secret: &[&str]| read(set, secret).unwrap_err();
    assert_eq!(message(&["url"], &[]), "--set: found `url`, wanted `KEY=VALUE`");
    assert_eq!(
        message(&["a..b=1"], &[]),
        "--set a..b: found `a..b`, wanted a key of the settings, such as `url` or `expect.status`"
    );
    assert_eq!(message(&["a=1", "a=2"], &[]), "--set a: the key is given twice");
    assert_eq!(
        message(&["a=1", "a.b=2"], &[]),
        "--set a.b: `a` is given as a value, wanted a table"
    );
    assert_eq!(
        message(&[], &["password=hunter2"]),
        "--secret password: wanted `KEY=env:VARIABLE` or `KEY=file:PATH`"
    );
    assert_eq!(
        message(&[], &["hunter2"]),
        "--secret: found no `=`, wanted `KEY=env:VARIABLE` or `KEY=file:PATH`"
    );
    assert_eq!(
        message(&["password={\"secret\":\"mail\"}"], &[]),
        "--set: found no secret called `mail`, wanted the setting itself given as `--secret KEY=env:VARIABLE`"
    );
}

#[test]
fn the_other_options_are_read_as_well() {
    let (allow, disable) = (strings(&["www.example.org:443"]), strings(&["net.tls"]));
    let command_line = CommandLine {
        plugin: "http",
        deadline: Some("5s"),
        allow: &allow,
        disable: &disable,
        ..CommandLine::default()
    };
    let mut config = command_line.to_config().unwrap();
    assert_eq!(config.disabled.everywhere.len(), 1);
    let check = config.checks.remove(0);
    assert_eq!(check.name.as_str(), "http");
    assert_eq!(
        check.limits,
        Limits {
            deadline: Duration::from_secs(5),
            ..Limits::default()
        }
    );
    assert!(check.grants.allows("www.example.org", 443));

    let (allow, disable) = (strings(&["www.example.org"]), strings(&["tls"]));
    let command_line = CommandLine {
        plugin: "HTTP",
        deadline: Some("5"),
        allow: &allow,
        disable: &disable,
        ..CommandLine::default()
    };
    let problems = command_line.to_config().unwrap_err().to_string();
    assert_eq!(
        problems,
        "--allow: found `www.example.org`, wanted a port as well, such as `www.example.org:443`\n\
         --deadline: found `5`, wanted a duration with a unit, such as `5s`\n\
         --disable: found `tls`, wanted a capability: `net.connect`, `net.datagram`, `net.tls` or `secrets`\n\
         --plugin: found `HTTP`, wanted the name of a plugin (lower case letters, digits and hyphens), such as `http`"
    );
}

#[test]
fn a_key_that_is_given_twice_in_a_value_is_refused() {
    for (option, key) in [
        (r#"expect={"status":500,"status":200}"#, "status"),
        (r#"a=[{"b":{"c":1,"d":2,"c":3}}]"#, "c"),
    ] {
        let refused = read(&[option], &[]).unwrap_err();
        assert!(
            refused.contains(&format!("the key `{key}` is given twice")),
            "{refused}"
        );
    }
    read(&[r#"a={"b":{"c":1},"c":1}"#], &[]).unwrap();
}

#[test]
fn values_too_deep_in_one_another_are_refused() {
    let deep = |keys: usize, arrays: usize| {
        let key = vec!["a"; keys].join(".");
        format!("{key}={}1{}", "[".repeat(arrays), "]".repeat(arrays))
    };
    read(&[&deep(39, 40)], &[]).unwrap();
    for option in [deep(40, 41), deep(100_000, 0)] {
        let refused = read(&[&option], &[]).unwrap_err();
        assert!(
            refused.contains("deep in one another, wanted at most 80"),
            "{refused}"
        );
    }
}
