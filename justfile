# What a developer and continuous integration run alike. `./justw` lists the recipes, `./justw RECIPE` runs
# one after installing what is missing.
#
# Everything native is built in one profile and for the whole workspace at once: cargo unites the features of
# the packages it builds together, and a package built alone would bring a second build of the engine. Only what is
# handed out, and measured, has a profile of its own, `dist`.

set shell := ["sh", "-eu", "-c"]
set positional-arguments

# The packages which are compiled to WebAssembly, and the SDK they stand on; first those that can do without a C library.
bare_packages := "--package bedcheck-bare --package bedcheck-imap --package bedcheck-http --package bedcheck-tcp --package bedcheck-guest"
guest_packages := "--package bedcheck-sdk --package bedcheck-imap --package bedcheck-http --package bedcheck-tcp --package bedcheck-dns --package bedcheck-guest --package bedcheck-interpreter --package bedcheck-faulty --package bedcheck-idle"

[private]
default:
    @{{ quote(just_executable()) }} --list --unsorted

# Show every kind of report: healthy and sick servers on loopback, nothing else needed.
demo *flags: build
    "${CARGO_TARGET_DIR:-target}/release/bedcheck" demo "$@"

# Build the program, with the built-in plugins inside.
build *flags:
    cargo build --release --locked --workspace --bins "$@"

# Build the program as it is handed out, optimised as a whole: half an hour the first time.
dist *flags:
    cargo build --profile dist --locked --workspace --bin bedcheck "$@"

# Fuzzing begins with the same seed every time, so that no change is blamed for what chance found; `fuzz` looks
# for more.
# Run every test, then every fuzz target for 15 s; with arguments, which go to `cargo test`, only the tests they name.
test *flags: servers guests python
    cargo build --release --locked --workspace --all-targets
    cargo test --release --locked --workspace --no-fail-fast "$@"
    [ $# -gt 0 ] || BEDCHECK_FUZZ_SECONDS=15 BEDCHECK_FUZZ_SEED=1 cargo test --release --locked --workspace --lib -- fuzz::

# Fuzz a target for so many seconds, led by what its inputs reach; `keep` adds what reaches more to its corpus.
fuzz target seconds="60" keep="": guests
    BEDCHECK_FUZZ_SECONDS="$2" BEDCHECK_FUZZ_KEEP="{{ if keep == "keep" { "1" } else { "0" } }}" \
    RUSTC_WORKSPACE_WRAPPER="{{ justfile_directory() }}/scripts/fuzz-rustc.sh" \
        cargo test --release --locked --workspace --lib -- "fuzz::$1"

# Try one input on a fuzz target: the file that a failure left.
fuzz-input target file: guests
    BEDCHECK_FUZZ_INPUT="$(realpath "$2")" cargo test --release --locked --workspace --lib -- "fuzz::$1"

# Without Python, the row that needs it says so, and the others are measured.
# Measure bedcheck beside other probers and native clients, in interleaved rounds: `bench [ROW..] [--quick] [--json FILE]`.
bench *flags: guests
    -scripts/python.sh
    cargo build --profile dist --locked --workspace --bin bedcheck --bin bedcheck-bench
    "${CARGO_TARGET_DIR:-target}/dist/bedcheck-bench" "$@"

# Build the plugins which only the tests and the benchmark use.
guests:
    cargo build --profile guest --locked --target wasm32-wasip2 --package bedcheck-guest --package bedcheck-interpreter --package bedcheck-faulty --package bedcheck-idle
    cargo build --profile guest --locked --target wasm32-unknown-unknown --package bedcheck-guest

# Make the check in Python a component, which the tests and the benchmark use.
python:
    scripts/python.sh

# Write to tests/bench/guard.txt what a run takes now; `test --test guard` holds runs against it.
guard: guests
    BEDCHECK_BLESS=1 cargo test --release --locked --workspace --test guard

# Install the servers which the tests start, and their two receivers of OTLP.
servers:
    scripts/servers.sh
    scripts/collector.sh
    scripts/rotel.sh

# Hold the tree to its format, lints, documentation and module boundaries.
check: format-check boundaries lint docs

# Check the format of the Rust code.
format-check:
    cargo fmt --all --check

# Check that no module names what belongs to another.
boundaries:
    scripts/boundaries.sh

# Run clippy on native code and on guests; a warning is an error.
lint:
    cargo clippy --release --locked --workspace --all-targets -- --deny warnings
    cargo clippy --profile guest --locked --target wasm32-wasip2 {{ guest_packages }} -- --deny warnings
    cargo clippy --profile guest --locked --target wasm32-unknown-unknown {{ bare_packages }} -- --deny warnings

# Build the documentation; a warning is an error.
docs:
    RUSTDOCFLAGS='--deny warnings' cargo doc --release --locked --workspace --no-deps

# Everything that continuous integration asks for.
ci: check test
