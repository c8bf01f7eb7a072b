"""What of ours can be removed from the engine and the cache, and its removal: ``tracegen sandbox reap`` and ``gc``.

An image is ours by its names (every one in our repositories) or, without a name, by a role that its parent does not
have: what a user derives from our images inherits their labels.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandboxes.docker.build import REPOSITORY as BUILDS
from sandboxes.docker.channel import remove
from sandboxes.docker.engine import connect, speaking
from sandboxes.docker.engines import DOCKER, Engine
from sandboxes.docker.images import REPOSITORY as BASES
from sandboxes.docker.images import ROLE_LABEL
from sandboxes.docker.owners import OWNER_LABEL, is_dead, orphan_volumes, orphans
from sandboxes.docker.packages import REPOSITORY as PACKAGES
from sandboxes.litter import Litter, Sweep, remove_tree, too_old_or_too_much, unused_root_file_systems

if TYPE_CHECKING:
    from sandboxes.docker.client import EngineClient

SNAPSHOT: Final = "snapshot"
REPOSITORIES: Final = frozenset({BASES, PACKAGES, BUILDS})
ROLES: Final = frozenset({"base", "packages", "build"})
"""Of images that stay until they are old. A snapshot goes with its owner."""


def find_dead(engine: Engine = DOCKER) -> list[Litter]:
    """Return the containers of dead owners, their volumes and their snapshots. Raises ``BackendUnavailable``."""
    client = connect(engine)
    try:
        containers = [Litter("container", one, (), 0, "its owner is dead") for one in orphans(client)]
        volumes = [Litter("volume", one, (), 0, "its owner is dead") for one in orphan_volumes(client)]
        with speaking("list images and containers"):
            shelf = _Shelf.of(client, ignoring={one.identity for one in containers})
        return containers + volumes + [one for one in shelf.unowned() if one.reason == _DEAD]
    finally:
        client.close()


def find_garbage(older_than_seconds: float, keep_bytes: int | None, engine: Engine = DOCKER) -> list[Litter]:
    """Return what ``gc`` would remove: nothing that a container or another image uses, or that is not ours.

    ``keep_bytes``: beyond it younger images and root file systems go too, the oldest first. Raises
    ``BackendUnavailable``.
    """
    client = connect(engine)
    try:
        with speaking("list images and containers"):
            shelf = _Shelf.of(client, ignoring=set())
    finally:
        client.close()
    first = shelf.unowned(older_than_seconds)
    gone = {one.identity for one in first}
    ages = [*shelf.aged(gone), *unused_root_file_systems()]
    chosen = too_old_or_too_much(ages, older_than_seconds, keep_bytes)
    images = {one.identity: one.reason for one in chosen if one.kind == "image"}
    return [*first, *shelf.leaving(images, gone), *(one for one in chosen if one.kind == "rootfs")]


def sweep(litter: Iterable[Litter], engine: Engine = DOCKER) -> Sweep:
    """Remove what was found, in its order. Raises ``BackendUnavailable``; what has come into use meanwhile stays."""
    client = connect(engine)
    removed, kept = [], []
    try:
        with speaking("remove what is left over"):
            for one in litter:
                problem = _remove(client, one)
                if problem:
                    kept.append((one, problem))
                else:
                    removed.append(one)
    finally:
        client.close()
    return Sweep(tuple(removed), tuple(kept))


_DEAD: Final = "snapshot of a dead owner"


@dataclass(slots=True, frozen=True)
class _Shelf:
    """Every image of the engine, and which of them are in use."""

    engine: Engine
    images: dict[str, dict[str, Any]]
    used: frozenset[str]
    """Images of containers, running or not."""

    @classmethod
    def of(cls, client: EngineClient, ignoring: set[str]) -> _Shelf:
        containers = [one for one in client.containers(all=True) if one["Id"] not in ignoring]
        images = {one["Id"]: one for one in client.images(all=True)}
        return cls(client.engine, images, frozenset(one["ImageID"] for one in containers))

    def unowned(self, foreign_seconds: float | None = None) -> list[Litter]:
        """Return snapshots of dead owners and images of ours that lost their name, children before parents.

        Whether an owner on another machine or boot lives cannot be seen: its snapshots go after ``foreign_seconds``.
        """
        found: dict[str, str] = {}
        for identity, image in self.images.items():
            labels, old = image["Labels"] or {}, foreign_seconds is not None and _age(image) > foreign_seconds
            if labels.get(ROLE_LABEL) == SNAPSHOT and OWNER_LABEL in labels and not self._foreign_names(image):
                dead = is_dead(labels[OWNER_LABEL])
                if dead or (dead is None and old):
                    found[identity] = _DEAD if dead else "snapshot of an owner elsewhere, old"
            elif not _names(image) and self._is_nameless_ours(image) and not self._children(identity):
                found[identity] = "lost its name to a newer one"
        return self.leaving(found)

    def aged(self, gone: set[str]) -> list[tuple[float, Litter]]:
        """Return every image of ours that has a name and no use, with its age in seconds."""
        ours = {
            identity: "made by tracegen"
            for identity, image in self.images.items()
            if _names(image) and (image["Labels"] or {}).get(ROLE_LABEL) in ROLES and not self._foreign_names(image)
        }
        return [(_age(self.images[one.identity]), one) for one in self.leaving(ours, gone)]

    def leaving(self, found: dict[str, str], gone: Iterable[str] = ()) -> list[Litter]:
        """Drop what a container or a remaining image needs; what is left comes children first.

        ``found`` is identities with their reasons; ``gone`` leaves anyway.
        """
        leaving, order = set(gone), list[str]()
        waiting = [one for one in found if one not in self.used and one not in leaving]
        while ready := [one for one in waiting if one not in leaving and not self._children(one) - leaving]:
            leaving.update(ready)
            order += ready
        return [self._litter(one, found[one]) for one in order]

    def _litter(self, identity: str, reason: str) -> Litter:
        image = self.images[identity]
        parent = self.images.get(image["ParentId"])
        size = image["Size"] - (parent["Size"] if parent else 0)
        return Litter("image", identity, tuple(_names(image)), max(0, size), reason)

    def _children(self, identity: str) -> set[str]:
        return {other for other, image in self.images.items() if image["ParentId"] == identity}

    def _is_nameless_ours(self, image: dict[str, Any]) -> bool:
        role = (image["Labels"] or {}).get(ROLE_LABEL)
        parent = self.images.get(image["ParentId"], {"Labels": None})
        return role in ROLES and (parent["Labels"] or {}).get(ROLE_LABEL) != role

    def _foreign_names(self, image: dict[str, Any]) -> list[str]:
        names = [name.partition("@")[0] if "@" in name else name.rpartition(":")[0] for name in _names(image)]
        if (image["Labels"] or {}).get(ROLE_LABEL) == SNAPSHOT:
            return [name for name in names if not name.startswith(self.engine.own("tracegen-"))]
        return [name for name in names if name not in {self.engine.own(one) for one in REPOSITORIES}]


def _names(image: dict[str, Any]) -> list[str]:
    tags = [tag for tag in image["RepoTags"] or [] if tag != "<none>:<none>"]
    return tags or [name for name in image["RepoDigests"] or [] if name != "<none>@<none>"]


def _age(image: dict[str, Any]) -> float:
    return time.time() - float(image["Created"])


def _remove(client: EngineClient, one: Litter) -> str:
    """Remove one thing; return why that was refused, or nothing."""
    import docker.errors

    try:
        if one.kind == "container":
            remove(client, one.identity)
        elif one.kind == "volume":
            client.remove_volume(one.identity)
        elif one.kind == "image":
            for name in one.names or (one.identity,):
                client.remove_image(name)
        else:
            remove_tree(Path(one.identity))
    except docker.errors.NotFound:
        return ""  # went with its child, or with its owner
    except docker.errors.APIError as error:
        return str(error.explanation)
    except OSError as error:
        return str(error)
    return ""
