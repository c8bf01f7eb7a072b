#!/bin/sh
# ensure-docker.sh: make sure that a container engine answers. Needs .venv (ensure-venv.sh).
#
# Uses one that runs (DOCKER_HOST is followed). Else, as root: installs Debian's or Ubuntu's engine if there is none and
# starts it, through systemd where that runs and in the background where it does not. NO_INSTALL=1 refuses both.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

run=/var/run
log=/var/log/dockerd.log
seconds=60

# Sets `reason` if no engine answers; it is asked as the program itself asks.
answers() {
    reason=$(.venv/bin/python -c '
import sys
from sandboxes.docker.engine import connect
from schemas.errors import BackendUnavailable
try:
    connect().close()
except BackendUnavailable as error:
    sys.exit(str(error))' 2>&1)
}

# is_running NAME PIDFILE: the process exists and is what the file says; numbers are given anew after a kill or reboot.
is_running() { [ "$(cat "/proc/$(cat "$2")/comm" 2>/dev/null)" = "$1" ]; }

# A killed engine leaves files that the next one trusts and then refuses to start.
remove_stale() {
    for stale in "dockerd $run/docker.pid" "containerd $run/docker/containerd/containerd.pid"; do
        name=${stale%% *}
        file=${stale#* }
        if [ -f "$file" ] && ! is_running "$name" "$file"; then
            say "removes $file: no $name runs under its number"
            rm -f "$file"
        fi
    done
}

wait_for_engine() {
    waited=0
    until answers; do
        [ "$waited" -lt "$seconds" ] || lack "the engine did not answer within $seconds s: $reason"
        if [ -n "${started:-}" ] && ! kill -0 "$started" 2>/dev/null; then
            tail -n 5 "$log" >&2
            lack "dockerd ended at once; its last lines are above, all of them in $log." \
                "In a container, it needs --privileged; or set DOCKER_HOST to an engine elsewhere"
        fi
        sleep 1
        waited=$((waited + 1))
    done
}

start_engine() {
    if [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
        announce "start the container engine: systemctl start docker"
        systemctl start docker || lack "systemctl could not start docker; see: journalctl -u docker"
        return
    fi
    announce "start the container engine in the background: dockerd, log in $log" \
        "(stop it with: kill \$(cat $run/docker.pid))"
    remove_stale
    setsid nohup dockerd >"$log" 2>&1 </dev/null &
    started=$!
}

# Images with a shell are made from a static BusyBox, which the tests of them need; where nothing can be installed, the
# tests say so.
if ! command -v busybox >/dev/null 2>&1 && can_apt && [ "${NO_INSTALL:-}" != 1 ]; then
    announce "install a static BusyBox with apt-get: busybox-static (2 MB)"
    apt_install busybox-static
fi
# The second way to isolate, whose tests run beside those of the engine.
if ! command -v bwrap >/dev/null 2>&1 && can_apt && [ "${NO_INSTALL:-}" != 1 ]; then
    announce "install bubblewrap with apt-get: bubblewrap (150 KB)"
    apt_install bubblewrap
fi
answers && exit 0
[ -z "${DOCKER_HOST:-}" ] || lack "$reason"
[ "$(id -u)" = 0 ] || lack "$reason"
if ! command -v dockerd >/dev/null 2>&1; then
    can_apt || lack "no container engine here; install Docker (the package docker.io, docker or moby-engine), then repeat"
    announce "install the container engine with apt-get: docker.io iptables"
    apt_install docker.io iptables
fi
answers && exit 0
if [ -f "$run/docker.pid" ] && is_running dockerd "$run/docker.pid"; then
    say "dockerd runs and does not answer yet; waiting up to $seconds s"
else
    start_engine
fi
wait_for_engine
