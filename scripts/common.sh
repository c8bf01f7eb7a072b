# Sourced by the other scripts: how they speak, refuse and install. POSIX sh.
# shellcheck shell=sh

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# This machine lacks something: say what and what to do; exit code 3 as in `tracegen`.
lack() {
    say "$@"
    exit 3
}

# announce WHAT: say what will be installed or started, or refuse it.
announce() {
    if [ "${NO_INSTALL:-}" = 1 ]; then
        lack "missing, and NO_INSTALL=1 forbids it: $*"
    fi
    say "will $*"
}

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

# apt_install PACKAGE...: Debian's packages, without questions; its many lines are shown if it fails.
apt_install() {
    if ! lines=$(apt-get update -q 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" 2>&1); then
        printf '%s\n' "$lines" | tail -n 20 >&2
        lack "apt-get could not install $* (see above); mend the package sources, or install it by hand, and repeat"
    fi
}
