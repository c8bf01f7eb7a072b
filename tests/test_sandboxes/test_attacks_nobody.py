"""The attacks in bubblewrap's weakest form: started by a user without rights, one uid for all, limits per process."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from attacks_on_jobs import DESCRIPTORS, LEFTOVERS, RESOURCES
from attacks_on_kernel import KERNEL, NETWORK, PRIVILEGE, SERVER
from nobody import run_as_nobody

from sandboxes.api import ImageRef

ATTACKS = [*RESOURCES, *DESCRIPTORS, *LEFTOVERS, *NETWORK, *SERVER, *PRIVILEGE, *KERNEL]
SCRIPT = """
import dataclasses, json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from attacks import PRELUDE, TOLD, look_around
from sandbox_jobs import run, text_spec
from sandboxes import open_pool, resolve_image
folder = Path(os.environ["XDG_CACHE_HOME"])
spec = dataclasses.replace(
    text_spec(folder), accepts=("one-uid", "rlimits"), memory_bytes=192 * 2**20, scratch_bytes=2**24, warm_spare=True
)
with open_pool("bubblewrap", spec, resolve_image("bubblewrap")) as pool:
    print(json.dumps(look_around(pool)))
    for name, program, wall_seconds in json.loads(Path(sys.argv[2]).read_text()):
        outcome = run(pool, PRELUDE + program + TOLD, wall_seconds)
        told = outcome.result.decode() if len(outcome.result) < 200 else ""
        print(json.dumps([name, outcome.status, told, look_around(pool)]), flush=True)
"""
OTHERWISE = {
    # Limits hold for each process, as MemoryError; together they may take more: `rlimits` was accepted.
    "heap": ("guest_fault", ""),
    "anonymous maps": ("guest_fault", ""),
    "memory files": ("guest_fault", ""),
    "many processes' memory": ("timeout", ""),
    # Server and job are one user, and the sandbox ends with its job: `one-uid` was accepted.
    "files everywhere": ("finished", r"(E\w+ ){5}ok (E\w+ ){6}ok"),
    "other jobs' directories": ("finished", "ok ok ok"),
    "kill the server": ("finished", "ok( ok){5}"),  # the first process of its namespace gets none of them
    "kill the server by its pidfd": ("finished", "ok"),
    "scheduling of the server": ("finished", "ok ok EACCES"),
    # There is no other user to become, and nothing but its own to be changed.
    "become root": ("finished", "EINVAL EINVAL EINVAL EPERM EINVAL"),
    "priority": ("finished", "EPERM EPERM (ok|EACCES)"),
    "/proc/sys and sysrq": ("finished", r"(EACCES ){3}(ok|EACCES) EACCES (ENOENT|EACCES|EROFS) (ok|EPERM|EACCES)"),
}
"""What must have been told where it is not what a whole sandbox tells."""


def comparable(looked: str) -> str:
    """Drop the first process, which belongs to the job's own user here."""
    return re.sub(r"\[\['1 \(python3\)[^\]]*\]\]", "[]", looked)


@pytest.mark.docker
@pytest.mark.slow  # a sandbox for each job: 50 s
def test_attacks_as_nobody_end_with_their_job(bubblewrap_image: ImageRef) -> None:
    folder = Path(tempfile.mkdtemp(prefix="tracegen-test-"))
    folder.chmod(0o755)
    programs = folder / "attacks.json"
    programs.write_text(json.dumps([[one.name, one.program, one.wall_seconds] for one in ATTACKS]))
    support = str(Path(__file__).parents[1] / "support")
    said = run_as_nobody(SCRIPT, support, str(programs), home=folder, seconds=600).splitlines()
    untouched = comparable(json.loads(said[0]))
    ended = [json.loads(line) for line in said[1:]]
    assert [one[0] for one in ended] == [attack.name for attack in ATTACKS]
    for attack, (name, status, told, looked) in zip(ATTACKS, ended, strict=True):
        wanted, pattern = OTHERWISE.get(name, (attack.status, attack.told))
        assert status == wanted, (name, status)
        assert not pattern or re.fullmatch(pattern, told), (name, told)
        assert comparable(looked) == untouched, name
