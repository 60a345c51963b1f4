//! What a guest is linked against: the contract, and as much of WASI 0.2 as it imports. How that behaves is with
//! the host calls, and for WASI with [`super::wasi`].

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::{cli, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi_io::bindings::wasi::io::poll;

use super::RunState;
use super::wasi::{Waiting, Waits};
use crate::bindings;

/// How much of WASI a guest is linked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wasi {
    /// Nothing of files and sockets, of which a guest gets nothing anyway: more than half of WASI's functions, which a
    /// process that runs one check would link for nobody.
    WithoutFilesAndSockets,
    /// All of it, for interpreters and what else brings imports that it never uses.
    Whole,
}

/// The interfaces of [`Wasi::WithoutFilesAndSockets`].
const WITHOUT_FILES_AND_SOCKETS: [&str; 18] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

impl Wasi {
    /// As much as a guest needs that imports these interfaces, each with or without its version.
    pub fn for_imports<'i>(imports: impl IntoIterator<Item = &'i str>) -> Self {
        let is_enough = |import: &str| {
            let interface = import.split_once('@').map_or(import, |(interface, _)| interface);
            !interface.starts_with("wasi:") || WITHOUT_FILES_AND_SOCKETS.contains(&interface)
        };
        if imports.into_iter().all(is_enough) {
            Self::WithoutFilesAndSockets
        } else {
            Self::Whole
        }
    }
}

/// Links the contract and so much of WASI.
///
/// # Errors
///
/// When two of the interfaces collide, which would be a mistake in this program.
pub fn add_to_linker(linker: &mut Linker<RunState>, wasi: Wasi) -> wasmtime::Result<()> {
    match wasi {
        Wasi::Whole => p2::add_to_linker_async(linker)?,
        Wasi::WithoutFilesAndSockets => add_without_files_and_sockets(linker)?,
    }
    linker.allow_shadowing(true);
    poll::add_to_linker::<RunState, Waiting>(linker, |state| Waits(state))?;
    monotonic_clock::add_to_linker::<RunState, Waiting>(linker, |state| Waits(state))?;
    wall_clock::add_to_linker::<RunState, Waiting>(linker, |state| Waits(state))?;
    linker.allow_shadowing(false);
    bindings::Plugin::add_to_linker::<_, HasSelf<RunState>>(linker, |state| state)
}

fn add_without_files_and_sockets(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    // Clocks, streams, random numbers.
    p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, RunState::random)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, RunState::random)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, RunState::cli)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Engine;

    /// The version of WASI that the engine provides.
    const VERSION: &str = "0.2.12";
    /// One thing of each interface.
    const THINGS: [(&str, &str); 18] = [
        ("wasi:cli/environment", "get-environment"),
        ("wasi:cli/exit", "exit"),
        ("wasi:cli/stderr", "get-stderr"),
        ("wasi:cli/stdin", "get-stdin"),
        ("wasi:cli/stdout", "get-stdout"),
        ("wasi:cli/terminal-input", "terminal-input"),
        ("wasi:cli/terminal-output", "terminal-output"),
        ("wasi:cli/terminal-stderr", "get-terminal-stderr"),
        ("wasi:cli/terminal-stdin", "get-terminal-stdin"),
        ("wasi:cli/terminal-stdout", "get-terminal-stdout"),
        ("wasi:clocks/monotonic-clock", "subscribe-duration"),
        ("wasi:clocks/wall-clock", "now"),
        ("wasi:io/error", "error"),
        ("wasi:io/poll", "poll"),
        ("wasi:io/streams", "input-stream"),
        ("wasi:random/insecure", "get-insecure-random-u64"),
        ("wasi:random/insecure-seed", "insecure-seed"),
        ("wasi:random/random", "get-random-u64"),
    ];

    /// Whether a linker has this: then it refuses to be given it.
    fn has(linker: &mut Linker<RunState>, interface: &str, thing: &str) -> bool {
        let name = format!("{interface}@{VERSION}");
        let mut instance = linker.instance(&name).expect("a name");
        instance.func_wrap(thing, |_, ()| Ok(())).is_err()
    }

    #[test]
    fn what_has_no_files_and_sockets_has_all_the_rest() {
        let interfaces = THINGS.map(|(interface, _)| interface);
        assert_eq!(interfaces, WITHOUT_FILES_AND_SOCKETS);
        let engine = Engine::default();
        for wasi in [Wasi::WithoutFilesAndSockets, Wasi::Whole] {
            let mut linker = Linker::new(&engine);
            add_to_linker(&mut linker, wasi).expect("nothing collides");
            for (interface, thing) in THINGS {
                assert!(has(&mut linker, interface, thing), "{interface}, {wasi:?}");
            }
            let has_files = has(&mut linker, "wasi:filesystem/preopens", "get-directories");
            assert_eq!(has_files, wasi == Wasi::Whole);
        }
    }

    #[test]
    fn who_imports_more_gets_all() {
        let streams = [
            "wasi:io/streams@0.2.6",
            "wasi:cli/stderr@0.2.0",
            "bedcheck:plugin/net@1.2.0",
        ];
        assert_eq!(Wasi::for_imports(streams), Wasi::WithoutFilesAndSockets);
        for more in [
            "wasi:sockets/tcp@0.2.0",
            "wasi:filesystem/types@0.2.6",
            "wasi:clocks/timezone",
        ] {
            assert_eq!(
                Wasi::for_imports(streams.into_iter().chain([more])),
                Wasi::Whole,
                "{more}"
            );
        }
    }
}
