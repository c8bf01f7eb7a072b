#!/bin/sh
# python-from-debian.sh VERSION [SUITE]: a Python that this system does not offer, as .pythons/bin/pythonVERSION.
#
#     scripts/python-from-debian.sh 3.14
#
# Takes it with all that it needs, its C library too, out of the packages of another Debian suite (default: forky),
# whose signature apt checks, from the mirror that this system uses. Nothing is installed but patchelf: the
# interpreter and its modules are made to look for their libraries beside them. `rm -r .pythons` removes everything.
# `make test` has it first on PATH, where the tests find the Pythons that they run under. As root, on Debian or Ubuntu.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

version=${1:?"which Python? e.g. 3.14"}
suite=${2:-forky}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -x ".pythons/bin/python$version" ] && exit 0
can_apt || lack "apt-get and root are needed to fetch Python $version"
[ -f "$keys" ] || lack "the signatures of Debian's suites cannot be checked: install debian-archive-keyring"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep '/debian/*$' | head -n 1)
[ -n "$mirror" ] || lack "this system's package sources name no mirror of Debian"
announce "fetch Python $version of Debian's suite $suite into .pythons (30 MB to fetch, 60 MB unpacked)"
command -v patchelf >/dev/null 2>&1 || apt_install patchelf

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/tree"
echo "deb [signed-by=$keys] $mirror $suite main" >"$folder/sources.list"
fetch() {
    apt-get -q -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$folder/state" -o Dir::State::status=/dev/null -o Dir::Cache="$folder/cache" \
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@" 2>&1
}
if ! lines=$(fetch update && fetch install -y --download-only --no-install-recommends "python$version"); then
    printf '%s\n' "$lines" | tail -n 20 >&2
    lack "apt-get could not fetch Python $version of $suite (see above)"
fi
for package in "$folder"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$folder/tree"
done

# Where it will be: interpreter and libraries are told their place.
home=$PWD/.pythons/$version
libraries=$(dirname "$(cd "$folder/tree" && find usr -name libc.so.6 | head -n 1)")
loader=$(cd "$folder/tree" && find usr -name 'ld-linux*.so*' -type f | head -n 1)
[ -n "$loader" ] || lack "the packages of $suite hold no dynamic loader where it is looked for"
patchelf --set-interpreter "$home/$loader" "$folder/tree/usr/bin/python$version"
find "$folder/tree/usr/lib" -name '*.so*' -type f ! -name 'ld-linux*' ! -name 'libc.so*' |
    while read -r library; do
        patchelf --force-rpath --set-rpath "$home/$libraries" "$library"
    done
patchelf --force-rpath --set-rpath "$home/$libraries" "$folder/tree/usr/bin/python$version"
mkdir -p .pythons/bin
rm -rf "$home"
mv "$folder/tree" "$home"
"$home/usr/bin/python$version" -c "import ctypes, ssl, sqlite3" || lack "Python $version was unpacked but does not run"
ln -sfn "$home/usr/bin/python$version" ".pythons/bin/python$version"
