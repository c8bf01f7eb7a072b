"""Sessions in hardened containers."""

from __future__ import annotations

from sandboxes.api import ImageRef
from sandboxes.docker import hardening, launch
from sandboxes.docker.engine import check_runtime, connect
from sandboxes.docker.engines import DOCKER, Engine
from sandboxes.docker.owners import remove_orphans
from sandboxes.docker.writable import WritableSession
from sandboxes.session import ContainedSession
from sandboxes.session_api import SessionSpec
from schemas.errors import LimitUnsupported


def open_docker_session(spec: SessionSpec, image: ImageRef, engine: Engine = DOCKER) -> ContainedSession:
    """Return a running session whose limits hold. The image needs a ``python3`` of 3.8 or later.

    Raises ``UsageError``, ``BackendUnavailable``, ``ImageUnavailable``, ``LimitUnsupported`` and ``StartFailed``.
    """
    launch.check_session_spec(spec)
    client = connect(engine)
    try:
        remove_orphans(client)
        check_runtime(client, spec.runtime)
        if spec.writable_root:
            return WritableSession(client, spec, image)
        channel = launch.start(client, spec, image)
        session = ContainedSession(engine.name, channel, spec, image, client.close)
    except BaseException:
        client.close()
        raise
    try:
        hardening.verify_session(session.check, spec, engine)
    except LimitUnsupported:
        session.close()
        raise
    return session
