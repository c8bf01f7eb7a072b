"""Attacks on resources, descriptors and later jobs, each really run in the hardened sandbox."""

import pytest
from attacks import PRELUDE, Attack, look_around, strike
from attacks_on_jobs import DESCRIPTORS, LEFTOVERS, RESOURCES
from sandbox_jobs import run

from sandboxes.api import Pool
from schemas.errors import SandboxLost


@pytest.mark.docker
@pytest.mark.parametrize("attack", [*RESOURCES, *DESCRIPTORS, *LEFTOVERS], ids=lambda attack: attack.name)
def test_an_attack_ends_with_its_job(attacked: Pool, untouched: str, attack: Attack) -> None:
    strike(attacked, attack, untouched)


@pytest.mark.docker
def test_known_exception_a_program_can_forge_its_own_result_but_not_the_parents_facts(attacked: Pool) -> None:
    """Not covered, and said so: what the parent saw tells of it, and a second run differs if the lie does."""
    forged = "os.ftruncate(250, 0); os.write(250, b'%d' % os.getuid()); os._exit(7)"
    first, second = (run(attacked, f"{PRELUDE}channel.write(b'true')\n{forged}") for _ in range(2))
    assert first.result.isdigit()
    assert first.result != second.result
    assert (first.status, first.exit_code, first.signal) == ("finished", 7, None)


@pytest.mark.docker
def test_a_job_that_unmarks_its_own_start_costs_its_sandbox_and_no_other_job(attacked: Pool, untouched: str) -> None:
    with pytest.raises(SandboxLost, match="set-up failed"):
        run(attacked, "channel._page.clear()")
    assert look_around(attacked) == untouched


@pytest.mark.docker
def test_looking_around_sees_what_would_be_left(attacked: Pool, untouched: str) -> None:
    """The check after every attack is not blind: it sees a file, a child and a changed environment of its "
    "own job."""
    for left in ("open('left', 'w')", "os.fork() or time.sleep(5)", "os.environ['LEFT'] = '1'", "os.dup(0)"):
        assert look_around(attacked, left) != untouched, left
