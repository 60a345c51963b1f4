#!/bin/sh
# Fetches Rotel, the second receiver of OTLP which the tests export to, into .tools/rotel-agent: the program out of
# the wheel that tests/rotel/requirements.txt pins, which links the library of CPython 3.11.
set -eu

main() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
    agent=$root/.tools/rotel-agent
    stamp=$agent.sources
    wanted=$root/tests/rotel/requirements.txt
    if ! [ -x "$agent" ] || ! cmp -s "$wanted" "$stamp"; then
        fetch
    fi
    library_is_there || install_library
}

fetch() {
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || install_package python3-pip
    say 'fetching Rotel'
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 1' HUP INT TERM
    # The wheel is not installed, so it does not matter which Python fetches it.
    python3 -m pip --quiet download --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version 3.11 --implementation cp --abi cp311 --platform "manylinux_2_34_$(uname -m)" \
        --require-hashes --requirement "$wanted" --dest "$folder" >&2 ||
        fail 'pip could not fetch Rotel: is the package index reachable?'
    python3 -m zipfile -e "$folder"/rotel-*.whl "$folder/wheel"
    mkdir -p "$root/.tools"
    install -m 755 "$folder/wheel/rotel/rotel-agent" "$agent"
    cp "$wanted" "$stamp"
}

library_is_there() {
    ! ldd "$agent" | grep -q 'not found'
}

install_library() {
    install_package libpython3.11
    library_is_there || fail "a library of Rotel is missing still: $(ldd "$agent" | grep 'not found')"
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
    printf 'rotel: %s\n' "$1" >&2
}

fail() {
    printf 'rotel: error: %s\n' "$1" >&2
    exit 1
}

main "$@"
