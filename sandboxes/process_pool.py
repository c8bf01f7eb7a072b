"""The ``process`` backend: the same fork server in a child process, without isolation. For trusted code only."""

import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from sandboxes.api import ImageRef, PoolSpec
from sandboxes.interpreters import Interpreter, find
from sandboxes.pool import SandboxPool
from sandboxes.process_channel import ProcessChannel
from sandboxes.sandbox import Sandbox, bootstrap_text
from schemas.base import digest
from schemas.errors import EnvironmentLacking

BACKEND = "process"


def process_image(python: str | None) -> ImageRef:
    """Return the interpreter (path or version; ``None``: the one running this) as an image."""
    return image_of(find(python))


def image_of(interpreter: Interpreter) -> ImageRef:
    """Return an interpreter as an image: its digest says what a program can see of it, not where it lies."""
    identity = [interpreter.version, interpreter.implementation, interpreter.machine]
    return ImageRef("", digest(identity), interpreter.version, interpreter.executable)


def open_process_pool(spec: PoolSpec, image: ImageRef, *, size: int) -> SandboxPool:
    """Return a pool of fork servers that are children of this process."""
    if not sys.platform.startswith("linux"):
        raise EnvironmentLacking("the process backend needs Linux; use --sandbox docker")
    return SandboxPool(BACKEND, image, spec, partial(_launch, spec, image), size=size, release=_nothing)


def _nothing() -> None:
    """Release what all sandboxes share: nothing."""


def _launch(spec: PoolSpec, image: ImageRef) -> Sandbox:
    scratch = tempfile.mkdtemp(prefix="tracegen-")
    executable = image.executable or sys.executable
    try:
        channel = ProcessChannel(
            [executable, "-S", "-s", "-B", "-c", bootstrap_text()],
            environment=_environment(spec.hash_seed),
            directory=scratch,
            # In the user's own temporary directory; nothing relies on its removal.
            forget=partial(shutil.rmtree, scratch, ignore_errors=True),
        )
    except OSError as error:
        raise EnvironmentLacking(f"{executable} cannot be run: {error}; give another --python") from error
    checkout = str(Path(__file__).parent.parent)
    return Sandbox.start(BACKEND, channel, spec, image, scratch=scratch, contained=False, hidden=checkout)


def _environment(hash_seed: int) -> dict[str, str]:
    """Return a small environment: the user's own holds keys that no traced program needs."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"LANG": "C.UTF-8", "PYTHONHASHSEED": str(hash_seed), **kept}
