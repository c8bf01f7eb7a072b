"""``tracegen sandbox``: removes what sandboxes left on this machine, makes and moves images, measures."""

import argparse
import re
import sys
from collections import Counter
from typing import Final

from sandboxes.api import ImageRef
from sandboxes.backends import BACKENDS, get_backend
from sandboxes.comparison import Comparison, compare
from sandboxes.conformance.bench import Bench
from sandboxes.conformance.suite import by_name, run_checks
from sandboxes.docker.debian_base import SUITE, resolve_debian_base
from sandboxes.docker.engines import DOCKER, ENGINES
from sandboxes.docker.garbage import find_dead, find_garbage, sweep
from sandboxes.docker.images import resolve_docker_image
from sandboxes.docker.registry import pull, push
from sandboxes.litter import Litter, find_old_root_file_systems, sweep_root_file_systems
from schemas.errors import UsageError

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES: Final = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_WEEK: Final = 7 * 86400.0
_NO_ENGINE: Final = "bubblewrap"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a subcommand per deed."""
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")
    reap = deeds.add_parser("reap", help="remove the containers, volumes and snapshots of processes that died, now")
    collect = deeds.add_parser("gc", help="remove old images that tracegen made, and unpacked root file systems")
    collect.add_argument(
        "--older-than",
        type=_age,
        default=_WEEK,
        metavar="AGE",
        help="remove what was made longer ago, such as 12h or 30d (default: 7d)",
    )
    collect.add_argument(
        "--keep-bytes", type=_size, metavar="SIZE", help="remove the oldest beyond this much, such as 20GB"
    )
    send = deeds.add_parser("push", help="give an image to other machines; prints the name to use there")
    send.add_argument("image", help="its name or id in Docker's engine here")
    send.add_argument("repository", help="HOST/NAME or HOST:PORT/NAME")
    fetch = deeds.add_parser("pull", help="fetch an image that push named, HOST/NAME@sha256:DIGEST")
    fetch.add_argument("reference", help="what push printed; --base takes it, too")
    check = deeds.add_parser("check", help="run what every sandbox must do against one of this machine's")
    check.add_argument("names", nargs="*", metavar="NAME", help="checks or parts of them (default: all)")
    check.add_argument("--sandbox", choices=tuple(BACKENDS), default="docker", help="default: %(default)s")
    check.add_argument("--sandbox-runtime", default="", metavar="NAME", help="OCI runtime of the engine, e.g. runsc")
    check.add_argument(
        "--sandbox-accept", dest="accepts", action="append", default=[], metavar="NAME", help="a weakness to accept"
    )
    check.add_argument("--base", metavar="IMAGE", help="what to run; the checks of shells need a shell in it")
    base = deeds.add_parser("base", help="make a base image on this machine; prints the name for --base")
    base.add_argument("--debian", metavar="SUITE", help=f"Debian with git and compilers, such as {SUITE}")
    base.add_argument("--package", action="append", default=[], metavar="NAME", help="a further Debian package")
    base.add_argument(
        "--python", action="append", default=[], metavar="VERSION", help="of this machine; the first is python3"
    )
    base.add_argument("--shell", action="store_true", help="with /bin/sh and the usual small programs")
    bench = deeds.add_parser("bench", help="jobs per second of the pool beside a container started for each job")
    bench.add_argument("--seconds", type=float, default=8.0, metavar="N", help="how long to measure (default: 8)")
    for one in (reap, base):
        one.add_argument("--sandbox", choices=tuple(ENGINES), default=DOCKER.name, help="default: %(default)s")
    collect.add_argument(
        "--sandbox",
        choices=(*ENGINES, _NO_ENGINE),
        default=DOCKER.name,
        help=f"{_NO_ENGINE}: the root file systems alone, which needs no engine (default: %(default)s)",
    )
    for one in (reap, collect):
        one.add_argument("--dry-run", action="store_true", help="say what would go and remove nothing")


def run(arguments: argparse.Namespace) -> int:
    """Do the deed; exit code 1 if something that should go could not."""
    if arguments.deed == "push":
        sys.stdout.write(f"{push(arguments.image, arguments.repository)}\n")
        return 0
    if arguments.deed == "pull":
        image = pull(arguments.reference)
        sys.stdout.write(f"{image.reference}, Python {image.python}\n")
        return 0
    if arguments.deed == "check":
        return _check(arguments)
    if arguments.deed == "base":
        image = _base(arguments)
        sys.stdout.write(f"{image.reference}, Python {image.python}\n")
        return 0
    if arguments.deed == "bench":
        sys.stdout.writelines(_table(compare(arguments.seconds)))
        return 0
    return _clean(arguments)


def _check(arguments: argparse.Namespace) -> int:
    """Print a line per check as it ends; exit code 1 if one failed, or passed although it is said not to."""
    backend = get_backend(arguments.sandbox)
    checks = by_name(arguments.names)
    image = backend.resolve_image(base=arguments.base, shell=True)  # noqa: S604 (an image with one)
    bench = Bench(backend, image, tuple(arguments.accepts), arguments.sandbox_runtime)
    verdicts = Counter[str]()
    for result in run_checks(bench, checks):
        verdicts[result.verdict] += 1
        detail = f"  {result.detail}" if result.detail else ""
        name = result.check.name.replace("_", " ")
        sys.stdout.write(f"{result.verdict:8} {result.check.part:9} {name}{detail}\n")
        sys.stdout.flush()
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    sys.stdout.write(f"{backend.name}: {counts}\n")
    return 1 if verdicts["failed"] or verdicts["surprise"] else 0


def _base(arguments: argparse.Namespace) -> ImageRef:
    """Make the base image that was asked for. Raises ``UsageError`` for what does not go together."""
    engine = ENGINES[arguments.sandbox]
    if arguments.debian is None:
        if arguments.package:
            raise UsageError("--package goes with --debian SUITE; an image made from this machine's Python has no apt")
        first, *others = arguments.python or [None]
        return resolve_docker_image(python=first, base=None, shell=arguments.shell, others=others, engine=engine)
    if arguments.python or arguments.shell:
        raise UsageError("--debian brings the suite's own Python and shell; drop --python and --shell")
    return resolve_debian_base(suite=arguments.debian, packages=arguments.package, engine=engine)


def _table(measured: Comparison) -> list[str]:
    pool, single = measured.pool_jobs_per_second, measured.container_jobs_per_second
    return [
        f"pool, one sandbox      {pool:9.1f} jobs/s\n",
        f"docker run per job     {single:9.1f} jobs/s\n",
        f"pool beside docker run {pool / single:9.1f} x\n",
        f"first sandbox up after {measured.start_seconds:9.2f} s\n",
        f"medians of {measured.rounds} rounds in turn, one job at a time\n",
    ]


def _clean(arguments: argparse.Namespace) -> int:
    engine = ENGINES.get(arguments.sandbox)
    if engine is None:
        found = find_old_root_file_systems(arguments.older_than, arguments.keep_bytes)
    elif arguments.deed == "reap":
        found = find_dead(engine)
    else:
        found = find_garbage(arguments.older_than, arguments.keep_bytes, engine)
    if arguments.dry_run:
        _show("would remove", found)
        return 0
    swept = sweep(found, engine) if engine else sweep_root_file_systems(found)
    _show("removed", swept.removed)
    for one, problem in swept.kept:
        sys.stderr.write(f"tracegen sandbox: kept {_line(one)}: {problem}\n")
    return 1 if swept.kept else 0


def _show(word: str, litter: list[Litter] | tuple[Litter, ...]) -> None:
    sys.stdout.writelines(f"{word} {_line(one)}\n" for one in litter)
    total = sum(one.size_bytes for one in litter) / 1e6
    counts = {kind: sum(one.kind == kind for one in litter) for kind in ("container", "volume", "image", "rootfs")}
    names = {"container": "containers", "volume": "volumes", "image": "images", "rootfs": "root file systems"}
    parts = ", ".join(f"{counts[kind]} {name}" for kind, name in names.items())
    sys.stdout.write(f"{word} {parts}; {total:,.0f} MB\n")


def _line(one: Litter) -> str:
    name = ", ".join(one.names) or (
        one.identity if one.kind in ("rootfs", "volume") else one.identity.split(":")[-1][:12]
    )
    return f"{one.kind} {name} ({one.size_bytes / 1e6:,.1f} MB, {one.reason})"


def _age(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; allowed: a number and s, m, h or d, such as 7d")
    return float(match[1]) * _SECONDS[match[2]]


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?B)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; allowed: a number and B, KB, MB, GB or TB")
    return int(float(match[1]) * _BYTES[match[2]])
