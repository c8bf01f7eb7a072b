"""Where the files of a table lie: on this machine's disks, or in any ``fsspec`` file system, the Hub's among them."""

import glob
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from schemas.errors import EnvironmentLacking, UsageError

HUB_PREFIX: Final = "hf://"
GLOB: Final = frozenset("*?[")


class Store(Protocol):
    """Finds and opens files."""

    def find(self, path: str) -> list[str]:
        """Return the files that a path, a glob or a folder stands for, sorted; none if there is nothing there."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading at any place. Raises ``OSError``."""
        ...


class LocalStore:
    """This machine's file system."""

    def find(self, path: str) -> list[str]:
        """See ``Store.find``."""
        place = Path(path)
        if place.is_dir():
            return sorted(str(one) for one in place.rglob("*") if one.is_file())
        if place.is_file():
            return [path]
        found = glob.glob(path, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
        return sorted(one for one in found if Path(one).is_file())

    def open(self, path: str) -> BinaryIO:
        """See ``Store.open``."""
        return Path(path).open("rb")


class FsspecStore:
    """An ``fsspec`` file system: reads ranges of a remote file as they are asked for, never the whole."""

    def __init__(self, system: Any) -> None:
        self._system = system

    def find(self, path: str) -> list[str]:
        """See ``Store.find``."""
        if GLOB & set(path):
            return sorted(str(one) for one in self._system.glob(path) if self._system.isfile(one))
        return sorted(str(one) for one in self._system.find(path))

    def open(self, path: str) -> BinaryIO:
        """See ``Store.open``."""
        return cast(BinaryIO, self._system.open(path, "rb"))


def hub_store() -> FsspecStore:
    """Return the Hub's file system, with the token and endpoint that ``huggingface_hub`` is configured for.

    Raises ``EnvironmentLacking`` if the library is not installed.
    """
    try:
        from huggingface_hub import HfFileSystem
    except ImportError as error:
        raise EnvironmentLacking(
            "hf:// sources need the library huggingface_hub: install tracegen-pipeline[hub]"
        ) from error
    return FsspecStore(HfFileSystem())


def find_on_hub(store: Store, source: str) -> list[str]:
    """Return the files of an ``hf://`` source. Raises ``UsageError`` and ``EnvironmentLacking``."""
    path = source.removeprefix(HUB_PREFIX)
    if not path.startswith("datasets/") or path.count("/") < 2:
        raise UsageError(f"{source!r} is no data set on the Hub; allowed: hf://datasets/OWNER/NAME[/PATH or glob]")
    try:
        return store.find(path)
    except FileNotFoundError:
        return []
    except Exception as error:  # the client's errors have no common root: HTTP, validation, connection
        reason = " ".join(str(error).split())[:300]
        raise EnvironmentLacking(
            f"{source} cannot be listed: {type(error).__name__}: {reason}; check the name, the network and the token"
        ) from error
