# What the scripts that set something up have in common: what they say, and how they install packages of Debian's.
# Read by them (`.`), not run. Each has set `speaker` to what its lines begin with.
# shellcheck shell=sh

# Installs packages of Debian's for the tests.
install_packages() {
    can_install "$*"
    say "installing $*"
    update_packages
    install_known "$@"
}

# Fails where nothing can be installed; tells what is missing.
can_install() {
    command -v apt-get >/dev/null ||
        fail "missing for the tests, and there is no apt-get to install it with: $1"
    [ "$(id -u)" = 0 ] || fail "missing for the tests, and only root can install it: apt-get install $1"
}

update_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update >&2 || fail 'apt-get could not fetch the package lists: is the network reachable?'
}

# Installs packages of lists that were just updated.
install_known() {
    apt-get -q install --yes --no-install-recommends "$@" >&2 || fail "apt-get could not install $*"
}

# Makes `folder` a folder for this run alone.
make_folder() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 1' HUP INT TERM
}

# Fetches the wheel that a file pins into a folder, for any Python that has pip: name, file, folder, version of Python, ABI,
# age of the system's C library.
fetch_wheel() {
    command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || install_packages python3-pip
    say "fetching $1"
    # It is taken apart, not installed, so that it does not matter which Python fetches it.
    python3 -m pip --quiet download --disable-pip-version-check --no-deps --only-binary :all: \
        --python-version "$4" --implementation cp --abi "$5" --platform "manylinux_$6_$(uname -m)" \
        --require-hashes --requirement "$2" --dest "$3" >&2 ||
        fail "pip could not fetch $1: is the package index reachable?"
}

say() {
    printf '%s: %s\n' "$speaker" "$1" >&2
}

fail() {
    printf '%s: error: %s\n' "$speaker" "$1" >&2
    exit 1
}
