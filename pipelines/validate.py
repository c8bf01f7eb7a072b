"""Whether a data set is what it says: files against manifests, ids, the replay of records, the parsing of documents."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.manifests import FUNCTIONS_STAGE, read_manifest
from pipelines.tally import Tally
from pipelines.validate_documents import DocumentCheck
from pipelines.validation import SCHEMAS, Findings, Validation
from schemas.arrow import failures_from_table, records_from_table
from schemas.base import digest
from schemas.errors import ShardCorrupt, UsageError
from schemas.manifest import ShardFile, ShardManifest
from schemas.trace_record import TraceRecord
from tracegen.checks import record_problems

Located = tuple[str, ShardManifest]
"""A manifest and its path, relative to the run's directory."""


def validate_run(run_dir: Path) -> Validation:
    """Check a run's directory. Memory: the records of one shard, and every id. Raises ``UsageError`` if it is none."""
    if not (run_dir / "_manifest").is_dir():
        raise UsageError(f"{run_dir} is no data set of tracegen: it has no _manifest; give the -o of a run")
    return _Validator(run_dir).run()


def validation_lines(validation: Validation) -> list[str]:
    """Return the report for people."""
    documents = ", ".join(f"{count:,} {name}" for name, count in validation.documents.items()) or "no"
    lines = [
        f"{validation.manifests:,} manifests, {validation.files:,} files",
        f"{validation.records:,} records with {validation.events:,} events, {validation.failures:,} failure rows, "
        f"{documents} documents",
    ]
    for one in validation.first_problems:
        lines.append(f"{one.file}{f' {one.id}' if one.id else ''}: {one.problem}")
    unsaid = validation.problems - len(validation.first_problems)
    if unsaid:
        lines.append(f"and {unsaid:,} more")
    found = f"{validation.problems:,} problem{'' if validation.problems == 1 else 's'}"
    return [*lines, found if validation.problems else "no problems"]


@dataclass(slots=True)
class _Shard:
    """The rows of one shard of the run itself."""

    records: dict[str, TraceRecord] = field(default_factory=dict)
    unsound: set[str] = field(default_factory=set)
    """Ids of records that are wrong themselves."""
    ids: set[str] = field(default_factory=set)
    """Of records and failure rows."""
    tally: Tally = field(default_factory=Tally)


class _Validator:
    """Goes through a directory, shard by shard."""

    def __init__(self, run_dir: Path) -> None:
        self._findings = Findings(run_dir)
        self._documents = DocumentCheck(self._findings)
        self._files: dict[str, str] = {}
        """Manifest of every file."""
        self._rows: dict[str, str] = {}
        """File of every trace id."""
        self._totals = Tally()

    def run(self) -> Validation:
        """Check everything."""
        manifests = list(self._manifests())
        further: dict[str, list[Located]] = {}
        for path, manifest in manifests:
            if manifest.stage != FUNCTIONS_STAGE:
                further.setdefault(manifest.shard, []).append((path, manifest))
        for path, manifest in manifests:
            if manifest.stage == FUNCTIONS_STAGE:
                self._shard(path, manifest, further.pop(manifest.shard, []))
        for path, manifest in (one for left in further.values() for one in left):
            self._findings.say(path, None, f"its shard {manifest.shard} has no manifest of stage {FUNCTIONS_STAGE}")
        self._strays()
        return Validation(
            manifests=len(manifests),
            files=len(self._files),
            records=self._totals.rows,
            events=self._totals.events,
            failures=self._totals.failures.total(),
            documents=dict(sorted(self._documents.counts.items())),
            problems=self._findings.count,
            first_problems=tuple(self._findings.first),
        )

    def _manifests(self) -> Iterator[Located]:
        run_dir = self._findings.run_dir
        for path in sorted((run_dir / "_manifest").glob("*/*.json")):
            relative = path.relative_to(run_dir).as_posix()
            try:
                manifest = read_manifest(path)
            except ShardCorrupt as error:
                self._findings.say(relative, None, str(error))
                continue
            for file in manifest.files:
                if file.path in self._files:
                    self._findings.say(relative, None, f"it names {file.path}, as does {self._files[file.path]}")
                self._files[file.path] = relative
            yield relative, manifest

    def _strays(self) -> None:
        run_dir = self._findings.run_dir
        for table in SCHEMAS:
            for path in sorted((run_dir / table).rglob("*.parquet")):
                relative = path.relative_to(run_dir).as_posix()
                if relative not in self._files:
                    self._findings.say(relative, None, "no readable manifest names it: its rows do not count")

    def _shard(self, path: str, manifest: ShardManifest, further: list[Located]) -> None:
        shard, before = _Shard(), self._findings.count
        for file in manifest.files:
            if file.table == "traces":
                self._traces(file, shard)
            elif file.table == "failures":
                self._failures(file, shard)
        readable = self._findings.count == before or self._all_read(manifest, shard)
        self._check_manifest(path, manifest, shard if readable else None)
        for owner, one in [(path, manifest), *further]:
            if set(one.done) != set(manifest.done):
                self._findings.say(owner, None, f"its ids are not those of {path}")
            # Of a shard that cannot be read every document would be an orphan: what is wrong was said.
            for file in one.files if readable else ():
                if file.table == "documents":
                    self._documents.check(file, shard.records, shard.unsound)
        self._totals.add(shard.tally)

    def _all_read(self, manifest: ShardManifest, shard: _Shard) -> bool:
        stated = sum(file.rows for file in manifest.files if file.table != "documents")
        return shard.tally.inputs == stated

    def _check_manifest(self, path: str, manifest: ShardManifest, shard: _Shard | None) -> None:
        say = self._findings.say
        if digest(sorted(manifest.done)) != manifest.shard:
            say(path, None, "its name is not the digest of its ids")
        for row, count in Counter(manifest.done).items():
            if count > 1:
                say(path, row, f"it stands {count} times among the finished ids")
        if shard is None:
            return
        for row in sorted(set(manifest.done) - shard.ids):
            say(path, row, "it is said to be finished, but has neither record nor failure row")
        for row in sorted(shard.ids - set(manifest.done)):
            say(path, row, "it has a row, but is not among the finished ids")
        tally = shard.tally
        stated = (manifest.outcomes, manifest.determinism, manifest.failures, manifest.events)
        counted = (dict(tally.outcomes), dict(tally.determinism), dict(tally.failures), tally.events)
        names = ("outcomes", "determinism", "failures", "events")
        for name, one, other in zip(names, stated, counted, strict=True):
            if one != other:
                say(path, None, f"it says {one} of {name}, its rows say {other}")

    def _traces(self, file: ShardFile, shard: _Shard) -> None:
        for record in self._findings.rows(file, records_from_table):
            self._row(file, record.trace_id, shard)
            shard.tally.add_record(record)
            shard.records[record.trace_id] = record
            for problem in record_problems(record):
                shard.unsound.add(record.trace_id)
                self._findings.say(file.path, record.trace_id, problem)

    def _failures(self, file: ShardFile, shard: _Shard) -> None:
        for failure in self._findings.rows(file, failures_from_table):
            self._row(file, failure.trace_id, shard)
            shard.tally.add_failure(failure)

    def _row(self, file: ShardFile, row: str, shard: _Shard) -> None:
        shard.ids.add(row)
        if row in self._rows:
            self._findings.say(file.path, row, f"its id stands in {self._rows[row]} already")
        self._rows[row] = file.path
