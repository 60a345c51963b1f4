//! Fuzzing the configuration: any text is read to the end without a panic, what is wrong with it has a place in
//! it, and secrets in the wrong place are never repeated.

use std::path::Path;

use bedcheck_fuzz::{Bytes, Fuzz, Random};

use super::*;
use crate::grant::Grant;

const WORDS: [&[u8]; 88] = [
    b"[otlp]\n",
    b"[http]\n",
    b"[plugins]\n",
    b"[resolver]\n",
    b"[runner]\n",
    b"[schedule]\n",
    b"[secrets]\n",
    b"[defaults]\n",
    b"[defaults.budget]\n",
    b"[[check]]\n",
    b"[check.settings]\n",
    b"[check.tls]\n",
    b"[check.budget]\n",
    b"endpoint = ",
    b"protocol = ",
    b"headers = ",
    b"timeout = ",
    b"listen = ",
    b"dir = ",
    b"servers = ",
    b"concurrency = ",
    b"deadline = ",
    b"grace = ",
    b"fuel = ",
    b"memory = ",
    b"host_calls = ",
    b"bytes = ",
    b"name = \"a\"\n",
    b"name = ",
    b"plugin = \"http\"\n",
    b"every = ",
    b"allow = ",
    b"disable = ",
    b"retry = ",
    b"breaker = ",
    b"attempts = 3",
    b"backoff = \"1s\"",
    b"max_backoff = ",
    b"failures = ",
    b"reset = ",
    b"max_reset = ",
    b"jitter = ",
    b"per_target = ",
    b"ca_file = ",
    b"client_key = ",
    b"client_certificate = ",
    b"server_name = ",
    b"do_not_verify = true\n",
    b"{ secret = \"s\" }",
    b"{ env = \"V\" }",
    b"{ file = \"f\" }",
    b"{ command = [\"p\"] }",
    b"s = ",
    b"\"1m30s\"",
    b"\"64MiB\"",
    b"\"1.5us\"",
    b"\"0.000001s\"",
    b"\"www.example.org:443\"",
    b"\"[::1]:80-90\"",
    b"\"*.example.org:1\"",
    b"\"self\"",
    b"\"http://h:1/\"",
    b"\"grpc\"",
    b"\"127.0.0.1:1\"",
    b"\"net.tls\"",
    b"\"",
    b"'",
    b"\"\"\"",
    b"'''",
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b".",
    b",",
    b"\n",
    b"#",
    b"true",
    b"-0",
    b"0x1f",
    b"1_000",
    b"1e400",
    b"nan",
    b"1979-05-27T07:32:00Z",
    b"\\u0000",
    b"\xc3\xa9",
    b"\xe2\x80\xae",
];

/// Whole files that mutation begins with: good ones, and one for each kind of problem.
fn files() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/config");
    let mut files = Vec::new();
    for folder in [folder.join("valid"), folder] {
        let mut paths: Vec<_> = std::fs::read_dir(&folder)
            .expect("the tests' configurations are there")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .collect();
        // So that the same seed makes the same inputs.
        paths.sort();
        files.extend(paths.iter().filter_map(|path| std::fs::read(path).ok()));
    }
    files
}

/// Tables and keys without much sense.
fn table(random: &mut Random) -> Vec<u8> {
    (0..random.u8(1..30))
        .flat_map(|_| random.choice(WORDS.as_slice()).copied().unwrap_or_default())
        .copied()
        .collect()
}

/// What must hold for any text.
fn text_property(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let source = Source::new(Path::new("checks.toml"), &text);
    let whole = Config::parse(&source);
    if let Err(problems) = &whole {
        problems
            .iter()
            .for_each(|problem| assert_sound(problem, source.text()));
        assert!(problems.iter().len() > 0);
        let rendered = source.render(problems);
        assert!(
            !rendered.contains(|c: char| c.is_control() && c != '\n'),
            "{rendered:?}"
        );
    }
    // Reading what can be read does not find other problems than reading all.
    match (Config::parse_partly(&source), whole) {
        (Ok((_, problems)), Ok(config)) => {
            assert!(problems.is_empty(), "{problems:?}");
            assert_finished(&config);
        }
        (Ok((_, problems)), Err(all)) => {
            let problems = Problems::check(problems).expect_err("problems, as before");
            assert_eq!(problems, all);
        }
        (Err(some), Err(all)) => assert_eq!(some, all),
        (Err(problems), Ok(_)) => panic!("refused in part, and not as a whole: {problems}"),
    }
    text.split(|c: char| c.is_whitespace() || "\"'=,[]".contains(c))
        .for_each(word_property);
}

/// A problem has words, and a place that is in the file.
fn assert_sound(problem: &Problem, text: &str) {
    assert!(!problem.message.is_empty());
    assert!(
        !problem.message.contains(char::is_control),
        "{:?}",
        problem.message
    );
    if let Some(Position { line, column }) = problem.location.position() {
        // The end of the file may be a line of its own.
        let lines: Vec<&str> = text.split('\n').collect();
        let length = lines.get(line.wrapping_sub(1)).map(|line| line.chars().count());
        assert!(
            length.is_some_and(|length| (1..=length + 1).contains(&column)),
            "{problem} is not in the file"
        );
    }
}

/// What the types promise of a configuration that was accepted.
fn assert_finished(config: &Config) {
    use crate::budget::Limits;
    assert!(!config.checks.is_empty() && (1..=10_000).contains(&config.concurrency));
    let mut names: Vec<_> = config.checks.iter().map(|check| check.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), config.checks.len(), "a name twice");
    for check in &config.checks {
        assert!(
            Limits::DEADLINES.contains(&check.limits.deadline),
            "{:?}",
            check.limits
        );
        assert!(Limits::GRACES.contains(&check.limits.grace), "{:?}", check.limits);
        assert!(Limits::FUELS.contains(&check.limits.fuel), "{:?}", check.limits);
        assert!(
            Limits::MEMORIES.contains(&check.limits.memory),
            "{:?}",
            check.limits
        );
        for name in check.settings.secret_names() {
            assert!(config.secrets.contains_key(name), "{name:?} is missing");
        }
        let json = check.settings.to_json();
        serde_json::from_str::<serde_json::Value>(&json).expect("settings are JSON");
    }
}

/// What is read from a word is shown as a word from which the same is read.
fn word_property(word: &str) {
    if let Ok(duration) = parse_duration(word) {
        assert_eq!(parse_duration(&show_duration(duration)), Ok(duration), "{word}");
    }
    if let Ok(size) = parse_size(word) {
        assert_eq!(parse_size(&show_size(size)), Ok(size), "{word}");
    }
    if let Ok(grant) = word.parse::<Grant>() {
        let shown = grant.to_string();
        assert_eq!(
            shown.parse::<Grant>().as_ref(),
            Ok(&grant),
            "{word} is shown as {shown}"
        );
    }
    if let Ok(fault) = word.parse::<crate::fault::Fault>() {
        let shown = fault.to_string();
        assert_eq!(
            shown.parse::<crate::fault::Fault>().as_ref(),
            Ok(&fault),
            "{word} is shown as {shown}"
        );
    }
    if let Ok(name) = word.parse::<CheckName>() {
        assert_eq!(name.as_str(), word);
    }
    if let Ok(capability) = word.parse::<crate::capability::Capability>() {
        assert_eq!(capability.as_str(), word);
    }
}

/// Options of the command line, one a line: the first letter says which.
fn command_line_property(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let of = |letter: char| -> Vec<String> {
        let lines = text.split('\n').filter_map(|line| line.strip_prefix(letter));
        lines.map(str::to_owned).collect()
    };
    let (plugin, deadline) = (of('p'), of('t'));
    let options = CommandLine {
        plugin: plugin.first().map_or("http", String::as_str),
        set: &of('s'),
        secret: &of('x'),
        deadline: deadline.first().map(String::as_str),
        allow: &of('a'),
        disable: &of('d'),
    };
    match options.to_config() {
        Ok(config) => assert_finished(&config),
        Err(problems) => {
            assert!(problems.iter().len() > 0);
            for problem in problems.iter() {
                assert!(
                    !problem.message.contains(char::is_control),
                    "{:?}",
                    problem.message
                );
            }
        }
    }
}

/// What is written where a secret must not be.
const SECRET: &str = "Zq9vXw7kLm";

/// A secret, written in one of the places where people write secrets although they should not, with something
/// wrong around it. It is in no message, in no line shown under one, and not in `Debug`.
fn secret_property(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let place = bytes.below(6);
    let clean = |text: String| text.replace(['\n', '\r'], "").replace(SECRET, "");
    let (before, after) = (clean(bytes.text()), clean(bytes.text()));
    let quote = *bytes.pick(&["\"", "'", "\"\"\"", "'''", ""]);
    let end = *bytes.pick(&[quote, "\"", "'", ""]);
    let value = format!("{quote}{before}{SECRET}{after}{end}");
    let check = "[[check]]\nname = \"a\"\nplugin = \"http\"\n";
    let text = match place {
        0 => format!("[otlp]\nendpoint = \"http://h:1\"\nheaders = {{ authorization = {value} }}\n{check}"),
        1 => format!("[otlp]\nendpoint = \"http://h:1\"\n[otlp.headers]\nauthorization = {value}\n{check}"),
        2 => format!("{check}[secrets]\ns = {value}\n"),
        3 => format!("{check}[secrets]\ns = {{ env = {value} }}\n"),
        4 => format!("{check}[secrets]\ns = {{ value = {value} }}\n"),
        _ => format!("{check}[secrets]\ns = {{ command = [\"p\", {value}] }}\n"),
    };
    let source = Source::new(Path::new("checks.toml"), &text);
    let shown = match Config::parse(&source) {
        Ok(config) => format!("{:?} {:?}", config.otlp, config.secrets),
        Err(problems) => format!("{problems}\n{}\n{problems:?}", source.render(&problems)),
    };
    // The name of a variable is no secret: it is shown when the variable is not set.
    let is_name = place == 3;
    assert!(is_name || !shown.contains(SECRET), "{text}\n{shown}");
}

const OPTIONS: [&[u8]; 26] = [
    b"\ns",
    b"\nx",
    b"\na",
    b"\nd",
    b"\nt",
    b"\np",
    b"url=",
    b"expect.status=",
    b"a.b.c=",
    b"=",
    b".",
    b"env:V",
    b"file:f",
    b"[1, {\"a\": null}]",
    b"{\"secret\": \"k\"}",
    b"k={\"secret\": \"k\"}",
    b"null",
    b"\"",
    b"h:1",
    b"[::1]:1-2",
    b"net.tls",
    b"1s",
    b"1e999",
    b"99999999999999999999d",
    b"\0",
    b"\xff",
];

#[test]
fn config() {
    Fuzz::new("config")
        .seeds(files())
        .dictionary(&WORDS)
        .generator(table)
        .run(text_property);
}

#[test]
fn command_line() {
    let seeds = ["shost=h\nsport=1\nxpassword=env:V\nah:1\nt5s\ndnet.tls\npimap"];
    Fuzz::new("command_line")
        .seeds(seeds)
        .dictionary(&OPTIONS)
        .run(command_line_property);
}

#[test]
fn secrets_in_the_wrong_place() {
    let seeds: Vec<Vec<u8>> = (0..6)
        .flat_map(|place| (0..5).map(move |quote| vec![place, 1, b' ', 1, b' ', quote, 0]))
        .collect();
    Fuzz::new("secrets_in_the_wrong_place")
        .seeds(seeds)
        .dictionary(&WORDS)
        .run(secret_property);
}
