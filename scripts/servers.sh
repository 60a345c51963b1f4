#!/bin/sh
# Installs the servers which the tests start, from Debian's packages, when one is missing. The tests run them
# on loopback with configurations of their own; the system services of these packages are never started.
set -eu

speaker=servers
. "$(dirname -- "$0")/common.sh"

main() {
    # Debian keeps servers where only root's PATH looks.
    PATH=$PATH:/usr/sbin:/sbin
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    can_install "${missing# }"
    keep_services_stopped
    # The list is ours, and split on purpose.
    # shellcheck disable=SC2086
    install_packages $missing
    disable_services
}

# The packages to install, each with a space in front.
missing_packages() {
    [ -x /usr/lib/dovecot/imap ] && command -v dovecot >/dev/null || printf ' dovecot-imapd'
    command -v nginx >/dev/null || printf ' nginx-light'
    command -v nsd >/dev/null || printf ' nsd'
    command -v openssl >/dev/null || printf ' openssl'
    command -v prometheus >/dev/null || printf ' prometheus'
}

# Debian starts a server when its package is installed, unless this file tells it not to.
keep_services_stopped() {
    policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Nor are servers that came only for the tests to start when the machine does.
disable_services() {
    [ -d /run/systemd/system ] || return 0
    case $missing in *dovecot*) systemctl --quiet disable dovecot ;; esac
    case $missing in *nginx*) systemctl --quiet disable nginx ;; esac
    case $missing in *nsd*) systemctl --quiet disable nsd ;; esac
    # Debian's package of Prometheus recommends an exporter, which is not installed.
    case $missing in *prometheus*) systemctl --quiet disable prometheus ;; esac
}

main "$@"
