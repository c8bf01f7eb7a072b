"""What this machine gives bubblewrap, what it lacks, and which of that a caller may accept by name."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandboxes.bubblewrap.cgroups import Place, find_place
from sandboxes.bubblewrap.users import Users, find_users
from sandboxes.weaknesses import check_accepted
from schemas.errors import BackendUnavailable, LimitUnsupported

OLDEST: Final = (0, 5)
"""Of bubblewrap: the first with ``--clearenv``."""
RLIMITS: Final = "rlimits"
ONE_UID: Final = "one-uid"
WEAKNESSES: Final = {
    RLIMITS: "memory is limited for each process, not for the sandbox; CPU is not shared out",
    ONE_UID: "a job has the same user as the server beside it; so each sandbox runs one job",
}
_ENGINE: Final = "or use --sandbox docker"


@dataclass(slots=True, frozen=True)
class Survey:
    """What was found. An empty reason means that nothing is lacking."""

    program: str
    users: Users
    one_uid_because: str
    place: Place | None
    rlimits_because: str

    def lacking(self) -> dict[str, str]:
        """Return the weaknesses of this machine by name, with their reasons."""
        found = {ONE_UID: self.one_uid_because, RLIMITS: self.rlimits_because}
        return {name: reason for name, reason in found.items() if reason}


def survey() -> Survey:
    """Look around; starts nothing but ``bwrap --version``. Raises ``BackendUnavailable``."""
    program = shutil.which("bwrap")
    if program is None:
        raise BackendUnavailable(f"bubblewrap is not installed: apt-get install bubblewrap, {_ENGINE}")
    version = _version(program)
    if version < OLDEST:
        raise BackendUnavailable(f"{program} is {version}, older than {OLDEST}: install a newer one, {_ENGINE}")
    users, one_uid = find_users()
    place, rlimits = find_place()
    return Survey(program, users, one_uid, place, rlimits)


def accepted(found: Survey, accepts: Sequence[str]) -> list[str]:
    """Return the weaknesses that a sandbox will have here. Raises ``LimitUnsupported`` for one not accepted."""
    check_accepted("bubblewrap", accepts, WEAKNESSES)
    lacking = found.lacking()
    refused = [f"{name} ({reason}): {WEAKNESSES[name]}" for name, reason in lacking.items() if name not in accepts]
    if refused:
        flags = " ".join(f"--sandbox-accept {name}" for name in lacking)
        raise LimitUnsupported(
            f"bubblewrap cannot enforce the whole profile here. Lacking is {'; '.join(refused)}. "
            f"Mend that, accept it with {flags}, {_ENGINE}"
        )
    return sorted(lacking)


def _version(program: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise BackendUnavailable(f"{program} does not run: {error}; install bubblewrap anew, {_ENGINE}") from error
    return tuple(int(part) for part in re.findall(r"\d+", said)[:3])
