"""The manifests of a run's directory: what stands in one is finished, nothing else is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pipelines.atomic import write_text
from schemas.errors import ShardCorrupt
from schemas.manifest import ShardManifest

FUNCTIONS_STAGE: Final = "functions"


def manifest_path(run_dir: Path, stage: str, shard: str) -> Path:
    """Return where the manifest of a shard stands."""
    return run_dir / "_manifest" / stage / f"{shard}.json"


def write_manifest(run_dir: Path, manifest: ShardManifest) -> None:
    """Write or replace a manifest atomically. Raises ``StorageFailed``."""
    write_text(manifest_path(run_dir, manifest.stage, manifest.shard), manifest.model_dump_json(indent=1) + "\n")


def read_manifest(path: Path) -> ShardManifest:
    """Read one manifest. Raises ``ShardCorrupt`` with what to do."""
    try:
        manifest = ShardManifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise ShardCorrupt(
            f"manifest {path} cannot be read ({first}); delete it and run again: its rows are then made anew"
        ) from error
    if path.stem != manifest.shard or path.parent.name != manifest.stage:
        raise ShardCorrupt(
            f"manifest {path} speaks of shard {manifest.stage}/{manifest.shard}; "
            "give it its own name back, or delete it and run again"
        )
    return manifest


def manifests(run_dir: Path, stage: str | None = None) -> Iterator[ShardManifest]:
    """Yield the manifests of a run, or of one stage, ordered by name. Raises ``ShardCorrupt``."""
    for path in sorted((run_dir / "_manifest").glob(f"{stage or '*'}/*.json")):
        yield read_manifest(path)


def finished_ids(run_dir: Path, stage: str = FUNCTIONS_STAGE) -> set[str]:
    """Return the trace ids of every record and failure row that is finished. Raises ``ShardCorrupt``."""
    return {trace_id for manifest in manifests(run_dir, stage) for trace_id in manifest.done}
