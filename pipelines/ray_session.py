"""Starting or joining Ray quietly, without leaving anything in the user's home."""

import logging
import os
import secrets
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Final

import pipelines
from pipelines import ray_warden
from schemas.errors import EnvironmentLacking

MARK_NAME: Final = "TRACEGEN_RAY_OF"
"""Variable by which every process of a Ray that we started is known to its warden."""
WARDEN_SECONDS: Final = 20.0
MISSING: Final = "Ray is not installed; install the extra (tracegen-pipeline[ray]) or use --executor local"


def private_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to add before a local Ray is started.

    Since 2.59 a local ``ray.init`` writes a token into the home directory, after which the user's own ``ray start``
    demands it in every shell. A token that lives only in this process and its children avoids that. Whoever has set
    a mode, a token or an address has decided: nothing is changed.
    """
    added = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0"}
    decided = {"RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
    if not decided & environment.keys():
        added |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {name: value for name, value in added.items() if name not in environment}


@contextmanager
def _import_root() -> Iterator[None]:
    """Run from the folder that holds our packages, or from an empty one if they are installed.

    Ray puts the driver's working directory first on its workers' path: a user's own ``schemas/`` would be ours there.
    """
    root = Path(pipelines.__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="tracegen-") as empty:
        installed = root in {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
        with chdir(empty if installed else root):
            yield


@contextmanager
def ray_session(workers: int | None) -> Iterator[int]:
    """Use the Ray that is running, that ``RAY_ADDRESS`` names, or a local one; yield how many workers to start.

    ``None`` workers: one per CPU of the cluster. Only a Ray started or joined here is left again at the end. Raises
    ``EnvironmentLacking``.
    """
    os.environ.update(private_environment(os.environ))
    try:
        import ray
    except ImportError as error:
        raise EnvironmentLacking(MISSING) from error
    with ExitStack() as stack:
        if not ray.is_initialized():
            stack.enter_context(_warden())
            stack.callback(ray.shutdown)
            _start(workers)
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield _workers(workers, int(resources.get("CPU", 0)))


@contextmanager
def _own_groups() -> Iterator[None]:
    """Within, what Ray starts leads a process group of its own and does not get what is sent to ours.

    A SIGTERM for the whole group (``timeout``, a shell's ``kill``) ended the raylet too, and a driver that loses its
    raylet is ended by Ray within milliseconds (2.60.0), before it has asked its workers for what they have finished.
    Ray blocks only SIGINT in its processes; it forks with a ``preexec_fn``, which is why the hook runs in them.
    """
    forking_pid = os.getpid()
    within = True

    def lead() -> None:
        if within and os.getppid() == forking_pid:
            os.setpgid(0, 0)

    os.register_at_fork(after_in_child=lead)  # for the life of this process: hooks cannot be taken back
    try:
        yield
    finally:
        within = False


@contextmanager
def _warden() -> Iterator[None]:
    """See that a Ray started within ends with this process, and is wholly gone afterwards; a joined one stays."""
    mark = secrets.token_hex(16)
    command = [sys.executable, "-I", "-S", str(ray_warden.__file__), f"{MARK_NAME}={mark}", str(os.getpid())]
    # Its input ends with this process; a session of its own keeps Ctrl-C in a terminal from it.
    warden = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    os.environ[MARK_NAME] = mark
    try:
        yield
    finally:
        os.environ.pop(MARK_NAME, None)
        warden.communicate(ray_warden.CLEAN_END, WARDEN_SECONDS)


def _start(workers: int | None) -> None:
    """Start or join Ray."""
    import ray

    address = os.environ.get("RAY_ADDRESS")
    cpus = None if address else max(workers or 0, os.cpu_count() or 1)
    try:
        with _import_root(), _own_groups():
            ray.init(
                address=address,
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, RuntimeError, OSError, ValueError, ray.exceptions.RayError) as error:
        where = f"the Ray at RAY_ADDRESS={address}" if address else "a local Ray"
        raise EnvironmentLacking(
            f"{where} does not answer: {error}; see tracegen doctor, or use --executor local"
        ) from error


def _workers(wanted: int | None, cpus: int) -> int:
    if cpus < 1 or (wanted or 1) > cpus:
        raise EnvironmentLacking(f"the Ray cluster has {cpus} CPUs, --workers asks for {wanted or 1}; ask for fewer")
    return wanted or cpus
