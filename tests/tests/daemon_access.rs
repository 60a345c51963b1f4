//! The promise: who may ask is decided before anything is answered. With a token everybody needs it but for health and
//! readiness, with a certificate nobody is answered without TLS, no web page changes anything, and neither the token
//! nor the key is shown anywhere.

use std::fs;

use bedcheck_tests::certificates::Certificates;
use bedcheck_tests::daemon::{Answer, Daemon, exchange};
use rustls::{ClientConnection, StreamOwned};

const TOKEN: &str = "t0ken-of-the-test";

/// A daemon without checks that run by themselves.
fn configuration(http: &str) -> String {
    format!(
        r#"
        secrets.api.env = "API_TOKEN"
        [http]
        listen = "127.0.0.1:0"
        {http}
        [[check]]
        name = "front"
        plugin = "http"
        every = "7d"
        allow = ["127.0.0.1:9"]
        settings = {{ url = "http://127.0.0.1:9/" }}
        "#
    )
}

/// Everything that changes something.
const CHANGES: [&str; 3] = ["/-/reload", "/api/v1/switches", "/api/v1/plugins/http/promote"];

#[test]
fn with_a_token_nobody_else_is_answered() {
    let daemon = Daemon::with(&configuration("token = { secret = \"api\" }"))
        .env("API_TOKEN", TOKEN)
        .start();
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(daemon.get(path).status, 200, "{path}");
    }
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let status = |method: &str, path: &str, headers: &str| {
        let answer = daemon.request(method, path, headers, "");
        answer.expect("an answer").status
    };
    for path in ["/", "/metrics", "/api/v1/checks", "/api/v1/openapi.json"] {
        assert_eq!(status("GET", path, ""), 401, "{path}");
        assert_eq!(
            status("GET", path, "Authorization: Bearer other\r\n"),
            401,
            "{path}"
        );
        assert_eq!(status("GET", path, &bearer), 200, "{path}");
    }
    for path in CHANGES {
        assert_eq!(status("POST", path, ""), 401, "{path}");
    }
    assert_eq!(status("POST", "/-/reload", &bearer), 200);
    assert_eq!(status("POST", "/api/v1/plugins/http/promote", &bearer), 409);
    let ended = daemon.end("TERM");
    assert!(!ended.log.join("\n").contains(TOKEN), "{:#?}", ended.log);
}

#[test]
fn a_token_that_goes_with_the_address_stays_until_that_is_another() {
    let token = "token = { secret = \"api\" }";
    let daemon = Daemon::with(&configuration(token))
        .env("API_TOKEN", TOKEN)
        .start();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let reload = |configuration: &str| {
        daemon.configure(configuration);
        let answer = daemon.request("POST", "/-/reload", &bearer, "");
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    };
    // Meant for an address that only this machine reaches, where nobody listens before the next start.
    let elsewhere = configuration("").replace("127.0.0.1:0", "127.0.0.2:0");
    for _ in 0..2 {
        let said = reload(&elsewhere);
        assert_eq!(daemon.get("/metrics").status, 401);
        assert_eq!(daemon.post("/-/reload").status, 401);
        let wanted = "what changed in `http.listen` and `http.token` takes effect with the next start";
        assert!(said.contains(wanted), "{said}");
    }
    reload(
        "[[check]]\nname = \"front\"\nplugin = \"http\"\nallow = [\"127.0.0.1:9\"]\n\
            settings.url = \"http://127.0.0.1:9/\"\n",
    );
    assert_eq!(daemon.get("/metrics").status, 401, "without `[http]`");
    let said = reload(&configuration(""));
    assert!(!said.contains("next start"), "{said}");
    assert_eq!(
        daemon.get("/metrics").status,
        200,
        "as the file says of this address"
    );
}

#[test]
fn a_web_page_changes_nothing() {
    let daemon = Daemon::with(&configuration("")).start();
    let page = "Origin: http://page.example.org\r\nContent-Type: application/json\r\n";
    for path in CHANGES {
        let answer = daemon.request("POST", path, page, "{}").expect("an answer");
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
    assert_eq!(daemon.get("/api/v1/status").json()["generation"], 1);
    let switched = daemon.get("/api/v1/switches").json();
    assert_eq!(switched["disabled"].as_array().map(Vec::len), Some(0));
}

#[test]
fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let certificates = Certificates::new();
    let identity = certificates.valid();
    let read = |path| fs::read(path).expect("a file in PEM");
    let daemon = Daemon::with(&configuration(
        "tls = { certificate = \"c.pem\", key = \"k.pem\" }",
    ))
    .file("c.pem", read(&identity.certificate_file))
    .file("k.pem", read(&identity.key_file))
    .start();
    let over_tls = |certificates: &Certificates| -> std::io::Result<Answer> {
        let name = "localhost".try_into().expect("a name");
        let client = ClientConnection::new(certificates.client_config(), name);
        let stream = StreamOwned::new(client.expect("a client"), daemon.connect()?);
        exchange(stream, "GET", "/-/healthy", "", "")
    };
    let answer = over_tls(&certificates).expect("an answer over TLS");
    assert_eq!((answer.status, answer.body.as_str()), (200, "healthy\n"));
    assert!(over_tls(&Certificates::new()).is_err(), "another authority");
    let plain = daemon.request("GET", "/-/healthy", "", "");
    assert!(plain.is_err(), "{plain:?}");
    assert_eq!(daemon.end("TERM").code, Some(0));
}
