//! Tests of `secret.rs`.

use super::*;

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn command(words: &[&str]) -> SecretSource {
    let arguments = words[1..].iter().map(|word| (*word).to_owned()).collect();
    SecretSource::Command(Command {
        program: words[0].to_owned(),
        arguments,
    })
}

async fn read(sources: &[(&str, SecretSource)], needed: &[&str]) -> Result<SecretStore, Vec<String>> {
    read_within(READ_TIMEOUT, sources, needed).await
}

async fn read_within(
    limit: Duration,
    sources: &[(&str, SecretSource)],
    needed: &[&str],
) -> Result<SecretStore, Vec<String>> {
    let sources = sources
        .iter()
        .map(|(text, source)| (name(text), source.clone()))
        .collect();
    let needed = needed.iter().map(|text| name(text)).collect();
    let read = SecretStore::read_within(limit, &sources, &needed).await;
    read.map_err(|unread| unread.sentences)
}

fn file(content: &[u8]) -> (tempfile::NamedTempFile, SecretSource) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let source = SecretSource::File(file.path().to_owned());
    (file, source)
}

#[tokio::test]
async fn secrets_are_read_from_all_their_places() {
    let path = std::env::var("PATH").unwrap();
    let (_kept, file) = file(b"two\n words \n\r\n\n");
    let sources = [
        ("variable", SecretSource::Env("PATH".into())),
        ("file", file),
        ("command", command(&["printf", "%s\n\n", "a'b $HOME"])),
    ];
    let store = read(&sources, &["variable", "file", "command"]).await.unwrap();
    assert_eq!(store.get("variable").unwrap().expose(), path.as_bytes());
    assert_eq!(store.get("file").unwrap().expose(), b"two\n words ");
    assert_eq!(store.get("command").unwrap().expose(), b"a'b $HOME");
    assert!(store.get("other").is_none());
}

#[tokio::test]
async fn everything_that_is_missing_is_said_at_once_and_without_values() {
    let (_empty, empty) = file(b"\r\n\n");
    let (_long, long) = file(&[b'x'; MAX_SECRET + 1]);
    let sources = [
        ("a-variable", SecretSource::Env("BEDCHECK_TEST_NOT_SET".into())),
        ("b-file", SecretSource::File("/nonexistent/secret".into())),
        ("c-empty", empty),
        ("d-long", long),
        (
            "e-failed",
            command(&["sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3"]),
        ),
        ("f-program", command(&["/nonexistent/program", "hunter2"])),
        ("g-endless", command(&["yes", "hunter2"])),
    ];
    let needed = [
        "a-variable",
        "b-file",
        "c-empty",
        "d-long",
        "e-failed",
        "f-program",
        "g-endless",
        "h-other",
    ];
    let missing = read(&sources, &needed).await.unwrap_err();
    let reasons = [
        "`BEDCHECK_TEST_NOT_SET` is not set",
        "the file `/nonexistent/secret` cannot be read: No such file",
        "is empty",
        "is longer than 64 KiB",
        "`sh` ended with exit status: 3",
        "`/nonexistent/program` cannot be started: No such file",
        "what `yes` prints is longer than 64 KiB",
        "it is not in `[secrets]`",
    ];
    assert_eq!(missing.len(), reasons.len(), "{missing:#?}");
    for ((sentence, reason), name) in missing.iter().zip(reasons).zip(needed) {
        assert!(
            sentence.starts_with(&format!("the secret `{name}` could not be read: ")),
            "{sentence}"
        );
        assert!(sentence.contains(reason), "{sentence}");
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}

#[tokio::test]
async fn what_is_not_needed_is_not_read() {
    let sources = [("unused", command(&["/nonexistent/program"]))];
    assert!(read(&sources, &[]).await.is_ok());
}

#[tokio::test]
async fn the_largest_secret_fits_with_its_line_break() {
    let (_kept, source) = file(&[&[b'x'; MAX_SECRET][..], b"\r\n"].concat());
    let store = read(&[("large", source)], &["large"]).await.unwrap();
    assert_eq!(store.get("large").unwrap().expose().len(), MAX_SECRET);
}

#[tokio::test]
async fn what_goes_on_behind_many_line_breaks_is_not_cut_off() {
    let (_kept, source) = file(&[&[b'x'; MAX_SECRET][..], &[b'\n'; READ_LIMIT], b"y"].concat());
    let missing = read(&[("long", source)], &["long"]).await.unwrap_err();
    assert!(missing[0].contains("is longer than 64 KiB"), "{missing:?}");
}

#[tokio::test]
async fn a_program_is_not_waited_for_once_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    // What it leaves behind holds its output open until somebody writes to the pipe.
    let left_behind = "cat \"$0\" & echo hunter2";
    let sources = [(
        "agent",
        command(&["sh", "-c", left_behind, pipe.to_str().unwrap()]),
    )];
    let store = read(&sources, &["agent"]).await;
    drop(File::options().write(true).open(&pipe).unwrap());
    assert_eq!(store.unwrap().get("agent").unwrap().expose(), b"hunter2");
}

#[tokio::test]
async fn a_program_that_hangs_is_stopped() {
    let sources = [("slow", command(&["sleep", "600"]))];
    let missing = read_within(Duration::from_millis(50), &sources, &["slow"])
        .await
        .unwrap_err();
    assert_eq!(
        missing,
        ["the secret `slow` could not be read: `sleep` took longer than 50ms and was stopped"]
    );
}

#[tokio::test]
async fn what_a_program_that_hangs_has_started_is_stopped_too() {
    if has_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let mut reader = std::os::unix::fs::OpenOptionsExt::custom_flags(
        File::options().read(true),
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    )
    .open(&pipe)
    .unwrap();
    // What is started holds the pipe open until it ends, and has said that it does.
    let script = "(echo begun; sleep 600) > \"$0\"; echo x";
    let sources = [("slow", command(&["sh", "-c", script, pipe.to_str().unwrap()]))];
    let missing = read_within(Duration::from_secs(1), &sources, &["slow"]).await;
    assert!(missing.unwrap_err()[0].contains("was stopped"));
    let ended = async {
        while reader.read(&mut [0; 64]).ok() != Some(0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("nothing of it goes on");
}

#[test]
fn debug_shows_nothing() {
    let store = SecretStore::new([(name("mail"), Secret::new(b"hunter2".to_vec()))]);
    assert_eq!(
        format!("{store:?}"),
        "SecretStore({SecretName(\"mail\"): Secret([redacted])})"
    );
    assert!(!format!("{:?}", store.redactor()).contains("hunter2"));
}

#[tokio::test]
async fn what_a_program_fails_at_may_pass_and_nothing_else() {
    let (_empty, empty) = file(b"");
    let may_pass = async |source: SecretSource| {
        let sources = BTreeMap::from([(name("one"), source)]);
        let needed = sources.keys().cloned().collect();
        let read = SecretStore::read_within(READ_TIMEOUT, &sources, &needed).await;
        read.unwrap_err().may_pass
    };
    assert!(may_pass(command(&["false"])).await);
    assert!(may_pass(command(&["true"])).await, "it printed nothing");
    assert!(!may_pass(command(&["no-such-program"])).await);
    assert!(!may_pass(empty).await);
    assert!(!may_pass(SecretSource::File("no-such-file".into())).await);
    assert!(!may_pass(SecretSource::Env("NO_SUCH_VARIABLE".into())).await);
}
