#!/bin/sh
# Makes the check in Python of tests/python a component, .tools/http-status.wasm, unless it is there for what stands in
# tests/python and wit. The componentize-py that tests/python/requirements.txt pins is fetched into .tools the first time.
set -eu

oldest_python=3.10

main() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
    tools=$root/.tools
    wanted=$root/tests/python/requirements.txt
    packages=$tools/componentize-py
    component=$tools/http-status.wasm
    sources=$(sources)
    if [ -f "$component" ] && [ "$(cat "$component.sources" 2>/dev/null)" = "$sources" ]; then
        return 0
    fi
    python_is_there
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 1' HUP INT TERM
    cmp -s "$wanted" "$packages/requirements.txt" || fetch
    build
}

# What the component is made of, with digests.
sources() {
    (cd "$root" && sha256sum tests/python/*.py tests/python/requirements.txt wit/*.wit)
}

python_is_there() {
    command -v python3 >/dev/null || fail "python3 is missing: componentize-py needs Python $oldest_python or newer"
    python3 -c "import sys; sys.exit(sys.version_info < ($(printf %s "$oldest_python" | tr . ,)))" ||
        fail "$(python3 --version) is too old: componentize-py needs Python $oldest_python or newer"
}

fetch() {
    python3 -m pip --version >/dev/null 2>&1 || install_package python3-pip
    say 'fetching componentize-py'
    python3 -m pip --quiet download --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version "$oldest_python" --implementation cp --abi abi3 --platform "manylinux_2_28_$(uname -m)" \
        --require-hashes --requirement "$wanted" --dest "$folder" >&2 ||
        fail 'pip could not fetch componentize-py: is the package index reachable?'
    # A wheel without dependencies, which needs no installing.
    rm -rf "$packages"
    mkdir -p "$packages"
    python3 -m zipfile -e "$folder"/componentize_py-*.whl "$packages"
    cp "$wanted" "$packages/requirements.txt"
}

# From a copy, because the Python inside leaves its bytecode beside what it reads.
build() {
    say 'making a component of tests/python (some ten seconds)'
    mkdir "$folder/app"
    cp "$root"/tests/python/*.py "$folder/app"
    PYTHONPATH=$packages PYTHONDONTWRITEBYTECODE=1 python3 -c 'import componentize_py; componentize_py.script()' \
        --quiet -d "$root/wit" -w plugin componentize -p "$folder/app" http_status \
        -o "$folder/component" >&2 ||
        fail 'componentize-py could not make it'
    rm -f "$component.sources"
    install -m 644 "$folder/component" "$component"
    printf '%s\n' "$sources" >"$component.sources"
}

install_package() {
    command -v apt-get >/dev/null ||
        fail "$1 is missing for the tests, and there is no apt-get to install it with"
    [ "$(id -u)" = 0 ] || fail "$1 is missing for the tests, and only root can install it: apt-get install $1"
    say "installing $1"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update >&2 || fail 'apt-get could not fetch the package lists: is the network reachable?'
    apt-get -q install --yes --no-install-recommends "$1" >&2 || fail "apt-get could not install $1"
}

say() {
    printf 'python: %s\n' "$1" >&2
}

fail() {
    printf 'python: error: %s\n' "$1" >&2
    exit 1
}

main "$@"
