"""Makes a Debian base image for repositories, with git and compilers, by ``mmdebstrap``: no registry of images needed.

Where packages come from is this machine's apt configuration, and none of it stays in the image.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sandboxes.api import ImageRef
from sandboxes.docker.apt import apt_sources
from sandboxes.docker.engine import connect, speaking
from sandboxes.docker.engines import DOCKER, Engine
from sandboxes.docker.images import KEY_LABEL, REPOSITORY, ROLE_LABEL, import_image, inspect, resolve_docker_image
from sandboxes.docker.preflight import check_room
from schemas.base import digest
from schemas.errors import ImageUnavailable, UsageError

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

SUITE: Final = "bookworm"
PACKAGES: Final = (
    "ca-certificates",
    "g++",
    "gcc",
    "git",
    "libc6-dev",
    "make",
    "patch",
    "pkg-config",
    "procps",
    "python3",
    "python3-dev",
    "python3-pip",
    "python3-venv",
)
"""What building and testing a repository takes for granted."""
FORMAT: Final = 1
"""Raised when the way of making changes, so that older images are not taken for this one's."""
SECONDS: Final = 1800
EXPECTED_BYTES: Final = 700 * 2**20
"""Of the default packages, unpacked (573 MB on 2026-11-25), and some more."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.+-]+")
_FORGET: Final = (
    'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d "$1"/etc/apt/apt.conf.d/99mmdebstrap '
    '"$1"/var/lib/apt/lists "$1"/var/cache/apt "$1"/var/log/apt "$1"/var/log/*.log && '
    'mkdir -p "$1"/etc/apt/sources.list.d "$1"/var/lib/apt/lists/partial "$1"/var/cache/apt/archives/partial'
)


def resolve_debian_base(*, suite: str = SUITE, packages: Sequence[str] = (), engine: Engine = DOCKER) -> ImageRef:
    """Return a Debian image with its Python, git, compilers and further ``packages``, made now unless it was before.

    Its Python is the suite's (``bookworm``: 3.11). Found again by suite, packages and architecture; like every image
    made by commands its digest is its id, so other machines must get it by ``tracegen sandbox push`` (decision 14).
    Raises ``UsageError``, ``ImageUnavailable``, ``StorageFailed`` and ``BackendUnavailable``.
    """
    wanted = sorted({*PACKAGES, *packages})
    for name in (suite, *wanted):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a Debian suite or package; allowed: a-z, 0-9, '.', '+' and '-'")
    key = digest([FORMAT, suite, wanted, platform.machine()])
    name = f"{engine.own(REPOSITORY)}:debian-{suite}-{key[:12]}"
    client = connect(engine)
    try:
        with speaking("make a Debian base image"):
            found = inspect(client, name)
            if found is None or (found["Config"].get("Labels") or {}).get(KEY_LABEL) != key:
                _make(client, name, suite, wanted, key)
    finally:
        client.close()
    return replace(resolve_docker_image(python=None, base=name, engine=engine), reference=name)


def _make(client: EngineClient, name: str, suite: str, packages: Sequence[str], key: str) -> None:
    if shutil.which("mmdebstrap") is None:
        raise ImageUnavailable(
            "a Debian base image is made by mmdebstrap: install the package mmdebstrap, or give --base an image that "
            "has git and compilers"
        )
    check_room(client, "a Debian base image", EXPECTED_BYTES)
    labels = {KEY_LABEL: key, ROLE_LABEL: "base"}
    changes = [f"LABEL {label}={value}" for label, value in labels.items()]
    changes.append("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    with tempfile.TemporaryDirectory(prefix="tracegen-debian-") as folder:
        archive = Path(folder) / "root.tar"
        _bootstrap(archive, suite, packages)
        usual, client.timeout = client.timeout, SECONDS
        try:
            with archive.open("rb") as file:
                answer = import_image(client, file, name, changes)
        finally:
            client.timeout = usual
    if inspect(client, name) is None:
        raise ImageUnavailable(f"the engine did not take the Debian base image: {answer}")


def _bootstrap(archive: Path, suite: str, packages: Sequence[str]) -> None:
    """Write the root file system. Raises ``ImageUnavailable`` with the errors of ``mmdebstrap``."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"]
    sources = apt_sources(os.environ)
    if sources is not None:
        command.append(f"--customize-hook={_FORGET}")
    command += [suite, str(archive), *([str(sources)] if sources is not None else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ImageUnavailable(f"the Debian base image was not made within {SECONDS} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))] or [done.stderr[-300:]]
        raise ImageUnavailable(f"the Debian base image cannot be made: {' '.join(said)[:800]}")
