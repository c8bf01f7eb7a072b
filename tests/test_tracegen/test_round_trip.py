"""parse(render(record)) gives back what each format promises, whatever the values and the source say."""

from generated import PATIENT, Simulated, simulations
from hypothesis import given

from schemas.special_tokens import OFFSETS
from schemas.trace_record import DETAIL_KINDS
from tracegen.render import RENDERERS, get_renderer
from tracegen.render.compact_parser import parse_compact
from tracegen.render.cwm import FRAME_TYPES, frames_nest
from tracegen.render.cwm_parser import parse_cwm
from tracegen.render.source_lines import SourceLines
from tracegen.replay import replay


def _ordered(state: dict[str, str] | None) -> list[tuple[str, str]] | None:
    return None if state is None else list(state.items())


@PATIENT
@given(simulations(threads=3))
def test_a_simulated_record_replays_to_its_programs_states(run: Simulated) -> None:
    assert [_ordered(state) for _, state in replay(run.record.events)] == [_ordered(state) for state in run.states]


@PATIENT
@given(simulations())
def test_cwm_gives_back_the_state_at_every_call_and_line(run: Simulated) -> None:
    assert frames_nest(run.record)
    segments = get_renderer("cwm").render(run.record)
    parsed = parse_cwm(segments)
    pairs = zip(run.record.events, run.states, strict=True)
    told = [(event, state) for event, state in pairs if event.kind not in DETAIL_KINDS]
    shown = {
        "<|call_sep|>": "call",
        "<|line_sep|>": "line",
        "<|return_sep|>": "return",
        "<|exception_sep|>": "exception",
    }
    assert [event.kind for event in parsed.events] == [shown[FRAME_TYPES[event.kind]] for event, _ in told]
    for event, (raw, state) in zip(parsed.events, told, strict=True):
        if event.kind in ("call", "line"):
            assert _ordered(event.state) == _ordered(state)
        else:
            assert event.state is None
            assert event.value == ("None" if raw.kind == "unwind" else raw.value)


@PATIENT
@given(simulations(threads=3))
def test_compact_gives_back_every_event(run: Simulated) -> None:
    record = run.record
    parsed = parse_compact(get_renderer("compact").render(record))
    lines = SourceLines(record.sources)
    for event, raw, state in zip(parsed.events, record.events, run.states, strict=True):
        path = record.code_of(raw).path
        source = lines.get(path, raw.line)
        assert (event.kind, event.frame, event.line, event.value) == (raw.kind, raw.frame, raw.line, raw.value)
        assert _ordered(event.state) == _ordered(state)
        assert (event.source, event.path) == (source, None if source is None else path)
    assert [(frame.uid, frame.parent, frame.thread) for frame in parsed.frames] == [
        (frame.uid, frame.parent, frame.thread) for frame in record.frames
    ]
    assert (parsed.outcome, parsed.elisions) == (record.outcome, record.elisions)


@PATIENT
@given(simulations(threads=3))
def test_only_the_renderers_own_tokens_are_special(run: Simulated) -> None:
    for renderer in RENDERERS.values():
        for segment in renderer.render(run.record):
            assert segment.special == (segment.role == "control")
            assert segment.text
            assert not segment.special or segment.text in OFFSETS
