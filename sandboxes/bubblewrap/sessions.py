"""Sessions in bubblewrap's namespaces."""

from collections.abc import Sequence

from sandboxes.api import ImageRef, label
from sandboxes.bubblewrap.launcher import Memory
from sandboxes.bubblewrap.pool import environment, verify_limits
from sandboxes.bubblewrap.start import BACKEND, BubblewrapChannel, Request
from sandboxes.bubblewrap.survey import ONE_UID, Survey, accepted, survey
from sandboxes.docker import hardening
from sandboxes.docker.launch import check_session_spec
from sandboxes.session import GUEST_MODULE, SESSION_USER, ContainedSession
from sandboxes.session_api import SessionSpec
from schemas.errors import BackendCannot, LimitUnsupported, StartFailed


def open_bubblewrap_session(spec: SessionSpec, image: ImageRef) -> ContainedSession:
    """Return a running session whose limits hold.

    Raises ``UsageError``, ``BackendUnavailable``, ``LimitUnsupported`` and ``StartFailed``.
    """
    check_session_spec(spec)
    if spec.runtime:
        raise BackendCannot(f"bubblewrap has no runtime {spec.runtime!r}; leave it empty, or use --sandbox docker")
    if spec.writable_root or spec.network != "none":
        raise BackendCannot("bubblewrap sessions have no writable root and no network: use --sandbox docker")
    found = survey()
    weak = accepted(found, spec.accepts)
    if ONE_UID in weak:
        raise LimitUnsupported(
            f"a session needs several users, and there is one only: {found.one_uid_because}. Mend that, or use "
            "--sandbox docker"
        )
    session = _start(found, weak, spec, image)
    try:
        verify_limits(hardening.session_isolation_problems(session.check, spec), session.check, spec, weak)
    except LimitUnsupported:
        session.close()
        raise
    return session


def _start(found: Survey, weak: Sequence[str], spec: SessionSpec, image: ImageRef) -> ContainedSession:
    half, inodes, user = spec.disk_bytes // 2, hardening.SESSION_INODES, SESSION_USER
    request = Request(
        root=image.reference,
        memory_bytes=spec.memory_bytes,
        processes=spec.processes,
        cpus=spec.cpus,
        memories=(
            Memory(spec.workdir, half, inodes, "0755", user, executable=True),
            Memory(hardening.SESSION_TEMPORARY, half, inodes, "1777", 0, executable=True),
        ),
        environment=environment(),
        module=[GUEST_MODULE],
    )
    channel = BubblewrapChannel(found, weak, request)
    try:
        return ContainedSession(label(BACKEND, *weak), channel, spec, image, _nothing)
    except StartFailed as error:
        raise channel.explain(error) from error


def _nothing() -> None:
    """Release what the session shares with others: nothing."""
