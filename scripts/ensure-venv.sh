#!/bin/sh
# ensure-venv.sh EXTRA: make .venv hold this checkout with one extra, `ray` (to run) or `dev` (to develop; holds `ray`).
#
# Versions come from constraints.txt. Nothing is done if neither pyproject.toml nor constraints.txt changed since.
# PYTHON=... chooses the interpreter of a new .venv; NO_INSTALL=1 refuses to install (exit code 3).
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

extra=${1:?"say which extra: ray or dev"}
venv=.venv
wanted=$(cat pyproject.toml constraints.txt; pwd)
wanted=$(printf '%s' "$wanted" | cksum)

is_current() { [ -x "$venv/bin/python" ] && [ "$(cat "$venv/.tracegen-$1" 2>/dev/null)" = "$wanted" ]; }

# The path may lead to a shim of a version manager that runs nothing: ask the interpreter itself.
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_pip() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Sets `python`: the first one that can make an environment, else the first that is new enough.
find_python() {
    python=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        new_enough "$candidate" || continue
        python=${python:-$candidate}
        if has_pip "$candidate"; then
            python=$candidate
            return
        fi
    done
    [ -n "$python" ] || lack "no Python >= 3.11 as ${PYTHON:-python3, python3.13, python3.12 or python3.11};" \
        "install one (Debian 12 or later: apt-get install python3 python3-venv) or set PYTHON=/path/to/python"
}

# Debian keeps the part of `venv` that installs pip in a package of its own.
ensure_venv_module() {
    has_pip "$python" && return
    package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    can_apt || lack "$python cannot make environments (no ensurepip); on Debian or Ubuntu, as root:" \
        "apt-get install $package"
    announce "install $package with apt-get ($python has no ensurepip)"
    apt_install "$package"
    has_pip "$python" || lack "$package did not give $python an ensurepip; set PYTHON=... to another Python >= 3.11"
}

if is_current "$extra" || is_current dev; then
    exit 0
fi
if [ -e "$venv" ]; then
    new_enough "$venv/bin/python" || lack "$venv does not run a Python >= 3.11 (moved, or its interpreter is gone);" \
        "remove it (rm -r $venv) and repeat"
else
    find_python
    ensure_venv_module
fi
announce "install tracegen-pipeline[$extra] and its dependencies (constraints.txt) into $PWD/$venv; takes a minute or two"
[ -e "$venv" ] || "$python" -m venv "$venv" || lack "$python could not make $venv (see above); mend that and repeat"
# Errors only (-qq): for every editable install setuptools warns of folders that are ours.
"$venv/bin/python" -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[$extra]" >&2 ||
    lack "pip could not install the dependencies (see above); mend what it names (network, index, disk) and repeat"
printf '%s\n' "$wanted" >"$venv/.tracegen-$extra"
