"""``tracegen trace FILE 'CALL'``: the first minute. One call of your own code, in a child process, on the terminal."""

import argparse
import sys
from pathlib import Path
from typing import get_args

from sandboxes.open import open_pool, resolve_image
from schemas.errors import TracegenError, UsageError
from schemas.failure import Failure
from schemas.job import Granularity, check_details
from schemas.limits import Limits
from schemas.trace_record import TraceRecord
from tracegen.render import DETAILS_SHOWN, RENDERERS, get_renderer
from tracegen.render.terminal import print_trace
from tracegen.runner import TraceRunner, pool_spec
from tracegen.sources import PlanSettings, plan_call


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a Python file of your own")
    parser.add_argument("call", metavar="CALL", help="a call of one of its functions: 'f([1, 2], key=3)'")
    parser.add_argument("--renderer", choices=sorted(RENDERERS), help="print this text for models instead")
    parser.add_argument("--events", type=int, default=500, metavar="N", help="show the first N events (default: 500)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="stop the call after S seconds")
    parser.add_argument("--python", metavar="VERSION", help="another interpreter of this machine, e.g. 3.12")
    parser.add_argument("--granularity", choices=get_args(Granularity), default="line", help="default: line")
    parser.add_argument("--expressions", action="store_true", help="show the values of expressions, too")
    parser.add_argument("--trace-package", dest="packages", action="append", default=[], metavar="NAME")


def run(arguments: argparse.Namespace) -> int:
    """Trace and print; 1 if the call could not be traced."""
    _check_details(arguments)
    row = _trace(arguments)
    if isinstance(row, Failure):
        raise TracegenError(f"{row.inputs} could not be traced: {row.reason}: {row.detail}")
    if arguments.renderer:
        sys.stdout.write("".join(segment.text for segment in get_renderer(arguments.renderer).render(row)) + "\n")
    else:
        print_trace(row, sys.stdout, limit=arguments.events)
        sys.stderr.write("ran on this machine without isolation: trace only code that you trust this way\n")
    return 0


def _check_details(arguments: argparse.Namespace) -> None:
    try:
        check_details(arguments.granularity, arguments.expressions)
    except ValueError as error:
        raise UsageError(str(error)) from error
    wanted = {"opcode"} if arguments.granularity == "opcode" else {"expression"} if arguments.expressions else set()
    shown = DETAILS_SHOWN[arguments.renderer or "terminal"]
    if not wanted <= shown:
        able = ", ".join(name for name, kinds in DETAILS_SHOWN.items() if wanted <= kinds)
        raise UsageError(f"{arguments.renderer or 'the terminal'} shows no {min(wanted)}s; choose --renderer: {able}")


def _trace(arguments: argparse.Namespace) -> TraceRecord | Failure:
    image = resolve_image("process", python=arguments.python)
    settings = PlanSettings(
        python=".".join(image.python.split(".")[:2]),
        image=image.digest,
        limits=Limits(wall_seconds=arguments.seconds, memory_bytes=None),
        trace_packages=tuple(arguments.packages),
        granularity=arguments.granularity,
        expressions=arguments.expressions,
    )
    job = plan_call(arguments.file, arguments.call, settings)
    with open_pool("process", pool_spec(0, settings.limits), image) as pool:
        return TraceRunner(pool, None, "none").run(job)[0]
