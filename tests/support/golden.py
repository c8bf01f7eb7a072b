"""Golden files: exact bytes under tests/golden, rewritten on demand."""

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare ``text`` with the golden file, byte for byte; TRACEGEN_ACCEPT_GOLDEN=1 writes the file instead."""
    path = FOLDER / name
    if os.environ.get("TRACEGEN_ACCEPT_GOLDEN") == "1":
        path.write_bytes(text.encode())
    assert path.is_file(), f"no golden file {path}; run with TRACEGEN_ACCEPT_GOLDEN=1 and read what it wrote"
    assert text == path.read_bytes().decode(), f"{path} differs; TRACEGEN_ACCEPT_GOLDEN=1 accepts the new text"
