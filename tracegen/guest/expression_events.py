"""The recorder that also writes the values of expressions: one event at each entry of a site (see ``sites``)."""

from __future__ import annotations

import sys
from types import FrameType, ModuleType
from typing import Any, Dict, Tuple

from .interrupts import works
from .recorder import Recorder
from .sites import SITE_CODE, Site
from .stopped import STOPPED
from .uninstrumented import spare
from .wire import encode, quoted


class ExpressionRecorder(Recorder):
    """Numbers the sites that it meets from 0, within the input."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._numbers: Dict[int, Tuple[int, Site]] = {}

    @works
    def enter(self, frame: FrameType, kind: str, arg: Any) -> Any:
        """Take an expression's value; else as for every recorder."""
        if frame.f_code is not SITE_CODE:
            return super().enter(frame, kind, arg)
        if self.active:
            self.acquire()
            try:
                self._evaluated(frame)
            except RecursionError:
                self.again(lambda: self._evaluated(frame))
            except MemoryError:
                raise  # as in ``FrameState.receive``
            except Exception as error:
                self.fail(error)
            finally:
                if self.answers:
                    self.rest()
                self.release()
        return None

    def _evaluated(self, frame: FrameType) -> None:
        state = self.state(frame.f_back)
        if state is None:
            return
        names = frame.f_locals
        site, value = names["self"], names["value"]
        if type(value) is ModuleType:  # a step of a dotted name
            return
        if self.owed_limit is not None:
            self.pay_limit()
        wire = self.wire
        self.countdown -= 1
        if (self.countdown < 0 or wire.bytes >= self.most_bytes) and self.met_limit():
            return
        STOPPED.clear()
        text = state.look(value)[0]
        known = self._numbers.get(id(site))
        if known is None:
            wire.put(encode("L", *site.place))
            known = self._numbers[id(site)] = (len(self._numbers), site)
        if self.elision:
            self.flush_elision()
        data = f'["e",{state.uid},{known[0]},{quoted(text)}]\n'.encode("ascii")
        wire.write(data)  # may want for stack: counted when it is done
        wire.events += 1
        wire.bytes += len(data)


spare(sys.modules[__name__])
