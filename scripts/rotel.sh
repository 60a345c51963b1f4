#!/bin/sh
# Fetches Rotel, the second receiver of OTLP which the tests export to, into .tools/rotel-agent: the program out of
# the wheel that tests/rotel/requirements.txt pins, which links the library of CPython 3.11.
set -eu

speaker=rotel
. "$(dirname -- "$0")/common.sh"

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
    make_folder
    fetch_wheel Rotel "$wanted" "$folder" 3.11 cp311 2_34
    python3 -m zipfile -e "$folder"/rotel-*.whl "$folder/wheel"
    mkdir -p "$root/.tools"
    install -m 755 "$folder/wheel/rotel/rotel-agent" "$agent"
    cp "$wanted" "$stamp"
}

library_is_there() {
    ! ldd "$agent" | grep -q 'not found'
}

install_library() {
    install_packages libpython3.11
    library_is_there || fail "a library of Rotel is missing still: $(ldd "$agent" | grep 'not found')"
}

main "$@"
