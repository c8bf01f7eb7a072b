"""What sessions cost: commands, shells, transfers and snapshots, beside what the engine offers for them itself.

    python benchmarks/sandbox_sessions.py [--quick] [--json FILE]

Needs Docker and a static BusyBox. The ways take turns within each round; a ratio is the median of the rounds' ratios.
"""

import io
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import docker
from report import Measurement, arguments, median_ratio, report, seconds

from sandboxes import open_session
from sandboxes.docker.images import resolve_docker_image
from sandboxes.session_api import Command, Session, SessionSpec

SPEC = SessionSpec(memory_bytes=2**30, disk_bytes=2**30, writable_root=True)
LARGE_BYTES = 32 * 2**20
SMALL_FILES, SMALL_BYTES = 2000, 4096


def engine_exec(client: "docker.APIClient", session: Session) -> None:
    """Run a command as most drivers do: the engine's exec, without a supervisor or a time-out."""
    identity = client.exec_create(session.name, ["true"], user="1000")["Id"]  # type: ignore[attr-defined]
    client.exec_start(identity)
    if client.exec_inspect(identity)["ExitCode"] != 0:
        raise SystemExit("the engine's exec failed")


def commands(client: "docker.APIClient", session: Session, rounds: int) -> list[Measurement]:
    """Compare a command, a shell's text and the engine's exec."""
    found: dict[str, list[float]] = {"exec": [], "shell": [], "engine": []}
    command = Command(["true"], 10.0)
    with session.shell() as shell:
        for _ in range(rounds):
            found["exec"].append(_median(lambda: session.exec(command)))
            found["shell"].append(_median(lambda: shell.run("true", wall_seconds=10.0)))
            found["engine"].append(_median(lambda: engine_exec(client, session)))
    start = statistics.median(seconds(lambda: session.shell().close()) for _ in range(9))
    return [
        *(Measurement(f"{name}, true", statistics.median(taken) * 1000, "ms") for name, taken in found.items()),
        Measurement("shell started and closed", start * 1000, "ms"),
        Measurement("docker exec's time (docker-py) beside exec's", median_ratio(found["engine"], found["exec"]), "x"),
        Measurement(
            "docker exec's time (docker-py) beside a shell's text",
            median_ratio(found["engine"], found["shell"]),
            "x",
            20,
        ),
    ]


def _median(action: Callable[[], object]) -> float:
    return statistics.median(seconds(action) for _ in range(11))


def transfers(client: "docker.APIClient", session: Session, rounds: int, folder: Path) -> list[Measurement]:
    """Compare megabytes per second with what `docker cp` does (the engine's archive calls) for a file and a tree."""
    (folder / "large").mkdir()
    (folder / "large" / "file").write_bytes(os.urandom(LARGE_BYTES))
    (folder / "small").mkdir()
    for number in range(SMALL_FILES):
        path = folder / "small" / f"d{number % 50}" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(SMALL_BYTES))
    rows = []
    for kind, size in (("large", LARGE_BYTES), ("small", SMALL_FILES * SMALL_BYTES)):
        taken: dict[str, list[float]] = {"put": [], "cp in": [], "get": [], "cp out": []}
        for number in range(rounds):
            place = f"/work/{kind}{number}"
            taken["put"].append(seconds(lambda: session.put(place, folder / kind)))  # noqa: B023
            taken["cp in"].append(seconds(lambda: _copy_in(client, session, folder / kind)))  # noqa: B023
            taken["get"].append(seconds(lambda: session.get_tree(place, folder / f"{kind}{number}")))  # noqa: B023
            taken["cp out"].append(seconds(lambda: _copy_out(client, session, place, folder)))  # noqa: B023
            session.exec(Command(["rm", "-rf", place], 30.0))
            session.reset()  # what the engine copied in is root's, in a directory that is not
        what = "one file of 32 MiB" if kind == "large" else "2,000 files of 4 KiB"
        for name, values in taken.items():
            rows.append(Measurement(f"{name}, {what}", size / 1e6 / statistics.median(values), "MB/s"))
        rows.append(
            Measurement(f"docker cp's time beside put, {what}", median_ratio(taken["cp in"], taken["put"]), "x")
        )
        rows.append(
            Measurement(f"docker cp's time beside get, {what}", median_ratio(taken["cp out"], taken["get"]), "x")
        )
    return rows


def _copy_in(client: "docker.APIClient", session: Session, source: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(source, source.name)
    client.put_archive(session.name, "/work", buffer.getvalue())  # type: ignore[attr-defined]


def _copy_out(client: "docker.APIClient", session: Session, place: str, folder: Path) -> None:
    chunks, _ = client.get_archive(session.name, place)  # type: ignore[attr-defined]
    target = folder / f"out-{time.monotonic_ns()}"
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        archive.extractall(target, filter="data")


def branches(session: Session, rounds: int, folder: Path) -> list[Measurement]:
    """Take a session of 40 MB in 2,032 files through snapshot, fork and reset."""
    session.reset()
    session.put("/work/tree", folder / "small")
    session.put("/work/large", folder / "large")
    taken: dict[str, list[float]] = {"snapshot": [], "fork from a snapshot": [], "reset to a snapshot": []}
    for _ in range(rounds):
        start = time.perf_counter()
        snapshot = session.snapshot()
        taken["snapshot"].append(time.perf_counter() - start)
        start = time.perf_counter()
        other = session.fork(snapshot)
        taken["fork from a snapshot"].append(time.perf_counter() - start)
        other.close()
        taken["reset to a snapshot"].append(seconds(lambda: session.reset(snapshot)))  # noqa: B023
    return [Measurement(f"{name}, 41 MB", statistics.median(values), "s") for name, values in taken.items()]


def measure(quick: bool) -> list[Measurement]:
    """Run everything."""
    rounds = 3 if quick else 9
    client = docker.APIClient()
    image = resolve_docker_image(python=None, base=None, shell=True)
    with open_session("docker", SPEC, image) as session, tempfile.TemporaryDirectory() as name:
        found = commands(client, session, rounds)
        found += transfers(client, session, rounds, Path(name))
        found += branches(session, rounds, Path(name))
    client.close()
    return found


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
