"""Every error that the packages raise on purpose. Catch the narrowest; the command line maps ``exit_code``.

TracegenError
├── UsageError                  wrong arguments, recipe or source; exit code 2
│   └── BackendCannot           the backend does not offer this anywhere; the message names one that does
├── EnvironmentLacking          this machine lacks something; exit code 3, the message says what to do
│   ├── BackendUnavailable      no container engine, or no right to use it
│   ├── ImageUnavailable        the base image can be neither found, pulled nor made
│   ├── LimitUnsupported        a demanded limit cannot be enforced here (never weakened silently)
│   ├── UnsafeBackendRefused    the ``process`` backend was not asked for by name
│   └── StorageFailed           the output cannot be written (disk full, read-only)
├── SandboxError                the sandbox failed, not the program in it; never becomes a record
│   ├── StartFailed             a sandbox did not come up
│   ├── SandboxLost             container, daemon or node went away under a job
│   ├── DiskExceeded            a session wrote more than it may, and was stopped
│   ├── ProtocolViolation       the sandbox sent what the protocol does not allow; it is retired
│   ├── SnapshotFailed          the files of a session could not be kept or brought back
│   └── TransferRefused         a file or tree breaks a transfer's rule (size, number, link, path)
└── FormatError                 stored or received bytes are not what their version promises
    ├── WireError               the recorder's output
    ├── ParseError              a rendered document
    └── ShardCorrupt            a shard or manifest
"""


class TracegenError(Exception):
    """Root of the tree. ``exit_code`` is what the command line ends with when nothing handles the error."""

    exit_code = 1


class UsageError(TracegenError):
    """The caller asked for something that is not allowed; the message names what is."""

    exit_code = 2


class BackendCannot(UsageError):
    """The chosen backend does not offer what was asked, on any machine."""


class EnvironmentLacking(TracegenError):
    """This machine cannot do what was asked; the message says how to change that."""

    exit_code = 3


class BackendUnavailable(EnvironmentLacking):
    """No engine of the demanded backend answers."""


class ImageUnavailable(EnvironmentLacking):
    """No base image could be resolved."""


class LimitUnsupported(EnvironmentLacking):
    """A limit of the profile is not enforced on this machine."""


class UnsafeBackendRefused(EnvironmentLacking):
    """The backend gives no isolation and was not asked for by name."""


class StorageFailed(EnvironmentLacking):
    """A disk does not take the bytes: that of the output, or of the container engine."""


class SandboxError(TracegenError):
    """The sandbox failed under a job.

    ``backend`` and ``container`` say which, ``phase`` when (``start``, ``send``, ``run``, ``receive``),
    ``retryable`` whether the same job may succeed in another sandbox.
    """

    def __init__(self, message: str, *, backend: str, container: str = "", phase: str, retryable: bool) -> None:
        super().__init__(message)
        self.backend = backend
        self.container = container
        self.phase = phase
        self.retryable = retryable

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not survive pickling (Ray) by default.
        return _rebuild_sandbox_error, (type(self), str(self), self.backend, self.container, self.phase, self.retryable)


def _rebuild_sandbox_error(
    kind: type[SandboxError], message: str, backend: str, container: str, phase: str, retryable: bool
) -> SandboxError:
    return kind(message, backend=backend, container=container, phase=phase, retryable=retryable)


class StartFailed(SandboxError):
    """The sandbox did not come up or failed its self-check."""


class SandboxLost(SandboxError):
    """The channel to a running sandbox broke."""


class DiskExceeded(SandboxError):
    """A session outgrew its ``disk_bytes``, or its engine's disk is nearly full; it was stopped."""


class ProtocolViolation(SandboxError):
    """A frame was malformed, too large or out of turn."""


class SnapshotFailed(SandboxError):
    """A snapshot could not be taken, or a session not be started from it."""


class TransferRefused(SandboxError):
    """A transfer would break its limits or leave its directory; nothing of it was kept."""


class FormatError(TracegenError):
    """Bytes do not have the form that their version promises."""


class WireError(FormatError):
    """The recorder's output is malformed or of an unknown version."""


class ParseError(FormatError):
    """A rendered document does not follow its renderer's grammar."""


class ShardCorrupt(FormatError):
    """A shard or its manifest does not hold what it should."""
