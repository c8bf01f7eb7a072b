"""The filter of the bubblewrap backend, run by a small machine that reads classic BPF as the kernel does."""

import errno
import struct
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.bubblewrap import seccomp

INTEL: Final = 0xC000003E
ARM: Final = 0xC00000B7
ALLOWED: Final = 0x7FFF0000
ARGUMENT = st.integers(0, 2**64 - 1)


def verdict(architecture: int, number: int, *arguments: int) -> int:
    """Return what the filter says to a call."""
    given_ = [*arguments, *[0] * 6][:6]
    data = struct.pack("<iIQ6Q", number - 2**32 if number >= 2**31 else number, architecture, 0, *given_)
    program = seccomp.program()
    position, loaded = 0, 0
    while True:
        code, true, false, value = struct.unpack_from("<HBBI", program, 8 * position)
        position += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
        elif code == 0x05:
            position += value
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            position += true if holds else false


def refused(error: int) -> int:
    return 0x00050000 | error


@given(st.integers(0, 500), st.lists(ARGUMENT, min_size=6, max_size=6), st.sampled_from([INTEL, ARM]))
def test_exactly_the_listed_calls_are_refused(number: int, arguments: list[int], architecture: int) -> None:
    kind = "intel" if architecture == INTEL else "arm"
    by_argument = (seccomp._CLONE, seccomp._SOCKET, seccomp._IOCTL, seccomp._PERSONALITY, seccomp._LIMITS)
    if number in [getattr(call, kind) for call in by_argument]:
        return
    expected = ALLOWED
    if number in [getattr(call, kind) for call in seccomp.FORBIDDEN.values()]:
        expected = refused(errno.EPERM)
    if number in [getattr(call, kind) for call in seccomp.ABSENT.values()]:
        expected = refused(errno.ENOSYS)
    assert verdict(architecture, number, *arguments) == expected


@pytest.mark.parametrize(
    ("number", "arguments", "expected"),
    [
        (56, [0x1200011], ALLOWED),  # fork, as glibc does it
        (56, [0x3D0F00], ALLOWED),  # a thread
        (56, [0x10000011], refused(errno.EPERM)),
        (56, [0x20000011], refused(errno.EPERM)),
        (41, [2, 1, 0], ALLOWED),
        (41, [1, 1, 0], ALLOWED),
        (41, [40, 1, 0], refused(errno.EAFNOSUPPORT)),
        (16, [0, 0x5401], ALLOWED),
        (16, [0, 0x5412], refused(errno.EPERM)),
        (135, [0xFFFFFFFF], ALLOWED),
        (135, [0x0040000], refused(errno.EPERM)),  # ADDR_NO_RANDOMIZE
        (302, [0, 7], ALLOWED),
        (302, [1, 7], refused(errno.EPERM)),
        (0x40000000 | 41, [40], refused(errno.ENOSYS)),  # another numbering of the same kernel
    ],
)
def test_calls_are_judged_by_their_arguments(number: int, arguments: list[int], expected: int) -> None:
    assert verdict(INTEL, number, *arguments) == expected


@given(st.integers(0, 2**32 - 1).filter(lambda each: each not in (INTEL, ARM)), st.integers(0, 2**32 - 1))
def test_a_call_of_another_architecture_is_killed(architecture: int, number: int) -> None:
    assert verdict(architecture, number) == 0x80000000
