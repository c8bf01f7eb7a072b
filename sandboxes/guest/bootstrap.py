"""Runs as ``python -S -s -B -c TEXT``; the host sends this text, so it imports nothing of ours at the top.

Takes the channel off descriptors 0 and 1 before anything else could write there, reads the bundle of the guest
from the first frame and hands over to its module that the argument names, else to the fork server. ``-I`` is not used
because it ignores ``PYTHONHASHSEED``.
"""

import sys

sys.path[:] = [entry for entry in sys.path if entry]  # "" is the working directory; -P came with 3.11 only

import importlib  # noqa: E402
import io  # noqa: E402
import os  # noqa: E402
import zipfile  # noqa: E402


def read_exactly(fd: int, count: int) -> bytes:
    """Read ``count`` bytes of the host's first frame."""
    chunks = []
    while count:
        chunk = os.read(fd, count)
        if not chunk:
            sys.exit("the host went away before it sent the fork server")
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def main() -> None:
    """Move the channel away, import the fork server and serve."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    head = read_exactly(source, 5)
    archive = read_exactly(source, int.from_bytes(head[:4], "big"))
    with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
        name = bundle.namelist()[0].split("/")[0]
        namespace = {"__name__": name + ".loader"}
        exec(bundle.read(name + "/loader.py"), namespace)
    importer = namespace["ZipBytesImporter"]
    with importer(archive):  # type: ignore[operator]
        server = importlib.import_module(name + "." + (sys.argv[1:] or ["server"])[0])
    server.serve(source, sink)


main()
