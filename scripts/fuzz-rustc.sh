#!/bin/sh
# Stands before rustc (RUSTC_WORKSPACE_WRAPPER) and has the code of the crates that are fuzzed count what is
# passed in it: SanitizerCoverage, which stable compilers have. Everything else is compiled as always, the engine
# above all, and what cargo has built of it is used.
set -eu

case " $* " in
*' --target wasm32'* | *' --crate-name build_script_build '*) exec "$@" ;;
*' --crate-name bedcheck '* | *' --crate-name bedcheck_imap '* | *' --crate-name bedcheck_http '* | *' --crate-name bedcheck_tcp '* | *' --crate-name bedcheck_dns '*)
    exec "$@" -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=3 \
        -C llvm-args=-sanitizer-coverage-inline-8bit-counters
    ;;
esac
exec "$@"
