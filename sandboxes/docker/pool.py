"""Pools of fork servers in hardened containers of an engine."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING

from sandboxes.api import ImageRef, PoolSpec, label
from sandboxes.docker import hardening
from sandboxes.docker.containers import Plan, labels, start_container
from sandboxes.docker.engine import check_runtime, connect
from sandboxes.docker.engines import Engine
from sandboxes.docker.owners import remove_orphans
from sandboxes.pool import SandboxPool
from sandboxes.sandbox import Sandbox
from schemas.errors import LimitUnsupported

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

_STARTS = threading.BoundedSemaphore(max(2, min(4, os.cpu_count() or 1)))
"""Many starts at once are slower than few after each other (moby issues 42096, 42817)."""


def open_docker_pool(engine: Engine, spec: PoolSpec, image: ImageRef, *, size: int) -> SandboxPool:
    """Return a pool of containers. Raises ``BackendUnavailable``, ``ImageUnavailable``, ``LimitUnsupported``."""
    client = connect(engine)
    try:
        check_runtime(client, spec.runtime)
        remove_orphans(client)
    except BaseException:
        client.close()
        raise
    plan = Plan(
        image=image.reference,
        arguments=(),
        environment=hardening.environment(spec),
        labels=labels("function-pool"),
        host=hardening.host_config(spec),
        memories=hardening.pool_memories(spec),
    )
    launch = partial(_launch, client, spec, image, plan)
    return SandboxPool(label(engine.name, spec.runtime), image, spec, launch, size=size, release=client.close)


def _launch(client: EngineClient, spec: PoolSpec, image: ImageRef, plan: Plan) -> Sandbox:
    with _STARTS:
        channel = start_container(client, plan)
        sandbox = Sandbox.start(
            client.engine.name, channel, spec, image, scratch=hardening.SCRATCH, contained=True, hidden=""
        )
    try:
        hardening.verify(sandbox.check, spec)
    except LimitUnsupported:
        channel.close()
        raise
    return sandbox
