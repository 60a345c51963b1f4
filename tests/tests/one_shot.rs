//! The promise: a one-shot run does nothing that its check does not need. What was compiled before is not compiled
//! again, the certificates that the system trusts are read by nobody who speaks to no peer over TLS, and no thread is
//! started for one guest. It can still do what a daemon can where there is little of everything.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use bedcheck_tests::Program;
use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::program::{executable, undisturbed};
use bedcheck_tests::script::Script;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn fetch(url: &str) -> Program {
    let set = format!("url={url}");
    Program::new(["run", "--plugin", "http", "--set", &set, "--format", "json"])
}

fn plain_peer() -> Script {
    Script::new().expect_through("\r\n\r\n").send(ANSWER)
}

#[test]
fn a_second_run_compiles_nothing() {
    let cache = tempfile::tempdir().expect("a folder");
    let run = || {
        let peer = plain_peer().serve();
        let url = format!("http://127.0.0.1:{}/", peer.port());
        let finished = fetch(&url).env("BEDCHECK_CACHE", cache.path()).finish();
        assert_eq!(finished.report()["outcome"], "pass", "{finished:#?}");
    };
    run();
    let first = kept(cache.path());
    run();
    let second = kept(cache.path());
    let [(first, first_used)] = first[..] else {
        panic!("one plugin, one file: {first:?}");
    };
    let [(second, second_used)] = second[..] else {
        panic!("one plugin, one file: {second:?}");
    };
    assert_eq!(first, second, "what is compiled is written into a new file");
    assert!(second_used > first_used, "{first_used:?} {second_used:?}");
}

#[test]
fn a_cache_that_cannot_be_used_is_said_and_done_without() {
    let cache = tempfile::tempdir().expect("a folder");
    let code = cache.path().join("code");
    fs::write(&code, "no folder").expect("written");
    let peer = plain_peer().serve();
    let url = format!("http://127.0.0.1:{}/", peer.port());
    let finished = fetch(&url).env("BEDCHECK_CACHE", cache.path()).finish();
    assert_eq!(finished.report()["outcome"], "pass", "{finished:#?}");
    let note = format!("note: `{}` cannot be used for compiled plugins: ", code.display());
    assert!(finished.stderr.starts_with(&note), "{finished:#?}");
}

/// The files of kept code: which they are, and when they were last used.
fn kept(cache: &Path) -> Vec<(u64, std::time::SystemTime)> {
    let files = fs::read_dir(cache.join("code")).expect("a folder of kept code");
    files
        .map(|file| {
            let metadata = file.and_then(|file| file.metadata()).expect("readable");
            (metadata.ino(), metadata.modified().expect("a time"))
        })
        .collect()
}

/// Certificates that never come to an end of being read: whoever reads them waits.
fn endless(program: Program) -> Program {
    let pipe = program.path("certificates");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("coreutils");
    assert!(made.success());
    program.env("SSL_CERT_FILE", pipe)
}

#[test]
fn a_check_without_tls_does_not_wait_for_certificates() {
    let peer = plain_peer().serve();
    let finished = endless(fetch(&format!("http://127.0.0.1:{}/", peer.port()))).finish();
    assert_eq!(finished.report()["outcome"], "pass", "{finished:#?}");
}

#[test]
fn a_check_with_an_authority_of_its_own_does_not_wait_for_certificates() {
    let certificates = Certificates::new();
    let shown = certificates.self_signed();
    let peer = Script::new()
        .start_tls(shown.server_config())
        .expect_through("\r\n\r\n")
        .send(ANSWER)
        .serve();
    let fetch = fetch(&format!("https://127.0.0.1:{}/", peer.port()))
        .argument("--ca-file")
        .argument(&shown.certificate_file);
    let finished = endless(fetch).finish();
    assert_eq!(finished.report()["outcome"], "pass", "{finished:#?}");
}

#[test]
fn a_check_that_comes_to_tls_late_is_held_against_the_systems_certificates() {
    let certificates = Certificates::new();
    let tls = Script::new()
        .start_tls(certificates.valid().server_config())
        .expect_through("\r\n\r\n")
        .send(ANSWER)
        .serve();
    // Before this answer nothing tells that there will be TLS.
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n",
        tls.port()
    );
    let plain = Script::new().expect_through("\r\n\r\n").send(&redirect).serve();
    let finished = fetch(&format!("http://127.0.0.1:{}/", plain.port()))
        .argument("--allow")
        .argument(format!("127.0.0.1:{}", tls.port()))
        .env("SSL_CERT_FILE", certificates.authority_file())
        .finish();
    assert_eq!(finished.report()["outcome"], "pass", "{finished:#?}");
}

#[test]
fn a_process_that_runs_one_check_has_one_thread() {
    let cache = tempfile::tempdir().expect("a folder");
    // The first compiles.
    let _ = threads_while_waiting(cache.path());
    assert_eq!(threads_while_waiting(cache.path()), ["bedcheck"]);
}

/// The threads of a process while its check waits for an answer.
fn threads_while_waiting(cache: &Path) -> Vec<String> {
    let peer = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = peer.local_addr().expect("an address");
    let child = undisturbed(executable())
        .args(["run", "--plugin", "http", "--format", "json", "--set"])
        .arg(format!("url=http://{address}/"))
        .env("BEDCHECK_CACHE", cache)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is built");
    let (mut stream, _) = peer.accept().expect("a connection");
    read_request(&mut stream);
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).expect("a process");
    let names = threads.map(|thread| {
        let name = thread.expect("readable").path().join("comm");
        fs::read_to_string(name).expect("readable").trim().to_owned()
    });
    let names = names.collect();
    stream.write_all(ANSWER.as_bytes()).expect("a peer that reads");
    let output = child.wait_with_output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    names
}

fn read_request(stream: &mut impl Read) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        request.extend(byte);
    }
}

#[test]
fn little_address_space_is_enough() {
    let peer = plain_peer().serve();
    let cache = tempfile::tempdir().expect("a folder");
    // Less than the 4 GiB that a linear memory gets where there are as many.
    let output = undisturbed("sh")
        .args(["-c", "ulimit -v 3000000 && exec \"$0\" \"$@\""])
        .arg(executable())
        .args(["run", "--plugin", "http", "--format", "json", "--set"])
        .arg(format!("url=http://127.0.0.1:{}/", peer.port()))
        .env("BEDCHECK_CACHE", cache.path())
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{output:?}");
}
