"""Runs the checks against a backend: each passes, or is one that the backend says it cannot pass."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sandboxes.conformance import isolation_checks, pool_checks, session_checks, session_files_checks
from sandboxes.conformance.bench import Bench, Check, CheckFailed
from sandboxes.conformance.inabilities import inability
from schemas.errors import BackendCannot, EnvironmentLacking, SandboxError, UsageError

CHECKS: Final[tuple[Check, ...]] = (
    *pool_checks.CHECKS,
    *isolation_checks.CHECKS,
    *session_checks.CHECKS,
    *session_files_checks.CHECKS,
)
Verdict = Literal["passed", "failed", "cannot", "surprise"]


@dataclass(slots=True, frozen=True)
class CheckResult:
    """What became of one check."""

    check: Check
    verdict: Verdict
    """``cannot``: it failed, as the backend says it does. ``surprise``: it passed although the backend says it does
    not, so what it says is wrong. Conformance is the absence of ``failed`` and ``surprise``."""
    detail: str
    seconds: float

    @property
    def conforms(self) -> bool:
        """Return whether this is as it should be."""
        return self.verdict in ("passed", "cannot")


def run_checks(bench: Bench, checks: Sequence[Check] = CHECKS) -> Iterator[CheckResult]:
    """Run checks one after the other; closes the bench.

    Raises ``EnvironmentLacking`` if the backend cannot be used at all.
    """
    try:
        name = (
            bench.pool.backend
        )  # what this machine lacks shows before the first check, not as the failure of every one
        for check in checks:
            yield _one(bench, name, check)
    finally:
        bench.close()


def _one(bench: Bench, name: str, check: Check) -> CheckResult:
    if check.part == "isolation" and bench.backend.isolation == "none":
        # These attack what they run in, and here that would be this machine.
        return CheckResult(check, "cannot", f"{bench.backend.name} isolates nothing; not tried", 0.0)
    began = time.monotonic()
    problem = _problem(bench, check)
    reason = inability(name, check)
    verdict: Verdict = "passed" if problem is None else "failed"
    if reason:
        verdict = "surprise" if problem is None else "cannot"
    return CheckResult(check, verdict, reason or problem or "", time.monotonic() - began)


def _problem(bench: Bench, check: Check) -> str | None:
    """Return why a check failed; a sandbox that it spoilt is replaced."""
    try:
        check.run(bench)
    except CheckFailed as failed:
        return str(failed)
    except (BackendCannot, UsageError) as error:
        return str(error)
    except (SandboxError, EnvironmentLacking) as error:
        bench.close()
        return f"{type(error).__name__}: {error}"
    return None


def by_name(names: Sequence[str]) -> list[Check]:
    """Return the checks of some names or parts, all if there are none. Raises ``UsageError`` for an unknown one."""
    parts = sorted({check.part for check in CHECKS})
    unknown = set(names) - {check.name for check in CHECKS} - set(parts)
    if unknown:
        raise UsageError(f"no check is called {', '.join(sorted(unknown))}; give a part ({', '.join(parts)}) or a name")
    return [check for check in CHECKS if not names or check.name in names or check.part in names]
