#!/bin/sh
# Builds the OpenTelemetry Collector which the tests export to, from tests/collector into .tools/otelcol-test,
# when its sources have changed since the last time. Go comes from PATH or from Debian; when the one found is
# older than tests/collector/go.mod asks for, Go itself fetches the newer one through its module proxy.
set -eu

speaker=collector
. "$(dirname -- "$0")/common.sh"

# The first Go that can replace itself by a newer one.
oldest_go_minor=21

main() {
    root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
    collector=$root/.tools/otelcol-test
    stamp=$collector.sources
    sources=$(sources_checksum)
    if [ -x "$collector" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sources" ]; then
        return 0
    fi

    find_go || install_go
    say "building the test collector with $("$go" env GOVERSION) (once, a few minutes)"
    mkdir -p "$root/.tools"
    (
        cd "$root/tests/collector"
        GOTOOLCHAIN=auto CGO_ENABLED=0 "$go" build -trimpath -buildvcs=false -o "$collector" .
    ) >&2 || fail 'go could not build tests/collector: is the Go module proxy reachable?'
    printf '%s\n' "$sources" >"$stamp"
}

sources_checksum() {
    (
        cd "$root/tests/collector"
        find . -name '*.go' -o -name go.mod -o -name go.sum | LC_ALL=C sort | xargs cksum | cksum
    )
}

# Succeeds and sets `go` when a Go that is new enough is in PATH or where Debian keeps its versions.
find_go() {
    for go in go /usr/local/go/bin/go /usr/lib/go-*/bin/go; do
        minor=$(GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
        [ -n "$minor" ] && [ "$minor" -ge "$oldest_go_minor" ] && return 0
    done
    return 1
}

install_go() {
    can_install "golang-go (1.$oldest_go_minor or newer)"
    say 'installing Go'
    update_packages
    candidate=$(apt-cache policy golang-go | sed -n 's/^ *Candidate: //p')
    if dpkg --compare-versions "$candidate" ge "2:1.$oldest_go_minor"; then
        install_known golang-go
    else
        install_go_from_backports
    fi
    find_go || fail "go 1.$oldest_go_minor or newer is still missing after its package was installed"
}

# Uses an apt configuration of its own, so that the machine's package sources stay as they are. The backports
# suite is on the mirror which the machine already uses, signed with the same keys.
install_go_from_backports() {
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # apt replaces the variable, not the shell.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $release" | head -n 1)
    [ -n "$mirror" ] || fail "apt-get knows no mirror of Debian $release to install a newer Go from"

    apt_home=$(mktemp -d)
    # apt fetches as a user of its own.
    chmod 755 "$apt_home"
    trap 'rm -rf "$apt_home"' EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "$apt_home/lists/partial" "$apt_home/cache/archives/partial"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s-backports main\n' \
        "$mirror" "$release" >"$apt_home/sources.list"
    apt_from_backports -q update >&2 || fail "apt-get could not fetch the package list of $release-backports"
    apt_from_backports -q install --yes --no-install-recommends golang-go >&2 ||
        fail "apt-get could not install golang-go from $release-backports"
}

apt_from_backports() {
    apt-get -o Dir::Etc::sourcelist="$apt_home/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$apt_home/lists" -o Dir::Cache="$apt_home/cache" "$@"
}

main "$@"
