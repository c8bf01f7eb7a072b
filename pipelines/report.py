"""The closing report: what was planned, what became of it, and whether the two agree."""

from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from pipelines.atomic import write_text
from pipelines.funnel import Funnel, PlanCounts, funnel_lines
from pipelines.manifests import FUNCTIONS_STAGE, manifests
from pipelines.tally import Tally, tally_of
from schemas.base import Model
from schemas.errors import ShardCorrupt, TracegenError

REPORT_NAME: Final = "report.json"


class RunReport(Model):
    """Totals of a run's directory, read back from its manifests, and the pace of the latest run into it."""

    report_version: Literal[1] = 1
    complete: bool
    """False after an interruption: then ``planned`` is what had been planned by then."""
    planned: int
    rows: int
    """Records."""
    failures: int
    """Failure rows."""
    unplanned: int
    """Finished rows that the latest plan did not ask for: a smaller ``--limit``, or sources that changed."""
    failure_reasons: dict[str, int]
    outcomes: dict[str, int]
    determinism: dict[str, int]
    matched: int
    """Records all of whose expected results came."""
    mismatched: int
    documents: dict[str, int]
    """By renderer."""
    events: int
    shards: int
    done_now: int
    """Inputs that the latest run brought to an end."""
    seconds: float
    """Of the latest run, planning and start included."""
    rows_per_second: float
    plan: PlanCounts | None = None
    """What the latest plan has seen."""
    funnel: Funnel | None = None

    @property
    def failure_share(self) -> float:
        """Return the share of inputs that ended as failure rows."""
        return self.failures / max(1, self.rows + self.failures)

    def check(self) -> None:
        """Raise ``TracegenError`` unless every planned input ended as exactly one record or failure row."""
        ended = self.rows + self.failures - self.unplanned
        if self.complete and ended != self.planned:
            raise TracegenError(
                f"{self.planned} inputs were planned, but {ended} ended as a record or a failure row "
                f"({self.rows} + {self.failures} - {self.unplanned} of other plans); this is a fault of tracegen: "
                "keep the directory and report it"
            )


def make_report(
    run_dir: Path, *, complete: bool, planned: int, finished: int, before: int, seconds: float
) -> RunReport:
    """Return the report; ``before`` rows were finished when the run began, ``finished`` of them were planned again."""
    tally, shards = Tally(), 0
    for manifest in manifests(run_dir):
        tally.add(tally_of(manifest))
        shards += manifest.stage == FUNCTIONS_STAGE
    done_now = tally.inputs - before
    return RunReport(
        complete=complete,
        planned=planned,
        rows=tally.rows,
        failures=tally.failures.total(),
        unplanned=before - finished if complete else 0,
        failure_reasons=dict(tally.failures.most_common()),
        outcomes=dict(tally.outcomes.most_common()),
        determinism=dict(tally.determinism.most_common()),
        matched=tally.matched,
        mismatched=tally.mismatched,
        documents=dict(sorted(tally.documents.items())),
        events=tally.events,
        shards=shards,
        done_now=done_now,
        seconds=round(seconds, 2),
        rows_per_second=round(done_now / seconds, 2) if seconds > 0 else 0.0,
    )


def read_report(run_dir: Path) -> RunReport | None:
    """Return the report of the latest run into a directory; ``None`` if there is none yet. Raises ``ShardCorrupt``."""
    path = run_dir / REPORT_NAME
    try:
        return RunReport.model_validate_json(path.read_bytes()) if path.exists() else None
    except (OSError, ValidationError) as error:
        raise ShardCorrupt(f"{path} cannot be read; delete it and run again: it is made anew") from error


def save_report(run_dir: Path, report: RunReport) -> None:
    """Write the report beside the shards. Raises ``StorageFailed``."""
    write_text(run_dir / REPORT_NAME, report.model_dump_json(indent=2) + "\n")


def _shares(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name} {count:,} ({100 * count / total:.1f} %)" for name, count in counts.items()) or "none"


def report_lines(report: RunReport) -> list[tuple[str, str]]:
    """Return the report as label and text, for people."""
    expected = report.matched + report.mismatched
    lines = [
        ("inputs planned", f"{report.planned:,}" + ("" if report.complete else " so far (interrupted)")),
        ("records", f"{report.rows:,}"),
        ("failure rows", f"{report.failures:,} ({100 * report.failure_share:.1f} %)"),
        ("  by reason", _shares(report.failure_reasons)),
        ("outcomes", _shares(report.outcomes)),
        ("determinism", _shares(report.determinism)),
        ("expected results", f"{report.matched:,} of {expected:,} came" if expected else "none stated"),
        ("documents", ", ".join(f"{name} {count:,}" for name, count in report.documents.items()) or "none"),
        ("events", f"{report.events:,}"),
        ("shards", f"{report.shards:,}"),
        ("this run", f"{report.done_now:,} inputs in {report.seconds:,.1f} s, {report.rows_per_second:,.2f} per s"),
    ]
    if report.unplanned:
        lines.insert(3, ("of other plans", f"{report.unplanned:,} rows (a smaller --limit, or changed sources)"))
    if report.funnel is not None:
        lines += [("yield", "of all functions and inputs, what was left after each stage")]
        lines += funnel_lines(report.funnel, examples=False)
    return lines if report.failures else [line for line in lines if line[0] != "  by reason"]
