//! Reaching for the network and for what is around the sandbox.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::{env, fs};

use bedcheck_sdk::{Connection, Failure, FirstFailure, phase};

use crate::{Settings, computing};

/// Reads three answers from a peer, each in a phase of its own, whatever becomes of the others.
pub(crate) fn read_thrice(settings: &Settings) -> FirstFailure {
    let mut failures = FirstFailure::default();
    let Some(mut connection) = failures.keep(Connection::open(&settings.host, settings.port)) else {
        return failures;
    };
    for name in ["first", "second", "third"] {
        failures.keep(phase(name, || {
            let mut byte = [0];
            connection.write_all(b"?")?;
            connection.read_exact(&mut byte)?;
            Ok(())
        }));
    }
    failures
}

/// Connects, and closes the connection in good order.
pub(crate) fn close(settings: &Settings) -> Result<(), Failure> {
    let connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || connection.close())
}

/// Takes leave of a peer without having greeted it, and parts with the connection as `part` does.
pub(crate) fn leave(
    settings: &Settings,
    part: impl FnOnce(Connection) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        connection.write_all(b"QUIT\r\n")?;
        connection.read_line_limited(1024).map(drop)
    })?;
    phase("second", || part(connection))
}

/// As `read_thrice`, and then asks the network for more without end.
pub(crate) fn never_listen(settings: &Settings) -> ! {
    let _failures = read_thrice(settings);
    loop {
        let _refused = Connection::open(&settings.host, settings.port);
    }
}

/// Connects, reads nothing, and computes for ever while the peer sends.
pub(crate) fn never_read(settings: &Settings) -> Result<(), Failure> {
    let _held = Connection::open(&settings.host, settings.port)?;
    computing::spin()
}

/// Reads whatever comes for as long as it comes.
pub(crate) fn read_for_ever(settings: &Settings) -> Result<(), Failure> {
    let mut connection = Connection::open(&settings.host, settings.port)?;
    phase("first", || {
        let mut buffer = vec![0; 64 << 10];
        while connection.read(&mut buffer)? > 0 {}
        Ok(())
    })
}

/// Dials `count` different names.
pub(crate) fn dial_many(settings: &Settings, count: u32) -> Result<(), Failure> {
    let mut failures = FirstFailure::default();
    for number in 0..count {
        failures.keep(Connection::open(
            &format!("{number}.{}", settings.host),
            settings.port,
        ));
    }
    failures.into_result()
}

/// Looks for anything of the machine's, and measures how much it found.
pub(crate) fn probe() -> Result<(), Failure> {
    let found = [
        ("guest.variables", env::vars().count()),
        ("guest.arguments", env::args().count()),
        (
            "guest.folders",
            ["/", ".", "/etc", "/proc"]
                .iter()
                .filter(|path| fs::read_dir(path).is_ok())
                .count(),
        ),
        (
            "guest.files",
            ["/etc/passwd", "/proc/self/environ"]
                .iter()
                .filter(|path| fs::read(path).is_ok())
                .count(),
        ),
        (
            "guest.connections",
            usize::from(TcpStream::connect("127.0.0.1:22").is_ok()),
        ),
        (
            "guest.datagrams",
            usize::from(UdpSocket::bind("127.0.0.1:0").is_ok()),
        ),
        (
            "guest.names",
            usize::from(("localhost", 80).to_socket_addrs().is_ok()),
        ),
        (
            "guest.input",
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap_or(0),
        ),
    ];
    for (name, number) in found {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        bedcheck_sdk::measure(name, number.into(), "1", &[])?;
    }
    phase("first", || Ok(()))
}

/// Measures whether `net.tls` is enabled and how much time is left.
pub(crate) fn ask() -> Result<(), Failure> {
    for (name, capability) in [("guest.connect", "net.connect"), ("guest.tls", "net.tls")] {
        let enabled = f64::from(u8::from(bedcheck_sdk::capability_enabled(capability)));
        bedcheck_sdk::measure(name, enabled, "1", &[])?;
    }
    bedcheck_sdk::measure(
        "guest.remaining",
        bedcheck_sdk::remaining().as_secs_f64(),
        "s",
        &[],
    )
}
