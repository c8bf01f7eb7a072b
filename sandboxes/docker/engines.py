"""The engines that speak Docker's API, and all in which they differ: data that the other modules ask."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(slots=True, frozen=True)
class Engine:
    """One engine. What is left at its default is as in Docker."""

    name: str
    """Of the backend, in records and messages."""
    component: str
    """What the engine calls itself among its components, to be told from another at the same address."""
    variable: str
    """Of the environment: where it listens."""
    client_variables: tuple[str, ...]
    """Further ones that the connection follows."""
    socket: str
    user_socket: str
    """Below ``$XDG_RUNTIME_DIR``, for those who are not root; empty if everybody uses the same."""
    install: str
    start: str
    permit: str
    """What to do if it is not installed, does not run, or may not be used."""
    remap: str
    """How root in a container becomes nobody outside."""
    home: str = ""
    """What its names of images made here begin with."""
    public: str = ""
    """What its names of public images begin with."""
    has_runtimes: bool = True
    """Whether a container may ask for another OCI runtime than the engine's default."""
    has_volumes: bool = False
    """Whether memory file systems are volumes, since its tmpfs knows no limit on inodes."""
    covered: tuple[str, ...] = ()
    """Directories that take files even where the root does not, unless something else is mounted there."""
    engine_files: frozenset[str] = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
    """Mounted into every container; they can be written where the root can."""
    ulimits: Mapping[str, int] = field(default_factory=dict)
    """Limits of a process for which it would choose values that not every root may set."""
    container: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of every container's creation."""
    filter_is_loose: bool = False
    """Whether its usual filter of system calls lets programs make namespaces; its service reads another from a file."""
    times_health: bool = False
    """Whether it keeps a timer for each container with a health check, even with the one that is none."""

    remedies: Mapping[str, str] = field(default_factory=dict)
    """What to do about refusals that it words in a way of its own, by a part of their words."""

    def own(self, repository: str) -> str:
        """Return the full name of a repository of ours."""
        return self.home + repository

    def published(self, name: str) -> str:
        """Return the full name of an image of the public registry."""
        return self.public + name

    def remedy(self, error: object) -> str:
        """Return what to do about a refusal, as a part of a message; empty if it says so itself."""
        found = [remedy for words, remedy in self.remedies.items() if words in str(error)]
        return f"; {found[0]}" if found else ""

    def address(self, environment: Mapping[str, str]) -> str:
        """Return where it is to be found: what its variable says, else its usual socket for this user."""
        if given := environment.get(self.variable):
            return given
        runtime = environment.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
        return f"unix://{self.socket}" if not self.user_socket or _is_root() else f"unix://{runtime}{self.user_socket}"


def _is_root() -> bool:
    return os.geteuid() == 0


DOCKER: Final = Engine(
    name="docker",
    component="Engine",
    variable="DOCKER_HOST",
    client_variables=("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    socket="/var/run/docker.sock",
    user_socket="",
    install="install Docker",
    start="start it (`sudo systemctl start docker`) or set DOCKER_HOST",
    permit="run `sudo usermod -aG docker $USER` and log in again",
    remap='optional: "userns-remap": "default" in the engine\'s daemon.json maps root in a container to a nobody',
)
PODMAN: Final = Engine(
    name="podman",
    component="Podman Engine",
    variable="CONTAINER_HOST",
    client_variables=(),
    socket="/run/podman/podman.sock",
    user_socket="/podman/podman.sock",
    install="install the packages podman and catatonit",
    start="start its service (`podman system service --time=0 &` or `systemctl --user start podman.socket`; as root "
    "without --user) or set CONTAINER_HOST",
    permit="set CONTAINER_HOST to the socket of your own service (`systemctl --user start podman.socket`)",
    remap="optional: a rootless service, where cgroups have version 2, maps root in a container to a nobody",
    home="localhost/",
    public="docker.io/library/",
    has_runtimes=False,
    has_volumes=True,
    covered=("/run", "/tmp", "/var/tmp"),  # noqa: S108 (paths in the container)
    engine_files=frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"}),
    ulimits={"nproc": 4096, "nofile": 4096},
    container={"UnsetEnv": ["container", "TERM"]},
    filter_is_loose=True,
    times_health=True,
    remedies={
        "container-init": "install the package catatonit",
        "hybrid mode": "start the service with --runtime runc",
        "setrlimit": "start the service with higher limits (ulimit -u, ulimit -n)",
    },
)
ENGINES: Final = {engine.name: engine for engine in (DOCKER, PODMAN)}
