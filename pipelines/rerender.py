"""Further texts from stored records, shard by shard, without running anything."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.manifests import FUNCTIONS_STAGE, manifests, write_manifest
from pipelines.run_lock import run_lock, sweep
from pipelines.shards import ShardContents, ShardWriter, read_file
from schemas import arrow
from schemas.base import digest
from schemas.errors import UsageError
from schemas.manifest import ShardFile, ShardManifest
from tracegen.documents import render_documents
from tracegen.render import get_renderer
from tracegen.render.base import Renderer
from tracegen.views.base import View


@dataclass(slots=True, frozen=True)
class Rerendered:
    """One shard in one rendering."""

    renderer: str
    shard: str
    documents: int
    current: bool
    """It was there already, from this version of the renderer."""


@dataclass(slots=True, frozen=True)
class _Rendering:
    renderer: Renderer
    view: View | None
    seed: int

    @property
    def folder(self) -> str:
        """Return the folder below ``documents``: a view's texts stand apart from those of whole records."""
        if self.view is None:
            return self.renderer.name
        seed = self.seed if self.view.draws else None
        readable = re.sub(r"[^a-z0-9.]+", "-", self.view.name).strip("-")[:60]
        return f"{self.renderer.name}/{readable}-{digest([self.view.name, seed])[:8]}"

    @property
    def stage(self) -> str:
        """Return the name of its manifests' folder."""
        return f"render-{self.folder.replace('/', '-')}"


def render_run(
    run_dir: Path, renderers: Sequence[str], view: View | None = None, seed: int = 0
) -> Iterator[Rerendered]:
    """Render every finished record of a run; what is there in the renderer's version of today is left alone.

    With a ``view`` the texts are of the view and stand in a folder of their own, beside those of whole records.
    Raises ``UsageError`` for an unknown renderer or a directory without shards, ``ShardCorrupt``, ``StorageFailed``.
    """
    chosen = [_Rendering(get_renderer(name), view, seed) for name in renderers]
    shards = list(manifests(run_dir, FUNCTIONS_STAGE))
    if not shards:
        raise UsageError(f"{run_dir} holds no finished shard; give the -o of a run of tracegen functions")
    with run_lock(run_dir):
        sweep(run_dir)
        for rendering in chosen:
            for shard in shards:
                yield _render(run_dir, shard, rendering)


def _render(run_dir: Path, shard: ShardManifest, rendering: _Rendering) -> Rerendered:
    renderer = rendering.renderer
    path = f"documents/{rendering.folder}/{shard.shard}.parquet"
    old = [(owner, file) for owner in manifests(run_dir) for file in owner.files if file.path == path]
    if old and all(_is_current(run_dir, file, renderer) for _, file in old):
        return Rerendered(renderer.name, shard.shard, sum(file.rows for _, file in old), current=True)
    contents = ShardContents(done=list(shard.done))
    for document_part in _documents(run_dir, shard, rendering):
        contents.add(document_part)
    for owner, _ in old:
        # Taken out before it is replaced: a file that a manifest names is always the one that it describes.
        kept = tuple(file for file in owner.files if file.path != path)
        write_manifest(run_dir, owner.model_copy(update={"files": kept}))
    manifest = ShardWriter(run_dir, rendering.stage).write(contents)
    return Rerendered(renderer.name, shard.shard, sum(file.rows for file in manifest.files), current=False)


def _is_current(run_dir: Path, file: ShardFile, renderer: Renderer) -> bool:
    groups = read_file(run_dir, file, arrow.DOCUMENTS)
    return all(set(group.column("renderer_version").to_pylist()) <= {renderer.version} for group in groups)


def _documents(run_dir: Path, shard: ShardManifest, rendering: _Rendering) -> Iterator[ShardContents]:
    for file in shard.files:
        if file.table == "traces":
            for group in read_file(run_dir, file, arrow.TRACES):
                for record in arrow.records_from_table(group):
                    documents = render_documents(record, rendering.renderer, rendering.view, seed=rendering.seed)
                    if documents:
                        yield ShardContents(documents={rendering.folder: [arrow.documents_to_table(documents)]})
