"""Peak memory of driver and workers over the size of a run, and the start of a run that is all but finished.

Runs the real command on 1,000 and on 50,000 inputs (trusted code, no check: the sandboxes' pace is not the question),
locally and on Ray with two workers, and reads each process's own peak (``VmHWM``). Four of five inputs share their code
with 39 others, so items of many inputs and items of one are both there. The resume is measured on manifests of a
million ids in shards of 2,000, the default: a process that reads them as a run does.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Measurement, arguments, report

from pipelines.manifests import FUNCTIONS_STAGE, write_manifest
from schemas.manifest import ShardManifest

ROOT = Path(__file__).parents[1]
WORKERS = 2
EQUAL = 40
"""Inputs of one function that has several."""
GROWTH = 1.2
"""Most that a peak may grow by."""
RESUME_SECONDS = 5.0
POLL_SECONDS = 0.2
READ = """
import resource, sys, time
from pathlib import Path
from pipelines.manifests import finished_ids
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, start = peak(), time.perf_counter()
finished = finished_ids(Path(sys.argv[1]))
print(len(finished), time.perf_counter() - start, (peak() - before) / 1024)
"""


def corpus(path: Path, rows: int) -> None:
    """Write tiny functions: in every 50 rows 40 of the same code and 10 of their own."""
    with path.open("w") as file:
        for n in range(rows):
            group, place = divmod(n, EQUAL + EQUAL // 4)
            number = f"{group}" if place < EQUAL else f"{group} + {place}"
            code = f"def f(x):\n    y = x + {number}\n    return [y] * 3"
            file.write(json.dumps({"code": code, "input": str(n), "id": f"s{n}"}) + "\n")


def peak_mib(pid: int) -> float:
    """Return the peak of a process's resident memory, 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def actors(home: str) -> list[int]:
    """Return the actor processes of the run that was started with this temporary directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"TMPDIR={home}".encode() in (process / "environ").read_bytes().split(b"\0")
            if ours and (process / "cmdline").read_bytes().startswith(b"ray::WorkerHost"):
                found.append(int(process.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def peaks(folder: Path, rows: int, executor: str) -> dict[str, float]:
    """Run the command; return the peaks of the driver and of the largest worker in MiB, and the seconds."""
    source = folder / f"{rows}.jsonl"
    corpus(source, rows)
    out = str(folder / f"{rows}-{executor}")
    command = [sys.executable, "-m", "pipelines", "functions", str(source), "-o", out, "--quiet"]
    options = ["--sandbox", "process", "--check", "none", "--executor", executor]
    if executor == "ray":
        options += ["--workers", str(WORKERS)]
    home = str(folder)
    start = time.perf_counter()
    process = subprocess.Popen([*command, *options], cwd=ROOT, env={**os.environ, "TMPDIR": home})
    found = {"driver": 0.0, "worker": 0.0}
    while process.poll() is None:
        found["driver"] = max(found["driver"], peak_mib(process.pid))
        found["worker"] = max([found["worker"], *map(peak_mib, actors(home))])
        time.sleep(POLL_SECONDS)
    if process.returncode:
        raise RuntimeError(f"the command ended with {process.returncode}")
    return {**found, "seconds": time.perf_counter() - start}


def growth(folder: Path, executor: str, small: int, large: int) -> list[Measurement]:
    """Return peaks and their growth between two sizes."""
    first, last = (peaks(folder, rows, executor) for rows in (small, large))
    found = [Measurement(f"{executor}: rate at {large} inputs", large / last["seconds"], "rows/s")]
    for role in ("driver", "worker") if executor == "ray" else ("driver",):
        name = f"{executor}: peak of the {role}"
        found += [
            Measurement(f"{name} at {rows} inputs", each[role], "MiB") for rows, each in ((small, first), (large, last))
        ]
        found.append(Measurement(f"{name}, growth", last[role] / first[role], "x", bar=GROWTH, most=True))
    return found


def resume(folder: Path, ids: int, per_shard: int) -> list[Measurement]:
    """Return how long the manifests of that many ids take to read, and the memory."""
    for _ in range(ids // per_shard):
        manifest = ShardManifest(
            stage=FUNCTIONS_STAGE,
            shard=secrets.token_hex(16),
            files=(),
            done=tuple(secrets.token_hex(16) for _ in range(per_shard)),
            outcomes={},
            determinism={},
            failures={},
            matched=0,
            mismatched=0,
            events=0,
            recorded_at="2026-01-01T00:00:00+00:00",
        )
        write_manifest(folder, manifest)
    done = subprocess.run([sys.executable, "-c", READ, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    count, taken, mib = (float(word) for word in done.stdout.split())
    if count != ids:
        raise RuntimeError(f"{count} ids were read of {ids}")
    name = f"resume of {ids} finished ids, {per_shard} per shard"
    return [
        Measurement(name, taken, "s", bar=RESUME_SECONDS, most=True),
        Measurement(f"{name}: memory", mib, "MiB"),
    ]


def measure(quick: bool) -> list[Measurement]:
    """Run it all."""
    small, large, ids = (100, 200, 10_000) if quick else (1_000, 50_000, 1_000_000)
    found: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        for executor in ("local", "ray"):
            found += growth(Path(folder), executor, small, large)
        found += resume(Path(folder) / "resume", ids, 2_000)
    return found


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
