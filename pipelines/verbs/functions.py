"""``tracegen functions``: sources -> Parquet shards of traces and texts."""

import argparse
import sys
from typing import Any, Final, get_args

from pipelines.cli import INTERRUPTED
from pipelines.config import RECIPE_NAME, RunConfig, build_config, load_recipe
from pipelines.functions import run_functions
from pipelines.report import RunReport, report_lines
from sandboxes.backends import BACKENDS
from schemas.errors import UsageError
from schemas.job import Granularity
from schemas.limits import Limits
from tracegen.sources.base import ROW_FORMS

_SOURCES: Final = (
    "FILE.jsonl[.gz], a Parquet or Arrow file, folder or glob, hf://datasets/OWNER/NAME (rows of code), FILE.py or a "
    "folder (their doctests), module:NAME or package:NAME==VERSION (doctests), or FILE.py 'CALL' (a call expression)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags; each overrides one field of the recipe, and none has a default of its own."""
    parser.add_argument("sources", metavar="SOURCE", nargs="*", help=_SOURCES)
    parser.add_argument("-o", dest="output", metavar="DIR", help="directory of the run; the same again continues it")
    parser.add_argument("--recipe", metavar="FILE", help="YAML recipe, or the name of a shipped one (demo)")
    parser.add_argument("--renderer", dest="renderers", action="append", help="repeatable (default: cwm and compact)")
    parser.add_argument("--executor", choices=["local", "ray"], help="default: local")
    parser.add_argument("--workers", type=int, metavar="N", help="Ray workers (default: one per CPU)")
    parser.add_argument("--sandbox", choices=list(BACKENDS), help="default: docker; process isolates nothing")
    parser.add_argument("--sandbox-runtime", metavar="NAME", help="OCI runtime of the engine, e.g. runsc or kata")
    parser.add_argument(
        "--sandbox-accept", dest="sandbox_accepts", action="append", metavar="NAME", help="a weakness that was refused"
    )
    parser.add_argument("--python", metavar="VERSION", help="of the sandbox, e.g. 3.12")
    parser.add_argument("--base", metavar="IMAGE", help="image to start from")
    parser.add_argument("--check", choices=["full", "rerun", "none"], help="of determinism (default: full)")
    parser.add_argument("--pure", action="store_true", default=None, help="refuse C twins of the traced module")
    parser.add_argument("--granularity", choices=get_args(Granularity), help="of events (default: line)")
    parser.add_argument("--expressions", action="store_true", default=None, help="record values between the lines")
    parser.add_argument("--trace-package", dest="trace_packages", action="append", metavar="NAME", help="repeatable")
    parser.add_argument(
        "--column", dest="columns", action="append", metavar="OURS=THEIRS", help="e.g. code=files[].content; repeatable"
    )
    parser.add_argument("--form", choices=ROW_FORMS, help="of all rows (default: told by their columns)")
    parser.add_argument("--licence", metavar="SPDX", help="of the sources (default: unknown)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the random module (default: 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N inputs")
    parser.add_argument(
        "--max-failures", type=float, metavar="SHARE", help="exit 1 above this share of failure rows (default: 0.1)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress and no report on the terminal")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    _add_limits(parser.add_argument_group("limits of one input ('none': no limit)"))


def _add_limits(group: Any) -> None:
    for name, field in Limits.model_fields.items():
        group.add_argument(
            f"--{name.replace('_', '-')}", dest=f"limits.{name}", metavar="N", help=f"default: {field.default}"
        )


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: value for name, value in vars(arguments).items() if value not in (None, [])}
    limits = {
        name.removeprefix("limits."): None if value == "none" else value
        for name, value in given.items()
        if name.startswith("limits.")
    }
    flags = {name: value for name, value in given.items() if name in RunConfig.model_fields}
    if "columns" in flags:
        flags["columns"] = dict(map(_selector, flags["columns"]))
    return {**flags, "limits": limits} if limits else flags


def _selector(text: str) -> tuple[str, str]:
    ours, sign, theirs = text.partition("=")
    if not sign:
        raise UsageError(f"--column {text!r} has no `=`; allowed: OURS=THEIRS, e.g. code=content")
    return ours, theirs


def run(arguments: argparse.Namespace) -> int:
    """Build the config, run it, print the report; return the exit code."""
    recipe = load_recipe(arguments.recipe) if arguments.recipe else {}
    flags = _flags(arguments)
    if not recipe and "output" not in flags:
        raise UsageError("no directory was given for the run; add -o DIR")
    if not recipe and "sources" not in flags:
        raise UsageError(f"no source was given; allowed: {_SOURCES}")
    config = build_config(recipe, flags)
    if "workers" in flags and config.executor == "local":
        raise UsageError("--workers is for --executor ray; the local executor is one worker. Drop it, or use ray")
    report = run_functions(config, quiet=arguments.quiet or arguments.json)
    _print(report, arguments)
    if not report.complete:
        finished = report.rows + report.failures
        inputs = "input is" if finished == 1 else "inputs are"
        sys.stderr.write(
            f"tracegen functions: interrupted; {finished:,} {inputs} finished and kept. "
            f"Continue with the same command, or: tracegen functions --recipe {config.output}/{RECIPE_NAME}\n"
        )
        return INTERRUPTED
    if report.failure_share > config.max_failures:
        sys.stderr.write(
            f"tracegen functions: {100 * report.failure_share:.1f} % of the inputs are failure rows, more than "
            f"--max-failures {config.max_failures:g} allows; see tracegen dataset stats {config.output}\n"
        )
        return 1
    return 0


def _print(report: RunReport, arguments: argparse.Namespace) -> None:
    if arguments.json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    elif not arguments.quiet:
        sys.stdout.writelines(f"{label:<17} {text}\n" for label, text in report_lines(report))
