#!/bin/sh
# Builds the collector for tests: `tests/collector/build.sh OUTPUT`. Does nothing when OUTPUT is newer
# than its sources. Needs Go 1.24 or newer; where there is none and the machine is a Debian, the
# compiler is fetched by apt from the suite that has it and unpacked beside OUTPUT, not installed.
set -eu

GO_SERIES=1.24
GO_SUITE=trixie

fail() {
    echo "build.sh: $*" >&2
    exit 1
}

is_new_enough() {
    version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    newest=$(printf '%s\n' "go$GO_SERIES" "$version" | sort -V | tail -n 1)
    [ "$newest" = "$version" ]
}

# Leaves the machine's own sources alone: the suite is read through a private configuration. Only its
# mirror is taken from there.
fetch_go() {
    command -v apt-get >/dev/null || fail "wanted Go $GO_SERIES or newer on the PATH, found none"
    echo "build.sh: fetching Go $GO_SERIES from Debian $GO_SUITE into $1" >&2
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
    [ -n "$mirror" ] || fail "wanted a Debian mirror in apt's sources, found none"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
    echo "deb $mirror $GO_SUITE main" >"$scratch/sources.list"
    set -- "$1" -qq -o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$scratch/lists" -o Dir::Cache="$scratch/cache" -o APT::Sandbox::User=root
    into=$1
    shift
    apt-get "$@" update || fail "could not read Debian $GO_SUITE from $mirror"
    (cd "$scratch" && apt-get "$@" download "golang-$GO_SERIES-go" "golang-$GO_SERIES-src") ||
        fail "could not fetch golang-$GO_SERIES-go from Debian $GO_SUITE"
    rm -rf "$into"
    for package in "$scratch"/*.deb; do
        dpkg -x "$package" "$into"
    done
}

[ $# -eq 1 ] || fail "wanted one argument: the file to build"
mkdir -p "$(dirname "$1")"
output=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")"

if [ -x "$output" ] && [ -z "$(find . -type f -newer "$output")" ]; then
    exit 0
fi

unpacked=$(dirname "$output")/go
go=go
if ! is_new_enough "$go"; then
    go=$unpacked/usr/lib/go-$GO_SERIES/bin/go
    is_new_enough "$go" || fetch_go "$unpacked"
fi
echo "build.sh: building the collector with $("$go" version), about two minutes the first time" >&2
CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=readonly "$go" build -trimpath -ldflags='-s -w' -o "$output" .
