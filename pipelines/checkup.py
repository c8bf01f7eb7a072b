"""What ``tracegen doctor`` looks at on the host: Python, names, Ray, disk. Sandboxes report for themselves."""

import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from sandboxes.api import Finding

DISTRIBUTION: Final = "tracegen-pipeline"
PACKAGES: Final = ("schemas", "sandboxes", "tracegen", "forager", "pipelines")
STRANGER: Final = "tracegen"
"""A distribution of other people that owns the short name on the package index."""
ENOUGH_BYTES: Final = 2 * 10**9


def python_finding(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Say whether this interpreter is new enough."""
    name = ".".join(map(str, version))
    if version >= (3, 11):
        return Finding("Python", "ok", f"{name}, {sys.executable}")
    return Finding("Python", "missing", f"{name} is too old", "make the environment with Python 3.11 or later")


def name_findings(owners: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Say whether each of our packages has one owner; ``owners`` as ``packages_distributions`` gives them."""
    folders = {Path(str(importlib.import_module(name).__file__)).parents[1] for name in PACKAGES}
    findings = []
    for name in PACKAGES:
        others = sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        if others:
            findings.append(
                Finding(
                    f"package {name}",
                    "missing",
                    f"also belongs to {', '.join(others)}: one overwrites the other",
                    f"use an environment of its own for {DISTRIBUTION}, or uninstall {' and '.join(others)}",
                )
            )
    if len(folders) > 1:
        places = ", ".join(map(str, sorted(folders)))
        findings.append(
            Finding("packages", "missing", f"ours are spread over {places}", "start outside folders of the same name")
        )
    return findings or [Finding("package names", "ok", f"{', '.join(PACKAGES)} have one owner")]


def stranger_finding(installed: bool) -> list[Finding]:
    """Warn of the other project that is called like our command."""
    if not installed:
        return []
    detail = f"the distribution {STRANGER!r} of other people is installed"
    remedy = f"pip uninstall {STRANGER}; ours is {DISTRIBUTION}. Then install ours again: they share file names"
    return [Finding(STRANGER, "warning", detail, remedy)]


def is_installed(distribution: str) -> bool:
    """Return whether a distribution of that name is in this environment."""
    return any(found.metadata["Name"] == distribution for found in metadata.distributions(name=distribution))


def ray_findings(environment: Mapping[str, str], home: Path) -> list[Finding]:
    """Say whether Ray is there, and whether its token in the home will get in the way of a cluster."""
    if importlib.util.find_spec("ray") is None:
        remedy = f"install {DISTRIBUTION}[ray], or stay with --executor local"
        return [Finding("Ray", "warning", "is not installed", remedy)]
    address = environment.get("RAY_ADDRESS")
    where = f"would join {address} (RAY_ADDRESS)" if address else "would start locally"
    findings = [Finding("Ray", "ok", f"{metadata.version('ray')}, {where}")]
    token = home / ".ray" / "auth_token"
    if token.exists() and "RAY_AUTH_MODE" not in environment:
        findings.append(
            Finding(
                "Ray token",
                "warning",
                f"{token} exists: `ray start` turns authentication on, other shells are then refused",
                "set RAY_AUTH_MODE=token in every shell, or remove the file if no cluster uses it",
            )
        )
    return findings


def disk_finding(directory: Path) -> Finding:
    """Say how much room there is where runs are written by default."""
    free = shutil.disk_usage(directory).free
    detail = f"{free / 1e9:,.1f} GB free in {directory}"
    if free >= ENOUGH_BYTES:
        return Finding("disk", "ok", detail)
    return Finding("disk", "warning", detail, "free some space, or write runs elsewhere with -o")


def host_findings() -> list[Finding]:
    """Return everything that can be said of this host without starting anything."""
    return [
        python_finding(),
        *name_findings(metadata.packages_distributions()),
        *stranger_finding(is_installed(STRANGER)),
        *ray_findings(os.environ, Path.home()),
        disk_finding(Path.cwd()),
    ]
