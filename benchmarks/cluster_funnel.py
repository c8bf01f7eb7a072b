"""The yield funnel over code that nobody chose: the standard library and much-downloaded packages.

    python benchmarks/cluster_funnel.py [--quick] [--json FILE] [--folder DIR] [--workers N]

Every docstring with an example of the standard library's modules, and of the packages in ``data/funnel_packages.txt``
and ``data/funnel_rich_packages.txt``, goes through the whole pipeline in containers: the rich ones each in an image of
its own, the others in groups of one image; a group that cannot be installed together is taken apart. A second start
with the same folder continues. ``--quick`` takes three modules, one package.
"""

import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from report import Measurement, parser, report

GROUP = 8
SETTINGS = ("--check", "rerun", "--renderer", "compact", "--wall-seconds", "5", "--max-events", "10000")
DATA = Path(__file__).parent / "data"
LIST, RICH = DATA / "funnel_packages.txt", DATA / "funnel_rich_packages.txt"
QUICK = (["module:statistics", "module:textwrap", "module:fractions"], ["package:inflection==0.5.1"])
UNINSTALLABLE = "cannot be installed"


@dataclass
class Total:
    """What all runs came to."""

    stages: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    refused: list[str] = field(default_factory=list)
    """Sources that no run could be made of."""

    def add(self, found: dict[str, Any]) -> None:
        """Add one run's report."""
        self.seconds += found["seconds"]
        for stage in found["funnel"]["stages"]:
            self.stages[stage["name"]] += stage["count"]
            for reason, count in stage["dropped"].items():
                self.dropped[f"{stage['name']}: {reason}"] += count
            for reason, ids in stage["examples"].items():
                self.examples.setdefault(reason, []).extend(ids)


def groups(quick: bool) -> list[list[str]]:
    """Return the sources, some to a run."""
    if quick:
        return [list(one) for one in QUICK]
    library = Path(sysconfig.get_path("stdlib"))
    names = {path.stem for path in library.glob("*.py")} | {path.parent.name for path in library.glob("*/__init__.py")}
    left_out = {"test", "idlelib", "lib2to3", "turtledemo", "tkinter", "ensurepip", "antigravity", "this"}
    modules = [f"module:{name}" for name in sorted(names - left_out) if name in sys.stdlib_module_names]
    packages = _packages(LIST)
    several = [packages[start : start + GROUP] for start in range(0, len(packages), GROUP)]
    return [modules, *([one] for one in _packages(RICH)), *several]


def _packages(names: Path) -> list[str]:
    return [f"package:{line}" for line in names.read_text().splitlines() if not line.startswith("#")]


def run(sources: list[str], folder: Path, total: Total) -> None:
    """Run a group, or continue it; take it apart if its packages do not go together."""
    name = "-".join([sources[0].partition(":")[2].partition("==")[0], str(len(sources))])
    out = folder / name
    command = [
        sys.executable,
        "-m",
        "pipelines",
        "functions",
        *sources,
        "-o",
        str(out),
        *SETTINGS,
        "--max-failures",
        "1",
    ]
    # The standard library imports half of itself; packages are installed anew for each group.
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        total.add(json.loads(done.stdout))
    elif UNINSTALLABLE in done.stderr and len(sources) > 1:
        half = len(sources) // 2
        run(sources[:half], folder, total)
        run(sources[half:], folder, total)
    else:
        said = done.stderr.strip().splitlines()
        total.refused += sources
        print(f"{' '.join(sources)}: {said[-1][:300] if said else done.returncode}", file=sys.stderr)


def main() -> int:
    """Run all groups and print the funnel."""
    options = parser(__doc__.partition("\n")[0])
    options.add_argument("--folder", type=Path, help="where runs are kept, and continued")
    options.add_argument("--workers", type=int, default=1, help="runs side by side")
    given = options.parse_args()
    total, began = Total(), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(given.workers) as threads:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        list(threads.map(lambda group: run(group, folder, total), groups(given.quick)))
    print(f"stages: {dict(total.stages)}")
    for reason, count in total.dropped.most_common():
        ids = total.examples.get(reason.partition(": ")[2], [])
        print(f"{count:8,} {reason}: {', '.join(ids[:4])}")
    print(f"refused: {', '.join(total.refused) or 'none'}; {time.monotonic() - began:.0f} s")
    called, kept = total.stages["callable"], total.stages["kept"]
    rows = [
        Measurement("functions seen", total.stages["seen"], ""),
        Measurement("examples run", called, "", bar=None if given.quick else 10_000),
        Measurement("kept of those with examples", kept / max(1, called), ""),
        Measurement("examples per second of a run", called / max(0.001, total.seconds), "/s"),
    ]
    return report(rows, given.json)


if __name__ == "__main__":
    sys.exit(main())
