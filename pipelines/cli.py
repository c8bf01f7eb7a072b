"""The command line: a table of verbs, each in a module that is imported only when it is used.

A verb's module has ``add_arguments(parser)`` and ``run(arguments) -> int`` (the exit code). A ``TracegenError`` ends
as one line on stderr with the error's exit code; ``--debug`` shows where it came from.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from schemas.errors import TracegenError

INTERRUPTED: Final = 130


@dataclass(slots=True, frozen=True)
class Verb:
    """One row of the table."""

    name: str
    module: str
    help: str


VERBS: Final = (
    Verb("trace", "pipelines.verbs.trace_call", "show one call of your own code, line by line, right here"),
    Verb("functions", "pipelines.verbs.functions", "trace functions in sandboxes into a Parquet data set"),
    Verb("render", "pipelines.verbs.render", "write further texts from stored records, without running anything"),
    Verb("dataset", "pipelines.verbs.dataset", "show rows and numbers of what was written"),
    Verb("sandbox", "pipelines.verbs.sandbox", "remove what sandboxes left here, move images, measure"),
    Verb("doctor", "pipelines.verbs.doctor", "say what works on this machine and what to do about the rest"),
)


class VerbModule(Protocol):
    """What a verb's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's own arguments."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work; return the exit code."""
        ...


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the table; a verb's own arguments are parsed by the verb's own parser."""
    width = max(len(verb.name) for verb in VERBS)
    listing = "\n".join(f"  {verb.name:<{width}}  {verb.help}" for verb in VERBS)
    parser = argparse.ArgumentParser(
        prog="tracegen",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Execution traces of Python functions, recorded losslessly and rendered to model text.",
        epilog=f"verbs:\n{listing}\n\n`tracegen VERB --help` says more. Exit codes: 0 done, 1 too many failures,\n"
        "2 usage, 3 this machine lacks something, 130 interrupted (run again to continue).",
    )
    parser.add_argument("verb", metavar="VERB", choices=[verb.name for verb in VERBS], help="what to do, see below")
    parser.add_argument("rest", metavar="...", nargs=argparse.REMAINDER, help="the verb's arguments")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    arguments = build_parser().parse_args(argv)
    verb = next(one for one in VERBS if one.name == arguments.verb)
    debug = "--debug" in arguments.rest
    try:
        return _run(verb, arguments.rest)
    except TracegenError as error:
        if debug:
            raise
        sys.stderr.write(f"tracegen {verb.name}: {' '.join(str(error).split())}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"tracegen {verb.name}: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what Python flushes at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(verb: Verb, rest: Sequence[str]) -> int:
    module = cast(VerbModule, importlib.import_module(verb.module))
    parser = argparse.ArgumentParser(prog=f"tracegen {verb.name}", description=verb.help.capitalize() + ".")
    module.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return module.run(parser.parse_args(rest))
