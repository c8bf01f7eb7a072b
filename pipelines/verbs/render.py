"""``tracegen render``: another rendering of what is stored."""

import argparse
import sys
from pathlib import Path

from pipelines.rerender import render_run
from schemas.errors import UsageError
from tracegen.render import RENDERERS
from tracegen.views.spec import CHOICES, parse_view


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("directory", metavar="DIR", type=Path, help="the -o of a run of tracegen functions")
    parser.add_argument(
        "--renderer", dest="renderers", action="append", help=f"repeatable; one of: {', '.join(sorted(RENDERERS))}"
    )
    choices = "; ".join(f"{form}: {meaning}" for form, meaning in CHOICES.items())
    parser.add_argument("--view", metavar="SPEC", help=f"shorten or divide first; join with +: {choices}")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="of views that draw (default 0)")
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(arguments: argparse.Namespace) -> int:
    """Render; print the sums by renderer."""
    if not arguments.renderers:
        raise UsageError(f"no renderer was given; add --renderer with one of: {', '.join(sorted(RENDERERS))}")
    written: dict[str, list[int]] = {name: [0, 0] for name in arguments.renderers}
    view = parse_view(arguments.view) if arguments.view else None
    for result in render_run(arguments.directory, list(written), view, arguments.seed):
        written[result.renderer][0 if result.current else 1] += result.documents
    if not arguments.quiet:
        for name, (kept, new) in written.items():
            sys.stdout.write(f"{name}: {new:,} documents written, {kept:,} were there already\n")
    return 0
