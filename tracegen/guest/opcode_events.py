"""The recorder of ``granularity: opcode``: an event before each instruction, beside those of every recorder."""

from __future__ import annotations

import dis
import sys
from types import CodeType, FrameType
from typing import Any, List, Optional, Set, Type

from .frame_state import FrameState
from .interrupts import works
from .recorder import Recorder
from .sources import SourceFile
from .stillness import STILL
from .uninstrumented import spare

Row = List[Any]
"""Offset and name of an instruction, and its place or nulls: line, column, end line, end column."""


class OpcodeState(FrameState):
    """Writes what the instruction before has changed; the event's value is the offset of the next."""

    __slots__ = ("armed",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.armed = sys.version_info < (3, 13)
        """Whether to ask no more: 3.13 hears the wish at a code's first line, not when its first frame is entered."""

    @works
    def receive(self, frame: FrameType, kind: str, arg: Any) -> None:
        """Take an instruction; else as for every frame."""
        if kind != "opcode":
            if not self.armed:
                frame.f_trace_opcodes = self.armed = True
            super().receive(frame, kind, arg)
            return
        recorder = self.recorder
        if not recorder.active:
            return
        recorder.acquire()
        try:
            if recorder.owed_limit is not None:
                recorder.pay_limit()
            self.write(frame, f'["o",{self.uid},', str(frame.f_lasti))
        except RecursionError:
            recorder.again(lambda: self.receive(frame, kind, arg))
        except MemoryError:
            raise  # as in ``FrameState.receive``
        except Exception as error:
            recorder.fail(error)
        finally:
            if recorder.answers:
                recorder.rest()
            recorder.release()


class OpcodeRecorder(Recorder):
    """Writes each code's table of instructions when its first frame is entered."""

    frame_class: Type[FrameState] = OpcodeState

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._listed: Set[int] = set()
        self.loud = STILL  # an instruction is not a line

    def start(self) -> None:
        """Begin. 3.12 looks for instructions only if some frame wanted them before ``sys.settrace``."""
        sys._getframe().f_trace_opcodes = True
        super().start()

    def _enter(self, frame: FrameType) -> Any:
        info = self.codes.info(frame)
        if info is not None and info.index not in self._listed:
            self.wire.line("B", info.index, instructions(frame.f_code, self.codes.file_of(frame)))
            self._listed.add(info.index)
        receive = super()._enter(frame)
        if receive is not None:
            frame.f_trace_opcodes = True
        return receive


def instructions(code: CodeType, file: Optional[SourceFile]) -> List[Row]:
    """Return a code's instructions with their places: only lines up to 3.10."""
    line: Optional[int] = None
    rows: List[Row] = []
    for instruction in dis.get_instructions(code):
        positions: Any = getattr(instruction, "positions", None)
        if positions is None:
            line = instruction.starts_line or line
            rows.append([instruction.offset, instruction.opname, line, None, None, None])
            continue
        first, last, start, end = positions
        if file is None or None in (first, last, start, end):
            rows.append([instruction.offset, instruction.opname, first, None, None, None])
        else:
            place = [first, file.column(first, start), last, file.column(last, end)]
            rows.append([instruction.offset, instruction.opname, *place])
    return rows


spare(sys.modules[__name__])
