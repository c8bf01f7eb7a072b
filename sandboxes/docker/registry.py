"""Gives images to other machines through any OCI registry, by digest, and takes them from there.

Credentials are the engine client's own: ``docker login`` writes them to ``$DOCKER_CONFIG/config.json``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from sandboxes.api import ImageRef
from sandboxes.docker.engine import connect, speaking
from sandboxes.docker.images import PULL_SECONDS, inspect, resolve_docker_image
from schemas.errors import ImageUnavailable, UsageError

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

_REPOSITORY: Final = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def push(image: str, repository: str) -> str:
    """Send an image of the engine to ``HOST/NAME``; return ``HOST/NAME@sha256:...``, which ``pull`` takes anywhere.

    The registry is asked whether it has what was sent. Raises ``UsageError``, ``ImageUnavailable``,
    ``BackendUnavailable``.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"{repository!r} is no repository; allowed: HOST/NAME or HOST:PORT/NAME, without a tag")
    client = connect()
    try:
        with speaking("push an image"):
            found = inspect(client, image)
            if found is None:
                raise ImageUnavailable(f"the engine has no image {image!r}; `docker images` lists those it has")
            return _push(client, found["Id"], repository)
    finally:
        client.close()


def pull(reference: str) -> ImageRef:
    """Fetch ``HOST/NAME@sha256:...`` unless it is here; the engine refuses other bytes than the digest's.

    Raises ``UsageError``, ``ImageUnavailable`` and ``BackendUnavailable``.
    """
    repository, _, content = reference.partition("@")
    if not _REPOSITORY.fullmatch(repository) or not _DIGEST.fullmatch(content):
        raise UsageError(f"{reference!r} names no image by digest; allowed: HOST/NAME@sha256:DIGEST, as push prints it")
    return resolve_docker_image(python=None, base=reference)


def _push(client: EngineClient, identity: str, repository: str) -> str:
    tag = identity.partition(":")[2][:16]
    usual, client.timeout = client.timeout, PULL_SECONDS
    client.tag(identity, repository, tag)
    try:
        content = _sent(client.push(repository, tag=tag, stream=True, decode=True), repository)
        answer: dict[str, Any] = client.inspect_distribution(f"{repository}@{content}")  # type: ignore[no-untyped-call]
    finally:
        client.remove_image(f"{repository}:{tag}")  # a name of ours less: the image is found as before
        client.timeout = usual
    held = answer["Descriptor"]["digest"]
    if held != content:
        raise ImageUnavailable(f"{repository} holds {held}, sent was {content}: push again, or use another registry")
    return f"{repository}@{content}"


def _sent(lines: Iterable[dict[str, Any]], repository: str) -> str:
    content = ""
    for line in lines:
        if "error" in line:
            remedy = "`docker login` gives credentials, a registry without TLS must be on this machine"
            raise ImageUnavailable(f"{repository} does not take the image: {line['error']} ({remedy})")
        content = line.get("aux", {}).get("Digest", content)
    if not content:
        raise ImageUnavailable(f"{repository} did not say under which digest it keeps the image: push again")
    return str(content)
