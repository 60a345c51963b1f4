//! Compiles the built-in plugins for WebAssembly and hands them to the crate, with the SDK's sources for new
//! projects, so that the program is one file. Nothing else is generated here.

#[path = "build/sdk.rs"]
mod sdk;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest, Sha256};

const PROFILE: &str = "guest";
/// The built-in plugins: what they are compiled for, their packages and the names of their files. Without WASI's C library
/// (`sdk/bare`) an instance imports half as many functions; the codec of `dns` wants that library's random numbers.
const PLUGINS: [(&str, &[(&str, &str)]); 2] = [
    (
        "wasm32-unknown-unknown",
        &[
            ("bedcheck-http", "bedcheck_http"),
            ("bedcheck-imap", "bedcheck_imap"),
            ("bedcheck-tcp", "bedcheck_tcp"),
        ],
    ),
    ("wasm32-wasip2", &[("bedcheck-dns", "bedcheck_dns")]),
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            println!("cargo::error={sentence}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let workspace = variable("CARGO_MANIFEST_DIR")?.join("..");
    let out = variable("OUT_DIR")?;
    for path in [
        "plugins",
        "sdk",
        "wit",
        "rustfmt.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
        ".cargo",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    let lock = std::fs::read(workspace.join("Cargo.lock"))
        .map_err(|error| format!("`Cargo.lock` cannot be read: {error}"))?;
    println!("cargo::rustc-env=BEDCHECK_LOCK={}", hexadecimal(&lock));
    sdk::embed(&workspace, &out)?;
    build_plugins(&workspace, &out)
}

fn build_plugins(workspace: &Path, out: &Path) -> Result<(), String> {
    let target_dir = shared_target_dir(out);
    for (target, plugins) in PLUGINS {
        require(target)?;
        compile(target, plugins, workspace, &target_dir)?;
        for (_, file) in plugins {
            let from = target_dir.join(target).join(PROFILE);
            let from = from.join(format!("{file}.wasm"));
            embed_plugin(&from, &out.join(file)).map_err(|error| {
                format!("the built-in plugin {} cannot be copied: {error}", from.display())
            })?;
        }
    }
    Ok(())
}

/// Copies a component, and puts its SHA-256 digest in hexadecimal beside it: the program is not to compute at each start
/// what never changes.
fn embed_plugin(from: &Path, to: &Path) -> std::io::Result<()> {
    let component = std::fs::read(from)?;
    std::fs::write(to.with_extension("sha256"), hexadecimal(&component))?;
    std::fs::write(to.with_extension("wasm"), component)
}

/// The SHA-256 digest of bytes, in hexadecimal.
fn hexadecimal(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks the compiler for the target's standard library, so that a missing one is told in one sentence
/// and not as a missing crate `core`.
fn require(target: &str) -> Result<(), String> {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let answer = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .map_err(|error| format!("the compiler cannot be asked for its targets: {error}"))?;
    let library = PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    if library.is_dir() {
        return Ok(());
    }
    Err(format!(
        "the built-in plugins need the WebAssembly target: run `rustup target add {target}` and build again"
    ))
}

/// A target directory beside the one in use, so that the two builds do not wait for each other's lock
/// and a changed output directory does not compile everything again.
fn shared_target_dir(out: &Path) -> PathBuf {
    // OUT_DIR is PROFILE/build/PACKAGE-HASH/out.
    out.ancestors().nth(3).unwrap_or(out).join("guests")
}

fn compile(
    target: &str,
    plugins: &[(&str, &str)],
    workspace: &Path,
    target_dir: &Path,
) -> Result<(), String> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    // In the workspace, whose `.cargo/config.toml` has what a target needs.
    command
        .current_dir(workspace)
        .args(["build", "--locked", "--quiet", "--profile", PROFILE])
        .args(["--target", target])
        .arg("--target-dir")
        .arg(target_dir);
    for (package, _) in plugins {
        command.args(["--package", package]);
    }
    // Settings meant for the program itself: flags for another target, and clippy in the compiler's place.
    for foreign in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
    ] {
        command.env_remove(foreign);
    }
    let status = command
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("the built-in plugins do not compile; see above".into())
    }
}

fn variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("cargo did not set {name}"))
}
