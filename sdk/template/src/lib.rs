//! The check `{{name}}`: a service greets with `220` and answers `QUIT` with `221`, as mail servers do.

use std::io::Write;

use bedcheck_sdk::{Check, Connection, Description, Failure, Target, phase};

#[derive(serde::Deserialize)]
struct Settings {
    host: String,
    port: u16,
}

struct Plugin;
bedcheck_sdk::register!(Plugin);

impl Check for Plugin {
    type Settings = Settings;

    fn describe() -> Description {
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Description::new(name, version, "a service greets and says goodbye")
            .phases(["resolve", "connect", "greeting", "goodbye"])
            .capabilities(["net.connect"])
            .target(Target::host_and_port("host", "port", []))
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn run(settings: Settings) -> Result<(), Failure> {
        let mut connection = Connection::open(&settings.host, settings.port)?;
        let mut ask = |command: &[u8], wanted: &[u8]| {
            connection.write_all(command)?;
            let line = connection.read_line_limited(512)?;
            let told = || Failure::unexpected_response(String::from_utf8_lossy(&line));
            line.starts_with(wanted).then_some(()).ok_or_else(told)
        };
        phase("greeting", || ask(b"", b"220 "))?;
        phase("goodbye", || ask(b"QUIT\r\n", b"221 "))
    }
}
