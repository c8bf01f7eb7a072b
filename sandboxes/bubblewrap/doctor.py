"""What of bubblewrap works on this machine, for ``tracegen doctor``."""

from sandboxes.api import Finding
from sandboxes.bubblewrap.probe import problem_here
from sandboxes.bubblewrap.survey import WEAKNESSES, survey
from schemas.errors import BackendUnavailable

SUBJECT = "bubblewrap"


def bubblewrap_findings() -> list[Finding]:
    """Return one line, and one for each weakness that would have to be accepted."""
    try:
        found = survey()
        problem = problem_here()
    except BackendUnavailable as error:
        what, _, remedy = str(error).partition(": ")
        return [Finding(SUBJECT, "missing", what, remedy)]
    if problem:
        remedy = "allow user namespaces (sysctl user.max_user_namespaces); in a container, its seccomp profile"
        return [Finding(SUBJECT, "missing", f"it starts nothing: {problem}", remedy)]
    lacking = found.lacking()
    if not lacking:
        version = found.place.version if found.place else 0
        return [Finding(SUBJECT, "ok", f"{found.program}, a user for each job, limits by cgroup version {version}")]
    return [
        Finding(
            SUBJECT,
            "warning",
            f"{name}: {reason}; {WEAKNESSES[name]}",
            f"mend that, or accept it with --sandbox-accept {name}",
        )
        for name, reason in lacking.items()
    ]
