"""The system calls that a sandbox refuses, and the classic BPF program that says so to the kernel.

A deny list: the filter stands behind namespaces and the lack of capabilities. It holds what the default filter of
container engines keeps from programs without capabilities, and further io_uring, ptrace and System V objects.
"""

import errno
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_KILL: Final = 0x80000000  # SECCOMP_RET_KILL_PROCESS
_ERROR: Final = 0x00050000  # SECCOMP_RET_ERRNO
_ALLOW: Final = 0x7FFF0000
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENT_AT: Final = 16  # the low half of argument n stands 8 n bytes further (little endian)
_X32: Final = 0x40000000

_NAMESPACES: Final = 0x7E020080
"""``CLONE_NEWTIME``, ``NS``, ``CGROUP``, ``UTS``, ``IPC``, ``USER``, ``PID``, ``NET``."""


class _Call(NamedTuple):
    """A system call's numbers; -1 where an architecture does not have it."""

    intel: int
    arm: int


FORBIDDEN: Final = {
    "mount": _Call(165, 40),
    "umount2": _Call(166, 39),
    "pivot_root": _Call(155, 41),
    "chroot": _Call(161, 51),
    "open_tree": _Call(428, 428),
    "move_mount": _Call(429, 429),
    "fsopen": _Call(430, 430),
    "fsconfig": _Call(431, 431),
    "fsmount": _Call(432, 432),
    "fspick": _Call(433, 433),
    "mount_setattr": _Call(442, 442),
    "unshare": _Call(272, 97),
    "setns": _Call(308, 268),
    "add_key": _Call(248, 217),
    "request_key": _Call(249, 218),
    "keyctl": _Call(250, 219),
    "bpf": _Call(321, 280),
    "perf_event_open": _Call(298, 241),
    "userfaultfd": _Call(323, 282),
    "fanotify_init": _Call(300, 262),
    "io_uring_setup": _Call(425, 425),
    "io_uring_enter": _Call(426, 426),
    "io_uring_register": _Call(427, 427),
    "kexec_load": _Call(246, 104),
    "kexec_file_load": _Call(320, 294),
    "create_module": _Call(174, -1),
    "init_module": _Call(175, 105),
    "delete_module": _Call(176, 106),
    "finit_module": _Call(313, 273),
    "name_to_handle_at": _Call(303, 264),
    "open_by_handle_at": _Call(304, 265),
    "swapon": _Call(167, 224),
    "swapoff": _Call(168, 225),
    "acct": _Call(163, 89),
    "quotactl": _Call(179, 60),
    "quotactl_fd": _Call(443, 443),
    "reboot": _Call(169, 142),
    "sethostname": _Call(170, 161),
    "setdomainname": _Call(171, 162),
    "settimeofday": _Call(164, 170),
    "clock_settime": _Call(227, 112),
    "syslog": _Call(103, 116),
    "vhangup": _Call(153, 58),
    "iopl": _Call(172, -1),
    "ioperm": _Call(173, -1),
    "uselib": _Call(134, -1),
    "ustat": _Call(136, -1),
    "sysfs": _Call(139, -1),
    "_sysctl": _Call(156, -1),
    "nfsservctl": _Call(180, 42),
    "lookup_dcookie": _Call(212, 18),
    "ptrace": _Call(101, 117),
    "process_vm_readv": _Call(310, 270),
    "process_vm_writev": _Call(311, 271),
    "process_madvise": _Call(440, 440),
    "pidfd_getfd": _Call(438, 438),
    "kcmp": _Call(312, 272),
    "mbind": _Call(237, 235),
    "set_mempolicy": _Call(238, 237),
    "get_mempolicy": _Call(239, 236),
    "migrate_pages": _Call(256, 238),
    "move_pages": _Call(279, 239),
}
ABSENT: Final = {
    # Memory without an owner's lifetime; and a call whose flags no filter can see, so that libc takes the older one.
    "shmget": _Call(29, 194),
    "semget": _Call(64, 190),
    "msgget": _Call(68, 186),
    "mq_open": _Call(240, 180),
    "clone3": _Call(435, 435),
}
_CLONE: Final = _Call(56, 220)
_SOCKET: Final = _Call(41, 198)
_IOCTL: Final = _Call(16, 29)
_PERSONALITY: Final = _Call(135, 92)
_LIMITS: Final = _Call(302, 261)
_FAMILIES: Final = (17, 38, 40)
"""``AF_PACKET``, ``AF_ALG``, ``AF_VSOCK``: the last is bound to no network namespace."""
_TERMINAL: Final = (0x5412, 0x541C)
"""``TIOCSTI`` and ``TIOCLINUX`` type into a terminal for others."""
_PERSONALITIES: Final = (0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
_ARCHITECTURES: Final = {0xC000003E: "intel", 0xC00000B7: "arm"}


def program() -> bytes:
    """Return the filter in the form that ``bwrap --seccomp`` reads."""
    blocks = [(audit, _block(kind)) for audit, kind in _ARCHITECTURES.items()]
    text = [_step(_LOAD, _ARCHITECTURE_AT)]
    for audit, block in blocks:
        # A conditional jump goes at most 255 steps: over one unconditional jump instead.
        text += [_step(_EQUAL, audit, 1, 0), _step(0x05, len(block)), *block]
    return b"".join([*text, _step(_RETURN, _KILL)])


def _block(kind: str) -> list[bytes]:
    def number(call: _Call) -> int:
        return call.intel if kind == "intel" else call.arm

    text = [_step(_LOAD, _NUMBER_AT)]
    if kind == "intel":
        text += _if(_AT_LEAST, _X32, [_fail(errno.ENOSYS)])
    for calls, error in ((FORBIDDEN, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for call in calls.values():
            if number(call) >= 0:
                text += _if(_EQUAL, number(call), [_fail(error)])
    for call, rules in (
        (_CLONE, [_argument(0), *_if(_ANY_BIT, _NAMESPACES, [_fail(errno.EPERM)])]),
        (_SOCKET, [_argument(0), *_any_of(_FAMILIES, errno.EAFNOSUPPORT)]),
        (_IOCTL, [_argument(1), *_any_of(_TERMINAL, errno.EPERM)]),
        (_PERSONALITY, [_argument(0), *_none_of(_PERSONALITIES, errno.EPERM)]),
        (_LIMITS, [_argument(0), *_none_of((0,), errno.EPERM)]),  # limits of others
    ):
        text += _if(_EQUAL, number(call), [*rules, _step(_RETURN, _ALLOW)])
    return [*text, _step(_RETURN, _ALLOW)]


def _if(test: int, value: int, then: list[bytes]) -> list[bytes]:
    return [_step(test, value, 0, len(then)), *then]


def _any_of(values: Iterable[int], error: int) -> list[bytes]:
    return [step for value in values for step in _if(_EQUAL, value, [_fail(error)])]


def _none_of(values: Iterable[int], error: int) -> list[bytes]:
    return [*(step for value in values for step in _if(_EQUAL, value, [_step(_RETURN, _ALLOW)])), _fail(error)]


def _argument(position: int) -> bytes:
    return _step(_LOAD, _ARGUMENT_AT + 8 * position)


def _fail(error: int) -> bytes:
    return _step(_RETURN, _ERROR | error)


def _step(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, true, false, value)
