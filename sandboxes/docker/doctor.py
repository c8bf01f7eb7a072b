"""What of a container engine works on this machine, for ``tracegen doctor``."""

from typing import Any

from sandboxes.api import Finding
from sandboxes.docker.engine import connect
from sandboxes.docker.engines import Engine
from sandboxes.docker.images import REPOSITORY, slim_image
from sandboxes.docker.owners import orphans
from sandboxes.interpreters import own
from schemas.errors import BackendUnavailable


def engine_findings(engine: Engine) -> list[Finding]:
    """Return one line per subject; takes a few seconds and starts nothing."""
    try:
        client = connect(engine)
    except BackendUnavailable as error:
        problem, _, remedy = str(error).partition(": ")
        return [Finding("container engine", "missing", problem, remedy)]
    try:
        info: dict[str, Any] = client.info()
        version = client.version()
        images = [tag for image in client.images() for tag in image.get("RepoTags") or []]
        left = orphans(client)
    finally:
        client.close()
    detail = f"{version['Version']}, API {client.api_version}, kernel {info['KernelVersion']}, {info['Architecture']}"
    return [Finding("container engine", "ok", detail), _limits(info), _namespaces(info), _image(images), *_left(left)]


def _limits(info: dict[str, Any]) -> Finding:
    wanted = {"MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "pids", "CpuCfsQuota": "cpu"}
    lacking = [name for key, name in wanted.items() if not info.get(key)]
    detail = f"version {info.get('CgroupVersion', 'unknown')}"
    if lacking:
        remedy = "enable these controllers (cgroup version 2, or swapaccount=1 for swap), or use a rootful engine"
        return Finding("cgroup limits", "warning", f"{detail}, without {', '.join(lacking)}", remedy)
    return Finding("cgroup limits", "ok", f"{detail}, memory, swap, pids and cpu")


def _namespaces(info: dict[str, Any]) -> Finding:
    options = " ".join(info.get("SecurityOptions") or [])
    if "seccomp" not in options:
        return Finding("engine isolation", "warning", f"no seccomp ({options})", "use an engine built with seccomp")
    if "userns" in options or "rootless" in options:
        return Finding("engine isolation", "ok", options)
    remedy = 'optional: "userns-remap": "default" in the engine\'s daemon.json maps root in a container to a nobody'
    return Finding("engine isolation", "ok", f"{options}; root in a container is root on this machine", remedy)


def _left(containers: list[str]) -> list[Finding]:
    if not containers:
        return []
    detail = f"{len(containers)} of runs that were killed"
    return [Finding("left-over containers", "warning", detail, "none needed: the next run in containers removes them")]


def _image(tags: list[str]) -> Finding:
    name = slim_image(own().minor)
    if name in tags:
        return Finding("base image", "ok", name)
    made = [tag for tag in tags if tag.startswith(f"{REPOSITORY}:{own().version}-")]
    if made:
        return Finding("base image", "ok", f"{made[0]}, made from this machine's Python")
    return Finding("base image", "ok", f"none yet: {name} will be pulled, or one made from this machine's Python")
