"""What of a container engine works on this machine, for ``tracegen doctor``."""

from typing import Any

from sandboxes.api import Finding
from sandboxes.docker.engine import connect
from sandboxes.docker.engines import Engine
from sandboxes.docker.images import REPOSITORY, slim_image
from sandboxes.docker.owners import orphan_volumes, orphans
from sandboxes.interpreters import own
from schemas.errors import BackendUnavailable


def engine_findings(engine: Engine) -> list[Finding]:
    """Return one line per subject; takes a few seconds and starts nothing."""
    try:
        client = connect(engine)
    except BackendUnavailable as error:
        problem, _, remedy = str(error).partition(": ")
        return [Finding(engine.name, "missing", problem, remedy)]
    try:
        info: dict[str, Any] = client.info()
        version = client.version()
        images = [tag for image in client.images() for tag in image.get("RepoTags") or []]
        left = [*orphans(client), *orphan_volumes(client)]
    finally:
        client.close()
    detail = f"{version['Version']}, API {client.api_version}, kernel {info['KernelVersion']}, {info['Architecture']}"
    runtime = f", runtime {info['DefaultRuntime']}" if info.get("DefaultRuntime") else ""
    return [
        Finding(engine.name, "ok", detail + runtime),
        _limits(engine, info),
        _namespaces(engine, info),
        _image(engine, images),
        *_left(engine, left),
    ]


def _limits(engine: Engine, info: dict[str, Any]) -> Finding:
    subject = f"{engine.name} limits"
    wanted = {"MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "pids", "CpuCfsQuota": "cpu"}
    cgroup = str(info.get("CgroupVersion", "unknown"))
    lacking = [name for key, name in wanted.items() if not info.get(key)]
    if info.get("Rootless") and cgroup == "1":
        lacking = list(wanted.values())  # Podman says that it has them, and ignores them
    detail = f"cgroup version {cgroup}"
    if lacking:
        remedy = "enable these controllers (cgroup version 2, or swapaccount=1 for swap), or use a rootful engine"
        needed = {"memory", "pids"} & set(lacking)  # a pool refuses without these
        return Finding(subject, "missing" if needed else "warning", f"{detail}, without {', '.join(lacking)}", remedy)
    return Finding(subject, "ok", f"{detail}: memory, swap, pids and cpu")


def _namespaces(engine: Engine, info: dict[str, Any]) -> Finding:
    subject, options = f"{engine.name} isolation", " ".join(info.get("SecurityOptions") or [])
    if "seccomp" not in options:
        return Finding(subject, "warning", f"no seccomp ({options})", "use an engine built with seccomp")
    if "userns" in options or "rootless" in options or info.get("Rootless"):
        return Finding(subject, "ok", f"{options}; root in a container is nobody on this machine")
    return Finding(subject, "ok", f"{options}; root in a container is root on this machine", engine.remap)


def _left(engine: Engine, found: list[str]) -> list[Finding]:
    if not found:
        return []
    detail = f"{len(found)} containers and volumes of runs that were killed"
    remedy = f"none needed: the next run in {engine.name} removes them"
    return [Finding(f"{engine.name} left-overs", "warning", detail, remedy)]


def _image(engine: Engine, tags: list[str]) -> Finding:
    subject, name = f"{engine.name} base image", slim_image(own().minor)
    if engine.published(name) in tags:
        return Finding(subject, "ok", name)
    made = [tag for tag in tags if tag.startswith(f"{engine.own(REPOSITORY)}:{own().version}-")]
    if made:
        return Finding(subject, "ok", f"{made[0]}, made from this machine's Python")
    return Finding(subject, "ok", f"none yet: {name} will be pulled, or one made from this machine's Python")
