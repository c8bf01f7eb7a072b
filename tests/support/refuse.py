"""``python refuse.py CALL ERROR COMMAND...``: run a command whose kernel refuses a system call with an errno.

A seccomp filter, so the program under test is the real one; ``ERROR`` 0 makes the call succeed without doing anything.
It stands for file systems that are not at hand: ones without locks or without renames.
"""

import ctypes
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"flock": (73,), "rename": (82, 264, 316)},
    "aarch64": {"flock": (32,), "rename": (38, 276)},
}
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def supported() -> bool:
    """Return whether the filter is known for this machine."""
    return sys.platform == "linux" and platform.machine() in NUMBERS


def refuse(call: str, error: int) -> None:
    """Refuse ``call`` in this process and all that it starts."""
    numbers = NUMBERS[platform.machine()][call]
    code = struct.pack("HBBI", _LOAD, 0, 0, 0)
    for place, number in enumerate(numbers):
        code += struct.pack("HBBI", _EQUAL, len(numbers) - place, 0, number)
    code += struct.pack("HBBI", _RETURN, 0, 0, _ALLOW) + struct.pack("HBBI", _RETURN, 0, 0, _ERRNO | error)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no seccomp filter")


if __name__ == "__main__":
    refuse(sys.argv[1], int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
