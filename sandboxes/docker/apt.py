"""Where apt in builds fetches packages from: this machine's configuration, of which no image keeps anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from schemas.errors import UsageError

SOURCES_VARIABLE: Final = "TRACEGEN_APT_SOURCES"
_HOST_SOURCES: Final = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


def apt_sources(environment: Mapping[str, str]) -> Path | None:
    """Return the file of apt sources that builds use: what ``TRACEGEN_APT_SOURCES`` names, else this machine's.

    ``None``: the machine is no Debian; the tools' own default holds. Raises ``UsageError`` if it is not there.
    """
    if given := environment.get(SOURCES_VARIABLE):
        if not Path(given).is_file():
            raise UsageError(
                f"{SOURCES_VARIABLE} is {given!r}, which is no file; give one in apt's format, or unset it"
            )
        return Path(given)
    return next((path for path in _HOST_SOURCES if path.is_file() and _of_debian(path)), None)


def _of_debian(path: Path) -> bool:
    """Return whether a file has Debian's own archive among its sources: other distributions have apt, too."""
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line[:1] != "#"]
    return any("debian" in line.lower() for line in lines if line.lower().startswith(("uris:", "deb ", "deb\t")))
