"""``tracegen dataset show|stats|validate``: rows and numbers of what was written, and whether it is sound."""

import argparse
import sys
from pathlib import Path

from pipelines.dataset_stats import dataset_statistics, statistics_lines
from pipelines.funnel import funnel_lines
from pipelines.lookup import documents_of_row, row_by_id, row_by_number
from pipelines.validate import validate_run, validation_lines
from schemas.errors import UsageError
from schemas.failure import Failure
from schemas.trace_record import TraceRecord
from tracegen.render.terminal import print_trace
from tracegen.render.terminal_text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands and their arguments."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="one row, for people")
    _directory(show)
    show.add_argument("id", metavar="ID", nargs="?", help="source_id, trace_id or its beginning (default: the first)")
    show.add_argument("--row", type=int, metavar="N", help="the N-th record instead, from 1")
    show.add_argument("--renderer", metavar="NAME", help="the stored text of this renderer instead")
    show.add_argument("--limit", type=int, metavar="N", help="only the first N events")
    show.add_argument("--json", action="store_true", help="the whole row as JSON")
    stats = commands.add_parser("stats", help="numbers of the whole data set")
    _directory(stats)
    stats.add_argument("--json", action="store_true", help="as JSON")
    validate = commands.add_parser(
        "validate", help="check files, ids, records and documents; exit code 1 if any is bad"
    )
    _directory(validate)
    validate.add_argument("--json", action="store_true", help="as JSON")


def _directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="the -o of a run")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if not (arguments.directory / "_manifest").is_dir():
        raise UsageError(f"{arguments.directory} is no data set of tracegen: it has no _manifest; give the -o of a run")
    commands = {"show": _show, "stats": _stats, "validate": _validate}
    return commands[arguments.command](arguments)


def _show(arguments: argparse.Namespace) -> int:
    row = _row(arguments)
    if arguments.json:
        sys.stdout.write(row.model_dump_json(indent=1) + "\n")
    elif isinstance(row, Failure):
        _facts(row, ("reason", row.reason), ("detail", row.detail), ("attempts", str(row.attempts)))
    elif arguments.renderer:
        _text(arguments.directory, row, arguments.renderer)
    else:
        _facts(row, ("recorded", f"Python {row.python}, sandbox {row.sandbox}, determinism {row.determinism.label}"))
        print_trace(row, sys.stdout, limit=arguments.limit)
    return 0


def _row(arguments: argparse.Namespace) -> TraceRecord | Failure:
    if arguments.id is not None and arguments.row is not None:
        raise UsageError("an ID and --row were given; give one of them")
    if arguments.id is not None:
        return row_by_id(arguments.directory, arguments.id)
    return row_by_number(arguments.directory, 1 if arguments.row is None else arguments.row)


def _facts(row: TraceRecord | Failure, *more: tuple[str, str]) -> None:
    place = row.provenance
    source = place.origin + (f", {place.path}" if place.path else "") + f", licence {place.licence}"
    facts = (("source_id", row.source_id), ("trace_id", row.trace_id), ("source", source), *more)
    sys.stdout.writelines(f"{label:<10} {printable(text)}\n" for label, text in facts)


def _text(directory: Path, record: TraceRecord, renderer: str) -> None:
    documents = documents_of_row(directory, record.trace_id, renderer)
    if not documents:
        raise UsageError(
            f"{directory} has no {renderer} text of {record.source_id}; "
            f"make it: tracegen render {directory} --renderer {renderer}"
        )
    for document in documents:
        # Recorded output may hold terminal control sequences: shown to a person they are spelled out.
        text = document.text
        shown = "\n".join(map(printable, text.split("\n"))) if sys.stdout.isatty() else text
        sys.stdout.write(shown + "\n")


def _stats(arguments: argparse.Namespace) -> int:
    numbers = dataset_statistics(arguments.directory)
    if arguments.json:
        sys.stdout.write(numbers.model_dump_json(indent=2) + "\n")
    else:
        lines = statistics_lines(numbers)
        if numbers.funnel is not None:
            lines += [("yield", "of all functions and inputs, what was left after each stage")]
            lines += funnel_lines(numbers.funnel, examples=True)
        sys.stdout.writelines(f"{label:<17} {printable(text)}\n" for label, text in lines)
    return 0


def _validate(arguments: argparse.Namespace) -> int:
    validation = validate_run(arguments.directory)
    if arguments.json:
        sys.stdout.write(validation.model_dump_json(indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{printable(line)}\n" for line in validation_lines(validation))
    return 1 if validation.problems else 0
