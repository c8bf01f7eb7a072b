"""The fork server under every Python at hand, and the packing that carries it there."""

import ast
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreters import at_hand
from sandbox_jobs import run, says

from sandboxes import open_pool
from sandboxes.api import PoolSpec
from sandboxes.bundle import bundle
from sandboxes.guest import frames
from sandboxes.interpreters import Interpreter, find
from sandboxes.process_pool import image_of

GUEST = Path(frames.__file__).parent


@pytest.mark.parametrize("python", at_hand(), ids=lambda python: python.version)
def test_jobs_run_under_every_python(spec: PoolSpec, python: Interpreter) -> None:
    with open_pool("process", spec, image_of(python)) as pool:
        assert says(pool, "'%d.%d.%d' % sys.version_info[:3]", "import sys") == python.version
        assert run(pool, "channel.set_deadline(0.1)\nwhile True: pass").status == "timeout"
        assert run(pool, "while True: channel.write(b'x' * 9999)").status == "output_limit"
        left = run(pool, "import os, time\nos.makedirs('a/b')\nif not os.fork():\n    os.setsid()\n    time.sleep(50)")
        assert left.exit_code == 0
        assert says(pool, "[e for e in sys.path if e in ('', os.getcwd())]", "import os, sys") == "[]"
        assert pool.statistics.sandboxes_started == 1


BURIED_LATE = """
import os, time
from sandboxes.guest.process import sweep
from pathlib import Path
dead, told = os.pipe()
keeper = os.fork()
if not keeper:
    child = os.fork()
    if not child:
        os.setresuid(54321, 54321, 54321)
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    os.write(told, b"%d" % child)
    time.sleep(0.3)
    os.waitpid(child, 0)
    time.sleep(60)
child = int(os.read(dead, 20))
print(Path("/proc/%d/stat" % child).read_text().split()[2], sweep(54321), Path("/proc/%d" % child).exists())
os.kill(keeper, 9)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_sweep_ends_when_the_dead_are_buried() -> None:
    """As long as the init process has not done so, they count, and the next job's forks may be refused."""
    done = subprocess.run([sys.executable, "-c", BURIED_LATE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "Z 0 False\n"


def test_the_guest_imports_the_standard_library_only() -> None:
    for path in GUEST.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names, (path, names)


def test_a_bundle_depends_on_the_sources_alone(tmp_path: Path) -> None:
    for copy in ("one", "two"):
        package = tmp_path / copy
        (package / "inner").mkdir(parents=True)
        for name in (
            ("z.py", "__init__.py", "inner/__init__.py", "notes.txt")
            if copy == "one"
            else ("inner/__init__.py", "__init__.py", "z.py")
        ):
            (package / name).write_text(name)
    made = bundle(tmp_path / "one", "_private")
    assert made == bundle(tmp_path / "two", "_private")
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.namelist() == ["_private/__init__.py", "_private/inner/__init__.py", "_private/z.py"]


@settings(max_examples=50)
@given(st.integers(0, 255), st.lists(st.binary(max_size=200), max_size=4), st.integers(1, 7))
def test_frames_survive_any_chunking(kind: int, parts: list[bytes], piece: int) -> None:
    stream = io.BytesIO(frames.pack(kind, *parts))
    body = b"".join(parts)
    assert frames.read_frame(lambda count: stream.read(min(count, piece)), len(body)) == (kind, body)
    stream.seek(0)
    if body:
        with pytest.raises(ValueError, match="at most"):
            frames.read_frame(stream.read, len(body) - 1)


def test_a_version_a_full_version_and_a_path_name_the_same_python() -> None:
    own = find(None)
    assert find(own.minor) == find(own.version) == own
    assert find(own.executable).version == own.version
    assert image_of(own).digest == image_of(find(own.executable)).digest
