#!/bin/sh
# ensure-test-tools.sh: Podman for the tests of its backend, a registry of images in .venv/bin, and Python 3.14
# and 3.15 in .pythons. Needs .venv.
#
# The registry is taken out of Debian's package, not installed: the package would start it as a service of the machine.
# The tests start a Podman service of their own. Where there is no apt, the tests that need either are skipped and say
# so, or fail where TRACEGEN_REQUIRE_DOCKER=1. NO_INSTALL=1 refuses.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

# Debian 12 has neither. The tests run under the Pythons that they find, so that none fails for want of one.
for version in 3.14 3.15; do
    if can_apt && ! command -v "python$version" >/dev/null 2>&1; then
        scripts/python-from-debian.sh "$version" || say "the tests run without Python $version, see above"
    fi
done
# catatonit is the init of Podman's containers; crun, its usual runtime, refuses machines with both cgroup versions.
if can_apt && ! { command -v podman && command -v catatonit && command -v runc; } >/dev/null 2>&1; then
    announce "install Podman with apt-get for the tests of its backend: podman catatonit runc (90 MB)"
    apt_install podman catatonit runc
fi
if command -v docker-registry >/dev/null 2>&1 || [ -x .venv/bin/docker-registry ] || ! can_apt; then
    exit 0
fi
announce "fetch Debian's package docker-registry for the tests and put its program into .venv/bin (25 MB)"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# apt drops to a user of its own for downloads, which must be able to write there.
chmod 0755 "$folder"
if ! lines=$(apt-get update -q 2>&1 && cd "$folder" &&
    apt-get download -q -o APT::Sandbox::User=root docker-registry 2>&1); then
    printf '%s\n' "$lines" | tail -n 20 >&2
    lack "apt-get could not fetch docker-registry (see above); mend the package sources and repeat"
fi
dpkg-deb --extract "$folder"/*.deb "$folder/unpacked"
install -m 0755 "$folder/unpacked/usr/bin/docker-registry" .venv/bin/docker-registry
