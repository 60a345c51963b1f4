//! One check of a small page, for tests to which it matters only that something is exported, and how.

use std::thread;

use bedcheck_tests::Program;
use bedcheck_tests::script::{Peer, Script};

/// Runs a test with each of OTLP's protocols, both at once: such tests mostly wait.
pub(crate) fn with_each_protocol(test: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for protocol in ["grpc", "http/protobuf"] {
            let test = &test;
            scope.spawn(move || test(protocol));
        }
    });
}

/// A web server with one small page, and the check of it.
pub(crate) struct Page {
    server: Peer,
}

impl Page {
    /// Starts the server.
    pub(crate) fn serve() -> Self {
        let server = Script::new()
            .expect_through("\r\n\r\n")
            .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .serve();
        Self { server }
    }

    /// A call that checks the page with this `[otlp]` table, or with none.
    pub(crate) fn check(&self, otlp: &str) -> Program {
        let port = self.server.port();
        let configuration = format!(
            r#"
            {otlp}

            [[check]]
            name = "page"
            plugin = "http"
            allow = ["127.0.0.1:{port}"]
            settings = {{ url = "http://127.0.0.1:{port}/" }}
            "#
        );
        Program::run(&configuration)
    }

    /// How many requests for the page there were.
    pub(crate) fn requests(self) -> usize {
        self.server.finish().len()
    }
}
