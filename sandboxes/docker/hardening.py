"""What a container may do: every flag in one place, and the check from inside that it holds."""

from typing import Any

from sandboxes.api import PoolSpec
from sandboxes.docker.engines import Engine
from sandboxes.docker.memories import Memory
from sandboxes.session import SESSION_USER
from sandboxes.session_api import SessionSpec
from schemas.errors import LimitUnsupported

SCRATCH = "/jobs"
INODES = 20_000
OPEN_FILES = 1024
PYTHON = "python3"
NEEDED_CAPABILITIES = ("SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE")
"""Of the server: give each job its uid, kill and clean up after it. A job has none."""
SYSCTLS = {
    # No memory that outlives a job: System V segments, semaphores, queues and POSIX queues have no owner's lifetime.
    "kernel.shmmni": "0",
    "kernel.msgmni": "0",
    "kernel.sem": "0 0 0 0",
    "fs.mqueue.queues_max": "0",
}
SESSION_INODES = 200_000
SESSION_TEMPORARY = "/tmp"  # noqa: S108 (a file system of its own in the container)
_PAGE = 4096
POOL_SIGHTS: dict[str, Any] = {"tmp_writable": False, "writable_mounts": [SCRATCH]}


def host_config(spec: PoolSpec) -> dict[str, Any]:
    """Return the arguments of docker-py's ``create_host_config``."""
    return {
        "network_mode": "none",
        "read_only": True,
        "mem_limit": spec.memory_bytes,
        "memswap_limit": spec.memory_bytes,
        "pids_limit": spec.processes,
        "nano_cpus": 10**9,  # one job cannot starve its neighbours into their deadlines
        "cap_drop": ["ALL"],
        "cap_add": list(NEEDED_CAPABILITIES),
        "security_opt": ["no-new-privileges"],
        "ipc_mode": "none",
        "init": True,
        "auto_remove": True,
        "sysctls": dict(SYSCTLS),
        "log_config": {"type": "none", "config": {}},
        "runtime": spec.runtime or None,
    }


def pool_memories(spec: PoolSpec) -> tuple[Memory, ...]:
    """Return the memory file systems of a pool's container."""
    # Only the server may create in it: a job writes in its own directory and leaves nothing elsewhere.
    return (Memory(SCRATCH, spec.scratch_bytes, INODES, "0711"),)


def session_memories(spec: SessionSpec) -> tuple[Memory, ...]:
    """Return the memory file systems of a session."""
    half, user = spec.disk_bytes // 2, SESSION_USER
    temporary = Memory(SESSION_TEMPORARY, half, SESSION_INODES, "1777", executable=True)
    if spec.writable_root:
        return (temporary,)
    return (Memory(spec.workdir, half, SESSION_INODES, "0755", user, executable=True), temporary)


def session_host_config(spec: SessionSpec) -> dict[str, Any]:
    """Return the arguments of docker-py's ``create_host_config`` for a session."""
    watchdog = ["SYS_PTRACE"] if spec.writable_root else []  # to see deleted files that programs hold open
    return {
        "network_mode": spec.network,
        "read_only": not spec.writable_root,
        "mem_limit": spec.memory_bytes,
        "memswap_limit": spec.memory_bytes,
        "pids_limit": spec.processes,
        "nano_cpus": int(spec.cpus * 10**9),
        "cap_drop": ["ALL"],
        "cap_add": [*NEEDED_CAPABILITIES, *watchdog],
        "security_opt": ["no-new-privileges"],
        "ipc_mode": "none",
        "init": True,
        "auto_remove": True,
        "sysctls": dict(SYSCTLS),
        "log_config": {"type": "none", "config": {}},
        "runtime": spec.runtime or None,
    }


def environment(spec: PoolSpec) -> dict[str, str]:
    """Return what is set beside the image's own environment."""
    return {"PYTHONHASHSEED": str(spec.hash_seed), "LANG": "C.UTF-8"}


def verify(check: dict[str, Any], spec: PoolSpec) -> None:
    """Compare what the sandbox saw of itself with the profile. Raises ``LimitUnsupported`` naming all that differs."""
    _refuse(
        [
            *isolation_problems(check, POOL_SIGHTS),
            *limit_problems(check, spec),
            *size_problems(check, "scratch", spec.scratch_bytes, INODES),
        ]
    )


def verify_session(check: dict[str, Any], spec: SessionSpec, engine: Engine) -> None:
    """Compare what the session saw of itself with the profile. Raises ``LimitUnsupported`` naming all that differs."""
    _refuse([*session_isolation_problems(check, spec, engine.engine_files), *limit_problems(check, spec)])


def session_isolation_problems(
    check: dict[str, Any], spec: SessionSpec, engine_files: frozenset[str] = frozenset()
) -> list[str]:
    """Return how what a session saw of itself differs from its profile, the cgroup's limits apart.

    ``engine_files`` may be written where the root can.
    """
    mounts = ["/"] if spec.writable_root else [spec.workdir]
    sights: dict[str, Any] = {
        "tmp_writable": True,
        "writable_mounts": sorted([*mounts, SESSION_TEMPORARY]),
        "server_root_writable": spec.writable_root,
    }
    seen = dict(check)
    if spec.writable_root:
        seen["writable_mounts"] = [each for each in check.get("writable_mounts", []) if each not in engine_files]
    if spec.network != "none":  # else what is seen of a network must be nothing
        sights["interfaces"] = seen.get("interfaces") or ["one of the engine's network"]
        seen["network"] = "asked for"
    half = spec.disk_bytes // 2
    bounded = ["tmp"] if spec.writable_root else ["tmp", "scratch"]
    sizes = [problem for name in bounded for problem in size_problems(seen, name, half, SESSION_INODES)]
    return [*isolation_problems(seen, sights), *sizes]


def _refuse(problems: list[str]) -> None:
    if problems:
        raise LimitUnsupported(
            f"the container engine does not enforce the sandbox profile: {'; '.join(problems)}. Run `tracegen doctor`; "
            "use an engine with the memory and pids cgroup controllers (rootless ones need cgroup version 2), or "
            "--sandbox process for trusted code"
        )


def isolation_problems(check: dict[str, Any], sights: dict[str, Any]) -> list[str]:
    """Return how what a sandbox saw of itself differs from what every sandbox must see, and from ``sights``."""
    wanted = {
        "capabilities": 0,
        "no_new_privileges": True,
        "seccomp": "2",
        "root_writable": False,
        "server_root_writable": False,
        "parent_readable": False,
        "new_namespaces": False,
        "interfaces": [],
        **sights,
    }
    problems = [
        f"{name} is {check.get(name)!r}, not {value!r}" for name, value in wanted.items() if check.get(name) != value
    ]
    if not check.get("network"):
        problems.append("an outside address can be routed")
    if check.get("uid") in (0, None):
        problems.append("jobs run as root")
    return problems


def limit_problems(check: dict[str, Any], spec: PoolSpec | SessionSpec) -> list[str]:
    """Return which limits of the sandbox's cgroup are not those of ``spec``."""
    seen = check.get("limits", {})
    wanted = {"memory": spec.memory_bytes // _PAGE * _PAGE, "pids": spec.processes}
    problems = [
        f"the {name} limit is {seen.get(name)}, not {most}" for name, most in wanted.items() if seen.get(name) != most
    ]
    if check.get("total_swap") and seen.get("swap") is None:
        problems.append("swap is not limited (boot with swapaccount=1 or turn swap off)")
    return problems


def size_problems(check: dict[str, Any], name: str, most: int, inodes: int) -> list[str]:
    """Return whether a file system of the sandbox is larger, or takes more files, than it may."""
    seen, files = check.get(f"{name}_bytes", 0), check.get(f"{name}_inodes", 0)
    problems = [] if 0 < seen <= most + _PAGE else [f"the {name} file system has {seen} bytes, not {most}"]
    if not 0 < files <= inodes:
        problems.append(f"the {name} file system takes {files} files, not {inodes}")
    return problems
