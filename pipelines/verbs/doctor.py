"""``tracegen doctor``: what works on this machine, and what to do about the rest."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Final

from pipelines.checkup import host_findings
from sandboxes import findings
from sandboxes.api import Finding
from schemas.errors import EnvironmentLacking
from tracegen.render.terminal_text import printable

_MARKS: Final = {"ok": "ok", "warning": "note", "missing": "MISSING"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flag."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print every finding with its remedy; exit code 3 if something needed is missing."""
    found = [*host_findings(), *findings()]
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in found], indent=2) + "\n")
    else:
        sys.stdout.writelines(_lines(found))
    return EnvironmentLacking.exit_code if any(finding.state == "missing" for finding in found) else 0


def _lines(found: list[Finding]) -> list[str]:
    width = max(len(finding.subject) for finding in found)
    lines = []
    for finding in found:
        lines.append(f"{_MARKS[finding.state]:<8}{finding.subject:<{width}}  {printable(finding.detail)}\n")
        if finding.remedy:
            lines.append(f"{'':<8}{'':<{width}}  -> {printable(finding.remedy)}\n")
    return lines
