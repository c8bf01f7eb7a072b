"""Text of numpy, torch and pandas values: type, shape, dtype and a bounded head. None of them is ever imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from . import digests, guard

if TYPE_CHECKING:
    from .values import ValueRenderer

_MODULE: Any = vars(type)["__module__"]

HEAD = 8
"""Elements shown."""
_DIGESTED = 2**22
"""Bytes of the largest numpy array that gets a digest."""

Handler = Callable[["ValueRenderer", Any, int], str]


def _head(renderer: ValueRenderer, values: Any, size: int, depth: int, digest: str = "") -> str:
    items = [renderer.walk(item, depth + 1) for item in values]
    if size > len(items):
        items.append("... <+%d items%s>" % (size - len(items), digest))
    return "[%s]" % ", ".join(items)


def ndarray_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a numpy array: ``<ndarray shape=(2, 3) dtype=int64 [0, 1, ...]>`` in C order."""
    head = value.ravel()[:HEAD].tolist() if value.size <= 65_536 else value.flat[:HEAD].tolist()
    plain = not value.dtype.hasobject and value.nbytes <= _DIGESTED
    text = _head(renderer, head, value.size, depth, digests.of_bytes(value.tobytes()) if plain else "")
    return renderer.leaf("<ndarray shape=%r dtype=%s %s>" % (value.shape, value.dtype, text))


def tensor_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a torch tensor: shape, dtype, device and a bounded head."""
    size = value.numel()
    head = value.detach().reshape(-1)[:HEAD].tolist()
    text = _head(renderer, head, size, depth)
    place = "" if value.device.type == "cpu" else " device=%s" % value.device
    return renderer.leaf("<Tensor shape=%r dtype=%s%s %s>" % (tuple(value.shape), value.dtype, place, text))


def series_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a pandas Series: length, dtype and a bounded head."""
    text = _head(renderer, value.iloc[:HEAD].tolist(), len(value), depth)
    return renderer.leaf("<Series length=%d dtype=%s %s>" % (len(value), value.dtype, text))


def frame_text(renderer: ValueRenderer, value: Any, depth: int) -> str:
    """Render a pandas DataFrame: shape, columns and a bounded head of rows."""
    columns = renderer.walk(list(value.columns[:HEAD]), depth + 1)
    rows = value.iloc[:HEAD, :HEAD].values.tolist()
    text = _head(renderer, rows, len(value), depth)
    return renderer.leaf("<DataFrame shape=%r columns=%s %s>" % (value.shape, columns, text))


LIBRARY = {
    ("numpy", "ndarray"): ndarray_text,
    ("torch", "Tensor"): tensor_text,
    ("torch.nn.parameter", "Parameter"): tensor_text,
    ("pandas.core.series", "Series"): series_text,
    ("pandas.core.frame", "DataFrame"): frame_text,
    ("pandas", "Series"): series_text,
    ("pandas", "DataFrame"): frame_text,
}


def library_handler(kind: type) -> Optional[Handler]:
    """Return the handler of a library type, known by the name of its module and class."""
    module = _MODULE.__get__(kind)
    if type(module) is not str:
        return None
    handler = LIBRARY.get((module, type.__dict__["__name__"].__get__(kind)))
    return _guarded(handler) if handler else None


def _guarded(handler: Handler) -> Handler:
    def safe(renderer: ValueRenderer, value: Any, depth: int) -> str:
        called = guard.call(lambda item: handler(renderer, item, depth), value)
        if called.text is None:
            return renderer.leaf("<%s (repr %s)>" % (type(value).__name__, called.fault))
        return called.text

    return safe
