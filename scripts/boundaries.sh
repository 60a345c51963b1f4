#!/bin/sh
# Holds the modules to the boundaries of ARCHITECTURE.md by looking for what may be named only in some places.
# Prints each violation as `file:line: rule: the line`, and fails when there is one.
# Comments are free to name anything; only lines of code count.
set -eu

main() {
    cd "$(dirname -- "$0")/.."
    violations=0

    only_in 'host/src/telemetry/' host/src \
        "$(crate 'opentelemetry[a-z_]*')" \
        'only host/src/telemetry knows OpenTelemetry'
    only_in 'host/src/(bindings\.rs|hostcalls/|sandbox/|wasi/)' host/src \
        "$(crate 'wasmtime[a-z_]*')" \
        'only bindings, hostcalls, sandbox and wasi in host/src know the engine'
    only_in 'host/src/config/' host/src \
        "$(crate 'toml')" \
        'only host/src/config knows TOML'
    only_in 'host/src/import/' host/src \
        "$(crate 'saphyr_parser')" \
        'only host/src/import knows YAML'
    only_in 'host/src/(connection|demo|serve|telemetry)/' host/src \
        "$(crate '(tokio_|hyper_)?rustls')|tokio::(net|\{.*net)" \
        'only connection, demo, serve and telemetry in host/src open sockets or know TLS'
    only_in 'host/src/serve/' host/src \
        "$(crate 'axum')" \
        'only host/src/serve knows the server of the endpoints'

    nowhere_in 'host/src/fault* host/src/grant* host/src/outcome* host/src/phase* host/src/policy* host/src/schedule*' \
        "$(crate 'tokio')|std::(fs|process|thread)(::|;)" \
        'fault, grant, outcome, phase, policy and schedule are pure: no runtime, files, processes or threads'
    nowhere_in 'host/src/secret* host/src/name*' \
        'crate::config|super::config' \
        'secret and name stand below config'
    nowhere_in 'host/src/import*' \
        "$(crate 'tokio')|std::(fs|process|thread)(::|;)" \
        'import is pure: no runtime, files, processes or threads'
    nowhere_in 'plugins' \
        'wit[-_]bindgen' \
        'a plugin sees only the SDK, never the generated bindings'
    nowhere_in 'plugins sdk' \
        "$(dependency bedcheck)|$(crate 'bedcheck')" \
        'plugins and SDK never depend on the host'
    nowhere_in 'host' \
        "$(dependency bedcheck-sdk)|$(crate 'bedcheck_sdk')" \
        'the host never depends on the SDK'

    [ "$violations" = 0 ]
}

# Matches a path into a crate, or the crate in a `use`.
crate() {
    printf '(^|[^A-Za-z0-9_:])%s(::|;| as )' "$1"
}

# Matches the line of a Cargo.toml which declares a dependency on a package of this workspace.
dependency() {
    printf '^%s(\\.| *=)' "$1"
}

# only_in WHERE-ALLOWED FOLDER PATTERN RULE: the pattern occurs only in files whose path matches.
only_in() {
    report "$4" "$(code_lines "$3" "$2" | grep -vE "^$1" || true)"
}

# nowhere_in PATHS PATTERN RULE: the pattern does not occur in these files and folders.
nowhere_in() {
    # A list of paths, split and globbed on purpose.
    # shellcheck disable=SC2086
    report "$3" "$(code_lines "$2" $1)"
}

# Prints `file:line:text` for each line of Rust code or of a Cargo.toml that matches the pattern.
code_lines() {
    pattern=$1
    shift
    for path in "$@"; do
        [ -e "$path" ] || continue
        find "$path" -name target -prune -o \( -name '*.rs' -o -name Cargo.toml \) -exec grep -nHE "$pattern" {} +
    done | grep -vE '^[^:]*:[0-9]+: *(//|#)' || true
}

report() {
    [ -n "$2" ] || return 0
    violations=1
    printf '%s\n' "$2" | while IFS= read -r line; do
        text=${line#*:*:}
        printf '%s %s: %s\n' "${line%"$text"}" "$1" "$text"
    done >&2
}

main "$@"
