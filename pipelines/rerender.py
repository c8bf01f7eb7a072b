"""Further texts from stored records, shard by shard, without running anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.manifests import FUNCTIONS_STAGE, manifests, write_manifest
from pipelines.run_lock import run_lock, sweep
from pipelines.shards import ShardContents, ShardWriter, read_file
from pipelines.stages import documents_of
from schemas import arrow
from schemas.errors import UsageError
from schemas.manifest import ShardFile, ShardManifest
from tracegen.render import get_renderer
from tracegen.render.base import Renderer


@dataclass(slots=True, frozen=True)
class Rerendered:
    """One shard in one rendering."""

    renderer: str
    shard: str
    documents: int
    current: bool
    """It was there already, from this version of the renderer."""


def render_run(run_dir: Path, renderers: Sequence[str]) -> Iterator[Rerendered]:
    """Render every finished record of a run; what is there in the renderer's version of today is left alone.

    Raises ``UsageError`` for an unknown renderer or a directory without shards, ``ShardCorrupt``, ``StorageFailed``.
    """
    chosen = [get_renderer(name) for name in renderers]
    shards = list(manifests(run_dir, FUNCTIONS_STAGE))
    if not shards:
        raise UsageError(f"{run_dir} holds no finished shard; give the -o of a run of tracegen functions")
    with run_lock(run_dir):
        sweep(run_dir)
        for renderer in chosen:
            for shard in shards:
                yield _render(run_dir, shard, renderer)


def _render(run_dir: Path, shard: ShardManifest, renderer: Renderer) -> Rerendered:
    path = f"documents/{renderer.name}/{shard.shard}.parquet"
    old = [(owner, file) for owner in manifests(run_dir) for file in owner.files if file.path == path]
    if old and all(_is_current(run_dir, file, renderer) for _, file in old):
        return Rerendered(renderer.name, shard.shard, sum(file.rows for _, file in old), current=True)
    contents = ShardContents(done=list(shard.done))
    for document_part in _documents(run_dir, shard, renderer):
        contents.add(document_part)
    for owner, _ in old:
        # Taken out before it is replaced: a file that a manifest names is always the one that it describes.
        kept = tuple(file for file in owner.files if file.path != path)
        write_manifest(run_dir, owner.model_copy(update={"files": kept}))
    manifest = ShardWriter(run_dir, f"render-{renderer.name}").write(contents)
    return Rerendered(renderer.name, shard.shard, sum(file.rows for file in manifest.files), current=False)


def _is_current(run_dir: Path, file: ShardFile, renderer: Renderer) -> bool:
    groups = read_file(run_dir, file, arrow.DOCUMENTS)
    return all(set(group.column("renderer_version").to_pylist()) <= {renderer.version} for group in groups)


def _documents(run_dir: Path, shard: ShardManifest, renderer: Renderer) -> Iterator[ShardContents]:
    for file in shard.files:
        if file.table == "traces":
            for group in read_file(run_dir, file, arrow.TRACES):
                for record in arrow.records_from_table(group):
                    documents = documents_of([record], [renderer])
                    if documents:
                        yield ShardContents(documents={renderer.name: [arrow.documents_to_table(documents)]})
