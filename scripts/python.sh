#!/bin/sh
# Makes the check in Python of tests/python a component, .tools/http-status.wasm, unless it is there for what stands in
# tests/python and wit. The componentize-py that tests/python/requirements.txt pins is fetched into .tools the first time.
set -eu

speaker=python
. "$(dirname -- "$0")/common.sh"

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
    make_folder
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
    fetch_wheel componentize-py "$wanted" "$folder" "$oldest_python" abi3 2_28
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

main "$@"
