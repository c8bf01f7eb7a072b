#!/bin/sh
# ensure-test-tools.sh: make .venv/bin hold a registry of images for the tests that push and pull. Needs .venv.
#
# Taken out of Debian's package, not installed: the package would start a registry as a service of the machine. Where
# there is no apt, the tests that need it are skipped and say so. NO_INSTALL=1 refuses.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

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
