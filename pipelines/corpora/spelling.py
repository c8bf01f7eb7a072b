"""Which sources are tables: by their spelling, and for folders by what lies in them.

======================================  ==============================================================================
spelling                                rows of
======================================  ==============================================================================
``FILE.parquet``, ``.arrow``            the file (Arrow's file and stream formats)
``'GLOB'``                              all tables (``.parquet .arrow .feather .jsonl .jsonl.gz``) that it names
``FOLDER``                              all tables below it, if it holds any and no ``.py`` file
``hf://datasets/OWNER/NAME[/PATH]``     all tables below it on the Hub; a path may be a glob
======================================  ==============================================================================
"""

import os
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipelines.corpora.stores import GLOB, HUB_PREFIX, LocalStore, Store, find_on_hub, hub_store
from pipelines.corpora.tables import ARROW, PARQUET, SUFFIXES, TableFiles
from schemas.errors import UsageError
from tracegen.sources.base import OpenRows
from tracegen.sources.columns import Columns

SOURCE_COLUMNS = ("code", "prompt", "solutions", "incorrect_solutions")
"""A row needs one of them, under its own name or selected."""


def table_opener(columns: tuple[tuple[str, str], ...]) -> OpenRows:
    """Return what opens sources that are tables, reading the columns that the selectors and the row forms need."""
    return partial(open_table, columns=columns)


def open_table(source: str, columns: tuple[tuple[str, str], ...]) -> TableFiles | None:
    """Return the table that a source stands for, or ``None`` if it is none.

    Raises ``UsageError`` for a table that does not exist or lacks the columns, and ``EnvironmentLacking``.
    """
    if source.startswith(HUB_PREFIX):
        store: Store = hub_store()
        return open_files(source, store, find_on_hub(store, source), columns)
    if not _is_local_table(source):
        return None
    return open_files(source, LocalStore(), LocalStore().find(source), columns)


def open_files(source: str, store: Store, paths: list[str], columns: tuple[tuple[str, str], ...]) -> TableFiles:
    """Return the table of those of the files that hold rows. Raises ``UsageError``."""
    chosen = tuple(path for path in paths if path.endswith(SUFFIXES))
    if not chosen:
        raise UsageError(f"{source!r} names no table; allowed: {', '.join(SUFFIXES)}, a folder of them, or a glob")
    table = TableFiles(source, store, chosen, Columns(columns).roots())
    _check_columns(table, columns)
    return table


def _check_columns(table: TableFiles, columns: tuple[tuple[str, str], ...]) -> None:
    """Refuse a table without a column to read, rather than write a failure row for each of its rows."""
    try:
        names = table.columns()
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{table.paths[0]} cannot be read: {' '.join(str(error).split())[:500]}") from error
    if names is None:
        return
    selected = dict(columns)
    lacking = [
        f"{ours}={path}"
        for ours, path in columns
        if path not in names and path.split(".")[0].split("[")[0] not in names
    ]
    if lacking or not any(name in selected or name in names for name in SOURCE_COLUMNS):
        wanted = ", ".join(lacking) or f"one of {', '.join(SOURCE_COLUMNS)}"
        raise UsageError(
            f"{table.origin} lacks {wanted}; it has the columns {', '.join(names)}. Select with --column code=NAME"
        )


def _is_local_table(source: str) -> bool:
    try:
        path = Path(source)
        if path.is_dir():
            return _is_table_folder(path)
        return source.endswith((*PARQUET, *ARROW)) or (
            bool(GLOB & set(source)) and source.endswith(SUFFIXES) and not path.exists()
        )
    except (OSError, ValueError):
        return False  # a call expression may be longer than any file name


def _is_table_folder(folder: Path) -> bool:
    found = False
    for _, _, files in os.walk(folder):
        if any(name.endswith(".py") for name in files):
            return False
        found = found or any(name.endswith(SUFFIXES) for name in files)
    return found
