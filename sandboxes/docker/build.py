"""Builds images that need commands run: compilers, git, packages without wheels. One layer over a base.

Not by a Dockerfile: the classic builder keeps what a step was given in the image's history, and an intermediate image
of each step that went well before one failed. Here the commands run in one container, which is committed when all went
well; the configuration (index, proxies, certificates, git credentials) is the environment of the commands alone, which
is part of neither the container nor the image (docs/decisions/0014).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandboxes.api import ImageRef
from sandboxes.docker import hardening
from sandboxes.docker.apt import SOURCES_VARIABLE, apt_sources
from sandboxes.docker.channel import remove
from sandboxes.docker.engine import connect, speaking
from sandboxes.docker.engines import DOCKER, Engine
from sandboxes.docker.images import ROLE_LABEL, inspect, resolve_docker_image
from sandboxes.docker.owners import OWNER_LABEL, own_label
from sandboxes.docker.preflight import check_room, written_bytes
from sandboxes.guest import builder
from schemas.base import digest
from schemas.errors import ImageUnavailable

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

REPOSITORY: Final = "tracegen-build"
ROLE: Final = "build"
KEY_LABEL: Final = "tracegen.build.key"
FORMAT: Final = 1
"""Raised when the way of building changes, so that older images are not taken for this one's."""
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
_PIP: Final = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_RETRIES", "PIP_TIMEOUT")
_PIECE: Final = 100_000
"""The kernel takes no variable beyond 128 KiB, and a system's bundle of certificates is larger."""
_LOGIN: Final = re.compile(r"://([^/@\s:]+)(?::([^/@\s]+))?@")
_WAIT: Final = f"import time; time.sleep({builder.SECONDS + 60})"


def configuration(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what builds take over: proxies, pip's index, git's settings, certificates, apt's sources.

    Git's are ``GIT_CONFIG_COUNT``, ``GIT_CONFIG_KEY_0``, ``GIT_CONFIG_VALUE_0``...; certificates are the content of the
    first file that a variable such as ``SSL_CERT_FILE`` names. Apt's sources (``apt_sources``) serve only images that
    have none, unless they were given by name. Raises ``OSError`` if a file cannot be read, ``UsageError``.
    """
    proxies = [*_PROXIES, *(name.lower() for name in _PROXIES)]
    git = [name for name in environment if name.startswith("GIT_CONFIG_")]
    taken = {name: environment[name] for name in [*proxies, *_PIP, *git] if environment.get(name)}
    variables = builder.CERTIFICATE_VARIABLES
    if certificates := next((environment[name] for name in variables if environment.get(name)), None):
        taken.update(_pieces(builder.CERTIFICATES, Path(certificates)))
    if (sources := apt_sources(environment)) is not None:
        taken.update(_pieces(builder.SOURCES, sources))
        if environment.get(SOURCES_VARIABLE):
            taken[builder.FORCED] = "1"
    return taken


def _pieces(prefix: str, file: Path) -> dict[str, str]:
    """Return a file's text as variables that the builder puts together again."""
    text = file.read_text()
    return {f"{prefix}{start // _PIECE:03}": text[start : start + _PIECE] for start in range(0, len(text), _PIECE)}


def build(
    base: ImageRef,
    commands: Sequence[Sequence[str]],
    *,
    files: Mapping[str, bytes] | None = None,
    network: bool = False,
    environment: Mapping[str, str] | None = None,
    engine: Engine = DOCKER,
) -> ImageRef:
    """Return ``base`` with ``files`` (absolute path to content) laid over it and ``commands`` (argv) run as root.

    Found again by base, files and commands. ``environment`` (default: this process's) is where ``configuration`` is
    read from; it is part of neither the image nor its tag. A failed build leaves nothing. Raises ``ImageUnavailable``
    if a command fails, ``StorageFailed`` without room for the result, ``BackendUnavailable``.
    """
    contents = {path: hashlib.blake2b(content).hexdigest() for path, content in sorted((files or {}).items())}
    key = digest([FORMAT, base.digest, contents, [list(command) for command in commands], network])
    name = f"{engine.own(REPOSITORY)}:{key[:16]}"
    client = connect(engine)
    try:
        with speaking("build an image"):
            found = inspect(client, name)
            if found is None or (found["Config"].get("Labels") or {}).get(KEY_LABEL) != key:
                settings = configuration(os.environ if environment is None else environment)
                _make(client, base, commands, files or {}, network, settings, name, key)
    finally:
        client.close()
    return resolve_docker_image(python=None, base=name, engine=engine)


def commit(client: EngineClient, container: str, name: str, labels: Mapping[str, str]) -> None:
    """Keep a container of ours as an image: with its labels, no owner, Python as program."""
    repository, _, tag = name.rpartition(":")
    changes = [f"LABEL {label}={value}" for label, value in {**labels, OWNER_LABEL: ""}.items()]
    changes += [f'ENTRYPOINT ["{hardening.PYTHON}"]', "CMD []"]  # the form that Podman does not ignore
    client.commit(container, repository=repository, tag=tag, changes=changes)


def _make(
    client: EngineClient,
    base: ImageRef,
    commands: Sequence[Sequence[str]],
    files: Mapping[str, bytes],
    network: bool,
    settings: Mapping[str, str],
    name: str,
    key: str,
) -> None:
    labels = {ROLE_LABEL: ROLE, KEY_LABEL: key}
    container = client.create_container(
        base.reference,
        entrypoint=[hardening.PYTHON, "-S", "-E", "-c", _WAIT],
        command=[],
        user="0:0",
        host_config=client.create_host_config(
            network_mode="bridge" if network else "none",
            security_opt=["no-new-privileges"],
            tmpfs={builder.HOME: "size=1g,mode=0700"},
            pids_limit=1024,
            mem_limit="4g",
            init=True,
        ),
        labels={**labels, OWNER_LABEL: own_label()},
    )["Id"]
    try:
        client.put_archive(container, "/", _archive(files))
        client.start(container)
        _run(client, container, commands, settings)
        client.stop(container, timeout=0)
        check_room(client, "the image of what was built", written_bytes(client, container))
        usual, client.timeout = client.timeout, builder.SECONDS
        try:
            commit(client, container, name, labels)
        finally:
            client.timeout = usual
    finally:
        remove(client, container)


def _archive(files: Mapping[str, bytes]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def _run(client: EngineClient, container: str, commands: Sequence[Sequence[str]], settings: Mapping[str, str]) -> None:
    """Run the commands beside the waiting process. Raises ``ImageUnavailable`` with the end of what they said."""
    program = Path(builder.__file__).read_text(encoding="utf-8")
    argv = [hardening.PYTHON, "-S", "-c", program, json.dumps([list(command) for command in commands])]
    started = client.exec_create(container, argv, environment=dict(settings), user="0:0", workdir="/")
    usual, client.timeout = client.timeout, builder.SECONDS
    try:
        said = _last_words(client.exec_start(started["Id"], socket=True))
    finally:
        client.timeout = usual
    code = client.exec_inspect(started["Id"])["ExitCode"]
    if code != 0:
        text = _without_secrets(said.decode(errors="replace"), settings)
        raise ImageUnavailable(f"the image cannot be built: {' '.join(text.split())[-800:] or f'exit code {code}'}")


def _last_words(stream: Any) -> bytes:
    """Read the stream to its end and close it; return the end of what came."""
    from docker.utils.socket import frames_iter

    said = b""
    try:
        for _, chunk in frames_iter(stream, tty=False):  # type: ignore[no-untyped-call]
            said = (said + chunk)[-4000:]
    finally:
        response = getattr(stream, "_response", None)  # docker-py keeps it there; closing it closes the socket
        if response is not None:
            response.close()
        stream.close()
    return said


def _without_secrets(text: str, settings: Mapping[str, str]) -> str:
    """Take the configuration's values, and the user and password of its URLs, out of a message."""
    secrets = set(settings.values())
    for value in settings.values():
        secrets.update(part for match in _LOGIN.finditer(value) for part in match.groups() if part)
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3:
            text = text.replace(secret, "***")
    return text
