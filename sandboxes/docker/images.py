"""Finds, pulls or makes the base image: explicit, then local, then pulled, then made from this machine's Python."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from sandboxes.api import ImageRef
from sandboxes.docker import hardening
from sandboxes.docker.engine import connect, speaking
from sandboxes.docker.engines import DOCKER, Engine
from sandboxes.docker.host_base import HostTree, busybox, collect
from sandboxes.docker.owners import OWNER_LABEL, own_label
from sandboxes.docker.preflight import check_room
from sandboxes.interpreters import Interpreter, find, own
from schemas.errors import ImageUnavailable, UsageError

if TYPE_CHECKING:
    import docker

    from sandboxes.docker.client import EngineClient

REPOSITORY = "tracegen-base"
DIGEST_LABEL = "tracegen.base.digest"
KEY_LABEL = "tracegen.base.key"
PYTHON_LABEL = "tracegen.base.python"
ROLE_LABEL = "tracegen.role"
PULL_SILENCE_SECONDS = 20
"""A registry that says nothing for that long is given up."""
PULL_SECONDS = 900
_NO_SHELL = "an image with a shell is made with a static BusyBox: install the package busybox-static"
_VERSION = "import platform; print(platform.python_version())"


def resolve_docker_image(
    *, python: str | None, base: str | None, shell: bool = False, others: Sequence[str] = (), engine: Engine = DOCKER
) -> ImageRef:
    """Return the image to run. ``python`` is a minor version or an interpreter's path, ``base`` an image.

    ``shell``: with ``/bin/sh`` and the usual small programs. ``others``: further versions or paths, found in the image
    as ``python3.X``; it is made from this machine's. Neither says anything of an image given by ``base``.

    Raises ``BackendUnavailable``, ``ImageUnavailable`` and ``UsageError``.
    """
    client = connect(engine)
    try:
        with speaking("resolve the base image"):
            if base is not None:
                return _explicit(client, base)
            if others or (python is not None and "/" in python):
                return make_base(client, find(python), shell=shell, others=others)
            return _by_version(client, python or own().minor, shell=shell)
    finally:
        client.close()


def slim_image(minor: str) -> str:
    """Return the public image of a minor version."""
    return f"python:{minor}-slim"


def _explicit(client: EngineClient, base: str) -> ImageRef:
    found = inspect(client, base)
    if found is None:
        problem = _pull(client, base)
        found = inspect(client, base)
        if found is None:
            remedy = f"build or load it{_hint(client, base)}"
            raise ImageUnavailable(f"the image {base!r} is neither here nor to be pulled ({problem}): {remedy}")
    if "@sha256:" in base:  # the same name and digest on every machine, whatever else the image is called here
        return ImageRef(base, base.partition("@")[2], _python_in(client, found["Id"], base))
    return _reference(client, found, base)


def _by_version(client: EngineClient, version: str, *, shell: bool) -> ImageRef:
    name = slim_image(version)
    if (found := inspect(client, name)) is not None:
        return _reference(client, found, name)
    try:
        interpreter: Interpreter | None = find(version)
    except UsageError:
        interpreter = None
    box = busybox() if shell else None
    makeable = interpreter is not None and (box is not None or not shell)
    tree = collect(interpreter, shell=box) if interpreter is not None and makeable else None
    if tree is not None and (made := _made(client, tree)) is not None:
        return made
    problem = _pull(client, name)
    if (found := inspect(client, name)) is not None:
        return _reference(client, found, name)
    if tree is None and interpreter is not None:
        raise ImageUnavailable(f"{name} is neither here nor to be pulled ({problem}). {_NO_SHELL}, or give --base")
    if tree is None:
        raise ImageUnavailable(
            f"no image for Python {version}: {name} is neither here nor to be pulled ({problem}), and none is "
            "installed to make one from; install it, load the image, or give --base"
        )
    return _make(client, tree)


def make_base(
    client: EngineClient, interpreter: Interpreter, *, shell: bool = False, others: Sequence[str] = ()
) -> ImageRef:
    """Return the image made from ``interpreter``, made now unless it was before."""
    box = busybox() if shell else None
    if shell and box is None:
        raise ImageUnavailable(_NO_SHELL)
    tree = collect(interpreter, shell=box, others=[find(one) for one in others])
    return _made(client, tree) or _make(client, tree)


def _made(client: EngineClient, tree: HostTree) -> ImageRef | None:
    for image in client.images(filters={"label": f"{KEY_LABEL}={tree.key()}"}):
        if (made := _as_made(client.engine, image.get("RepoTags"), image["Labels"])) is not None:
            return made
    return None


def _as_made(engine: Engine, tags: list[str] | None, labels: dict[str, str] | None) -> ImageRef | None:
    """Return an image that this module made, told by its tag: what is derived from it inherits the labels."""
    if not labels or DIGEST_LABEL not in labels:
        return None
    content, version = labels[DIGEST_LABEL], labels[PYTHON_LABEL]
    tag = _tag(engine, version, content)
    return ImageRef(tag, content, version) if tag in (tags or []) else None


def _tag(engine: Engine, version: str, content: str) -> str:
    return f"{engine.own(REPOSITORY)}:{version}-{content[:12]}"


def import_image(client: EngineClient, archive: IO[bytes], name: str, changes: list[str]) -> str:
    """Make an image of an archive of its root file system; return what the engine says, which is for messages."""
    # docker-py sends a file object in pieces; the annotation knows bytes only. The tag is part of the repository's name
    # since Podman before 5 takes no other for an import.
    return str(client.import_image_from_data(archive, name, None, changes))


def _make(client: EngineClient, tree: HostTree) -> ImageRef:
    check_room(client, f"an image of {tree.interpreter.executable}", tree.size_bytes())
    version, content, key = tree.interpreter.version, tree.content_digest(), tree.key()
    labels = {DIGEST_LABEL: content, KEY_LABEL: key, PYTHON_LABEL: version, ROLE_LABEL: "base"}
    changes = [f"LABEL {name}={value}" for name, value in labels.items()]
    changes.append("ENV PATH=/usr/local/bin:/usr/bin:/bin")
    tag = _tag(client.engine, version, content)
    with tempfile.TemporaryFile() as archive:
        tree.write_tar(archive)
        archive.seek(0)
        answer = import_image(client, archive, tag, changes)
    _forget_older(client, content)
    found = inspect(client, tag)
    if found is None:
        raise ImageUnavailable(f"the engine did not take the image made from {tree.interpreter.executable}: {answer}")
    return ImageRef(tag, content, version)


def _forget_older(client: docker.APIClient, content: str) -> None:
    """Remove images of the same content that lost their tag to the one just made; never what is derived from one."""
    import docker.errors

    labels = [f"{DIGEST_LABEL}={content}", f"{ROLE_LABEL}=base"]
    for image in client.images(filters={"label": labels, "dangling": True}):
        if image["ParentId"]:  # derived: a session's snapshot or a user's own image, which inherits the labels
            continue
        with contextlib.suppress(docker.errors.APIError):  # a running container still needs it
            client.remove_image(image["Id"])


def _reference(client: EngineClient, found: dict[str, Any], name: str) -> ImageRef:
    if (made := _as_made(client.engine, found.get("RepoTags"), found["Config"].get("Labels"))) is not None:
        return made
    digests = sorted(found.get("RepoDigests") or [])
    content = digests[0].partition("@")[2] if digests else found["Id"]
    return ImageRef(found["Id"], content, _python_in(client, found["Id"], name))


def _python_in(client: docker.APIClient, image: str, name: str) -> str:
    """Start the image once to ask its Python for the version."""
    return python_says(client, image, _VERSION, name)


def python_says(client: docker.APIClient, image: str, program: str, name: str = "") -> str:
    """Start the image once for a one-line program of its Python; return what it printed.

    ``name`` is how messages call the image. Raises ``ImageUnavailable``.
    """
    import docker.errors
    import requests

    config = client.create_host_config(network_mode="none", read_only=True, cap_drop=["ALL"])
    created = client.create_container(
        image,
        entrypoint=[hardening.PYTHON, "-S", "-E", "-c", program],
        command=[],
        host_config=config,
        labels={ROLE_LABEL: "probe", OWNER_LABEL: own_label()},
    )
    try:
        client.start(created["Id"])
        client.wait(created["Id"], timeout=30)
        answer = client.logs(created["Id"], stdout=True, stderr=False).decode().strip()
    except (docker.errors.APIError, requests.RequestException) as error:
        raise ImageUnavailable(f"the image {name or image!r} has no `{hardening.PYTHON}` that runs: {error}") from error
    finally:
        client.remove_container(created["Id"], force=True)
    if not answer:
        raise ImageUnavailable(f"the image {name or image!r} has no `{hardening.PYTHON}` that answers")
    return str(answer)


def inspect(client: docker.APIClient, name: str) -> dict[str, Any] | None:
    """Return what the engine says of an image, or ``None`` if it has none of that name."""
    import docker.errors

    try:
        found: dict[str, Any] = client.inspect_image(name)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        return None
    return found


def _pull(client: docker.APIClient, name: str) -> str:
    """Try to pull; return the problem, or nothing."""
    import docker.errors
    import requests

    usual, client.timeout = client.timeout, PULL_SILENCE_SECONDS
    repository, tag = _parted(name)
    end = time.monotonic() + PULL_SECONDS
    try:
        for line in client.pull(repository, tag=tag, stream=True, decode=True):
            if "error" in line:
                return str(line["error"])
            if time.monotonic() > end:
                return f"it takes longer than {PULL_SECONDS} s"
    except (docker.errors.DockerException, requests.RequestException) as error:
        return _short(error)
    finally:
        client.timeout = usual
    return ""


def _parted(name: str) -> tuple[str, str]:
    """Divide an image's name into repository and tag or digest."""
    if "@" in name:
        repository, _, tag = name.partition("@")
    elif ":" in name.rsplit("/", 1)[-1]:
        repository, _, tag = name.rpartition(":")
    else:
        repository, tag = name, "latest"
    return repository, tag


def _hint(client: EngineClient, name: str) -> str:
    """Return what else a name without a registry may mean."""
    home = client.engine.home
    return f"; what was built here is called {home}{name}" if home and "/" not in name else ""


def _short(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    return json.dumps(str(explanation or error))
