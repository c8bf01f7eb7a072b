"""What each backend says that it cannot do, by check or by part: conformance is to keep exactly this."""

from collections.abc import Mapping
from typing import Final

from sandboxes.conformance.bench import Check

_NO_SESSIONS: Final = "it has no sessions: they would run commands on this machine itself"
_PER_PROCESS: Final = (
    "without a cgroup memory is limited for each process: a program that takes more raises MemoryError"
)
_ONE_USER: Final = "one user is mapped only: a session needs several, and jobs share theirs with the server"
_ONE_JOB: Final = "each sandbox runs one job"
_CANNOT: Final[Mapping[str, Mapping[str, str]]] = {
    "process": {
        "session": _NO_SESSIONS,
        "shell": _NO_SESSIONS,
        "transfer": _NO_SESSIONS,
        "snapshot": _NO_SESSIONS,
    },
    "bubblewrap": {
        "snapshot": "its sessions have no writable root, whose files a snapshot would keep",
    },
    "rlimits": {
        "memory_of_the_sandbox_is_limited": _PER_PROCESS,
        "memory_of_many_processes_is_limited": _PER_PROCESS,
    },
    "one-uid": {
        "session": _ONE_USER,
        "shell": _ONE_USER,
        "transfer": _ONE_USER,
        "snapshot": _ONE_USER,
        "each_job_has_a_user_of_its_own": _ONE_USER,
        "a_used_sandbox_is_kept_and_a_fresh_one_given": _ONE_JOB,
        "a_worn_sandbox_is_replaced": _ONE_JOB,
        "nothing_but_the_own_directory_can_be_written": "the directory above is the same user's; it goes with the job",
        "the_server_cannot_be_touched": "signals to the server are allowed, and the kernel drops them",
    },
}
"""By the parts of a pool's name as records have it: ``bubblewrap+rlimits`` has what both have."""


def inability(name: str, check: Check) -> str:
    """Return why a backend, by the name that its pool has, cannot pass a check, as it says; empty if it must."""
    for part in name.split("+"):
        declared = _CANNOT.get(part, {})
        if reason := declared.get(check.name) or declared.get(check.part):
            return reason
    return ""
