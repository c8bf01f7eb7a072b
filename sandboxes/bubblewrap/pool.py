"""Pools of fork servers in bubblewrap's namespaces."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

from sandboxes.api import ImageRef, PoolSpec, label
from sandboxes.bubblewrap.launcher import Memory
from sandboxes.bubblewrap.start import BACKEND, BubblewrapChannel, Request
from sandboxes.bubblewrap.survey import ONE_UID, RLIMITS, Survey, accepted, survey
from sandboxes.docker import hardening
from sandboxes.pool import SandboxPool
from sandboxes.sandbox import Sandbox
from schemas.errors import LimitUnsupported, StartFailed


def open_bubblewrap_pool(spec: PoolSpec, image: ImageRef, *, size: int) -> SandboxPool:
    """Return a pool of sandboxes. Raises ``BackendUnavailable``, ``LimitUnsupported`` and ``StartFailed``."""
    found = survey()
    weak = accepted(found, spec.accepts)
    if ONE_UID in weak:
        spec = dataclasses.replace(spec, jobs_per_sandbox=1)
    launch = partial(_launch, found, weak, spec, image)
    return SandboxPool(label(BACKEND, *weak), image, spec, launch, size=size, release=_nothing)


def _nothing() -> None:
    """Release what all sandboxes share: nothing."""


def _launch(found: Survey, weak: Sequence[str], spec: PoolSpec, image: ImageRef) -> Sandbox:
    scratch = Memory(hardening.SCRATCH, spec.scratch_bytes, hardening.INODES, "0711", 0, executable=False)
    request = Request(
        root=image.reference,
        memory_bytes=spec.memory_bytes,
        processes=spec.processes,
        cpus=1.0,
        memories=(scratch,),
        environment=environment(spec.hash_seed),
    )
    channel = BubblewrapChannel(found, weak, request)
    try:
        sandbox = Sandbox.start(
            BACKEND,
            channel,
            spec,
            image,
            scratch=hardening.SCRATCH,
            contained=True,
            hidden="",
            own_users=ONE_UID not in weak,
        )
    except StartFailed as error:
        raise channel.explain(error) from error
    problems = hardening.isolation_problems(sandbox.check, hardening.POOL_SIGHTS)
    problems += hardening.size_problems(sandbox.check, "scratch", spec.scratch_bytes, hardening.INODES)
    try:
        verify_limits(problems, sandbox.check, spec, weak)
    except LimitUnsupported:
        channel.close()
        raise
    return sandbox


def environment(hash_seed: int = 0) -> dict[str, str]:
    """Return the environment of a server; the same as in a container of an engine."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOSTNAME": "sandbox",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": str(hash_seed),
    }


def verify_limits(problems: list[str], check: dict[str, Any], spec: Any, weak: Sequence[str]) -> None:
    """Raise ``LimitUnsupported`` for these problems and for limits that the sandbox did not find in force."""
    if RLIMITS not in weak:
        problems = [*problems, *hardening.limit_problems(check, spec)]
        if not check.get("member"):
            problems.append("the sandbox is not in the cgroup whose limits it sees")
    else:
        seen = check.get("rlimits", {})
        if seen.get("memory") != spec.memory_bytes or not 0 < seen.get("processes", -1) <= spec.processes:
            problems = [*problems, f"the limits of a process are {seen}"]
    if problems:
        raise LimitUnsupported(
            f"bubblewrap does not enforce the sandbox profile here: {'; '.join(problems)}. "
            "Run `tracegen doctor`, or use --sandbox docker"
        )
