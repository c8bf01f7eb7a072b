"""Small valid rows, numbered, for tests that write shards."""

from schemas.document import RenderedDocument, Segment, document_id
from schemas.failure import Failure
from schemas.job import Provenance
from schemas.trace_record import Code, Counts, Determinism, Event, Expectation, Frame, Outcome, SourceChunk, TraceRecord

PLACE = Provenance(origin="numbers.jsonl", path="a.py")


class Rows:
    """Makes small valid rows, numbered."""

    def record(self, number: int, value: str = "1") -> TraceRecord:
        return TraceRecord(
            trace_id=f"{number:032x}",
            job_id="j",
            source_id=f"sample_{number}",
            kind="function",
            entry="f",
            inputs=f"f({number})",
            expected=(Expectation(f"f({number})", "1", value, value == "1"),),
            outcome=Outcome("returned"),
            determinism=Determinism("verified"),
            sources=(SourceChunk("a.py", 1, "def f(x):\n    return 1\n"),),
            codes=(Code("a.py", "f", 1, 1, ()),),
            frames=(Frame(1, None, 0, 0),),
            events=(
                Event("call", 1, 1, {"x": str(number)}),
                Event("line", 1, 2),
                Event("return", 1, 2, value=value),
            ),
            counts=Counts(3, 1, 100),
            provenance=PLACE,
            python="3.11.7",
            image="sha256:0",
            sandbox="process",
            recorder_version="1",
        )

    def document(self, record: TraceRecord, renderer: str = "cwm") -> RenderedDocument:
        return RenderedDocument(
            document_id=document_id(record.trace_id, renderer, 1, "whole", None, None),
            trace_id=record.trace_id,
            source_id=record.source_id,
            renderer=renderer,
            renderer_version=1,
            view="whole",
            segments=(Segment(True, "control", "<|begin_of_text|>"), Segment(False, "context", "é🐍")),
            outcome="returned",
            provenance=PLACE,
            python="3.11.7",
        )

    def failure(self, number: int) -> Failure:
        return Failure(
            trace_id=f"{number:032x}", source_id=f"s{number}", reason="bad_row", detail="not JSON", provenance=PLACE
        )
