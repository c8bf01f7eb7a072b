"""Every view replays: at each event that it keeps, the locals are those of the raw record."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import CASES
from generated import PATIENT, Simulated, simulations
from hypothesis import given
from hypothesis import strategies as st
from programs import program
from records import build, code

from schemas.errors import UsageError
from schemas.trace_record import VIEW_ELISIONS, Elision, TraceRecord
from tracegen.documents import record_pieces, render_documents
from tracegen.quick import trace
from tracegen.render import get_renderer
from tracegen.render.compact_parser import parse_compact
from tracegen.render.cwm import frames_nest
from tracegen.render.cwm_parser import parse_cwm
from tracegen.replay import replay
from tracegen.views.base import Request, View
from tracegen.views.pieces import Viewed, whole
from tracegen.views.spec import CHOICES, parse_view

SHORTENING = ("loops(1)", "loops(2)", "depth(1)", "depth(2)", "over(name:C.f1)", "over(path:n.py)", "over(package:m)")
DIVIDING = ("inline(0)", "inline(0.5)", "cut(1)", "cut(4)")
TEXTS = st.lists(st.sampled_from(SHORTENING + DIVIDING), min_size=1, max_size=3).map("+".join)
RUNS = simulations(threads=2) | simulations(loops=True)


def _states(record: TraceRecord) -> list[list[tuple[str, str]]]:
    return [list(state.items()) for _, state in replay(record.events)]


def _pieces(record: TraceRecord, view: View | str, seed: int = 0) -> list[Viewed]:
    view = parse_view(view) if isinstance(view, str) else view
    return view.pieces(whole(record), Request(seed, lambda shown: len(shown.events)))


def _left_out(record: TraceRecord) -> int:
    return sum(elision.count for elision in record.elisions if elision.kind in VIEW_ELISIONS)


def _check_piece(raw: TraceRecord, piece: Viewed) -> None:
    """What holds of every piece of every view."""
    view, raw_states = piece.record, _states(raw)
    assert _states(view) == [raw_states[index] for index in piece.events]
    assert len(view.events) == view.counts.events == len(piece.events)
    for number, (event, index) in enumerate(zip(view.events, piece.events, strict=True)):
        original = raw.events[index]
        assert event.line == original.line
        assert piece.frames[event.frame - 1] == original.frame
        assert view.code_of(event) == raw.code_of(original)
        if number >= piece.opening:
            assert (event.kind, event.value) == (original.kind, original.value)
        else:
            assert event.kind == "resume"
    own = list(piece.events[piece.opening :])
    assert own == sorted(set(own))
    assert [frame.uid for frame in view.frames] == list(range(1, len(view.frames) + 1))
    assert all(frame.parent is None or frame.parent < frame.uid for frame in view.frames)
    entered = list(dict.fromkeys(event.frame for event in view.events))
    assert entered == list(range(1, len(view.frames) + 1))
    parsed = parse_compact(get_renderer("compact").render(view))
    assert [list((event.state or {}).items()) for event in parsed.events] == _states(view)
    assert parsed.elisions == view.elisions


@PATIENT
@given(RUNS, TEXTS, st.integers(0, 3))
def test_every_view_of_every_view_replays(run: Simulated, text: str, seed: int) -> None:
    for piece in _pieces(run.record, text, seed):
        _check_piece(run.record, piece)


@PATIENT
@given(RUNS, st.lists(st.sampled_from(SHORTENING), min_size=1, max_size=3).map("+".join))
def test_counts_of_what_is_left_out_add_up(run: Simulated, text: str) -> None:
    (piece,) = _pieces(run.record, text)
    assert len(piece.events) + _left_out(piece.record) == len(run.record.events)


@PATIENT
@given(RUNS, st.integers(1, 9))
def test_cuts_share_out_the_events_and_count_those_of_the_others(run: Simulated, most: int) -> None:
    pieces = _pieces(run.record, f"loops(1)+cut({most})")
    (before,) = _pieces(run.record, "loops(1)")
    own = [index for piece in pieces for index in piece.events[piece.opening :]]
    assert own == list(before.events)
    for piece in pieces:
        assert len(piece.events) - piece.opening <= most
        assert len(piece.events) - piece.opening + _left_out(piece.record) == len(run.record.events)


@PATIENT
@given(RUNS, st.sampled_from((0.0, 0.3, 0.7)), st.integers(0, 9))
def test_inlining_shares_out_the_events_and_its_seed_reproduces(run: Simulated, chance: float, seed: int) -> None:
    pieces = _pieces(run.record, f"inline({chance})", seed)
    assert pieces == _pieces(run.record, f"inline({chance})", seed)
    assert sorted(index for piece in pieces for index in piece.events) == list(range(len(run.record.events)))
    if pieces:
        assert len(pieces[0].events) + _left_out(pieces[0].record) == len(run.record.events)


@PATIENT
@given(RUNS)
def test_views_that_leave_nothing_out_change_nothing(run: Simulated) -> None:
    for text in ("loops(99)", "depth(99)", "over(name:nothing)", "cut(99)", "budget(99)"):
        (piece,) = _pieces(run.record, text)
        assert piece.record == run.record
    if run.record.events:
        (piece,) = _pieces(run.record, "inline(1)")
        assert (piece.record.events, piece.record.elisions) == (run.record.events, run.record.elisions)


@PATIENT
@given(simulations() | simulations(loops=True), TEXTS)
def test_cwm_gives_back_the_states_of_views(run: Simulated, text: str) -> None:
    for piece in _pieces(run.record, text):
        assert frames_nest(piece.record)
        parsed = parse_cwm(get_renderer("cwm").render(piece.record))
        shown = [list(one.state.items()) for one in parsed.events if one.state is not None]
        events = zip(piece.record.events, _states(piece.record), strict=True)
        assert shown == [state for event, state in events if event.kind in ("call", "resume", "line")]


@PATIENT
@given(simulations(loops=True), st.integers(1, 40))
def test_a_budget_fits_or_says_that_it_does_not(run: Simulated, most: int) -> None:
    pieces = _pieces(run.record, f"budget({most})")
    for piece in pieces:
        _check_piece(run.record, piece)
        assert len(piece.record.events) <= most or piece.done.endswith(",over")
    done = pieces[0].done.removesuffix(",over")
    if done != "whole":
        again = _pieces(run.record, done)
        assert [piece.record for piece in again] == [piece.record for piece in pieces]


def _function(text: str, folder: Path) -> Callable[[], object]:
    path = folder / "made.py"
    path.write_text(text)
    namespace: dict[str, object] = {"__name__": "made"}
    exec(compile(text, str(path), "exec"), namespace)
    run = namespace["run"]
    assert callable(run)
    return run


@pytest.mark.parametrize("seed", range(12))
def test_views_of_real_programs_replay(seed: int, tmp_path: Path) -> None:
    record = trace(_function(program(random.Random(seed).randrange), tmp_path)).record
    for text in ("loops(1)", "loops(2)+depth(2)", "inline(0.5)+loops(1)", "cut(20)+loops(1)+cut(7)"):
        for piece in _pieces(record, text, seed):
            _check_piece(record, piece)


NESTED = """\
def run():
    total = 0
    for i in range(6):
        for j in range(i):
            total += add(i, j)
        while True:
            total += 1
            if total % 3 == 0:
                break
    squares = [add(k, k) for k in range(7)]
    return total


def add(a, b):
    return a + b
"""


def _visits(record: TraceRecord, line: int) -> int:
    return sum(event.kind == "line" and event.line == line for event in record.events)


def test_the_first_iterations_and_the_last_of_each_loop_stay(tmp_path: Path) -> None:
    record = trace(_function(NESTED, tmp_path)).record
    (piece,) = _pieces(record, "loops(2)")
    view = piece.record
    assert _visits(record, 3) == 7
    # Iterations 0, 1 and 5, and the test that ends the loop.
    assert _visits(view, 3) == 4
    # In these: no inner iteration, one, and three of five; each with its final test.
    assert (_visits(record, 5), _visits(view, 5)) == (15, 4)
    outer, inner = (one for one in view.elisions if one.name.startswith(("line 3", "line 4")))
    assert (outer.name, inner.name) == ("line 3: 3 iterations", "line 4: 2 iterations")
    found = [state.get("i") for event, state in replay(view.events) if event.kind == "line" and event.line == 3]
    assert found == [None, "0", "4", "5"]


def test_a_comprehensions_iterations_are_left_out_too(tmp_path: Path) -> None:
    record = trace(_function(NESTED, tmp_path)).record
    (piece,) = _pieces(record, "loops(1)")
    assert any(one.name.startswith("line 10: ") for one in piece.record.elisions)
    assert _visits(piece.record, 10) < _visits(record, 10)


WHILE_TRUE = """\
def run():
    n = 0
    while True:
        n += 1
        if n == 9:
            break
    return n
"""


def test_a_while_true_loop_has_iterations(tmp_path: Path) -> None:
    record = trace(_function(WHILE_TRUE, tmp_path)).record
    # Python 3.8 and 3.9 show no event of the line ``while True``.
    silent = record.model_copy(
        update={"events": tuple(event for event in record.events if event.line != 3 or event.set or event.deleted)}
    )
    for raw, per_iteration in ((record, 3), (silent, 2)):
        (piece,) = _pieces(raw, "loops(2)")
        (elision,) = piece.record.elisions
        assert (elision.name, elision.count) == ("line 3: 6 iterations", 6 * per_iteration)
        lines = [(event.line, state["n"]) for event, state in replay(piece.record.events) if event.line > 3]
        assert lines[-4:] == [(5, "9"), (6, "9"), (7, "9"), (7, "9")]
        assert lines[-5] == (4, "8")


DRIVEN = """\
def count(n):
    i = 0
    while i < n:
        yield i
        i += 1

def run():
    for x in count(5):
        print(x)
"""


def test_an_iteration_that_yields_stays_until_its_callers_loop_leaves_it_out() -> None:
    generator = CASES["generator"]
    (piece,) = _pieces(generator, "loops(1)")
    assert piece.record == generator
    start = ["1:run call 7", "1 line 8", "2:count call 1; n=5", "2 line 2"]
    step = "2 line 3; i={0}\n2 line 4\n2 yield 4; => {0}\n1 line 9; x={0}\n1 line 8\n2 resume 4\n2 line 5"
    asked = [step.format(i) for i in range(5)]
    end = ["2 line 3; i=5", "2 return 3; => None", "1 return 8; => None"]
    codes = [code("run", 7), code("count", 1, None, "generator")]
    record = build([("m.py", 1, DRIVEN)], codes, "\n".join(start + asked + end))
    (piece,) = _pieces(record, "loops(1)")
    _check_piece(record, piece)
    # The last iteration begins where line 8 asks the generator for it.
    assert [one.name for one in piece.record.elisions] == ["line 8: 3 iterations"]
    assert [event.set for event in piece.record.events if event.kind == "resume"] == [{"i": "3"}, {}]


def test_calls_stepped_over_show_their_name_and_count() -> None:
    (piece,) = _pieces(CASES["example"], "depth(2)")
    assert piece.record.elisions == (Elision("stepped_over", 5, 2, "g", 3), Elision("stepped_over", 7, 2, "g", 3))
    text = "".join(segment.text for segment in get_renderer("cwm").render(piece.record))
    assert text.count('{"s": "\'ab\'", "t": "\'b\'", "n": "0", "c": "\'a\'"}') == 1
    assert [frame.uid for frame in piece.record.frames] == [1, 2]
    (over,) = _pieces(CASES["example"], "over(name:g)")
    assert over.record == piece.record


def test_an_episode_after_a_cut_opens_with_the_frames_that_run() -> None:
    first, second, *_ = _pieces(CASES["example"], "cut(8)")
    opening = second.record.events[: second.opening]
    assert [(event.kind, event.frame, event.set) for event in opening] == [
        ("resume", 1, {}),
        ("resume", 2, {"s": "'ab'", "t": "'b'", "n": "0", "c": "'a'"}),
        ("resume", 3, {"a": "'a'", "b": "'b'"}),
    ]
    assert [frame.parent for frame in second.record.frames[:3]] == [None, 1, 2]
    assert first.record.elisions == (Elision("cut", 7, 0, "later events", 10),)
    assert second.record.elisions[0] == Elision("cut", -1, 0, "earlier events", 8)


def test_a_draw_depends_on_nothing_but_seed_trace_and_frame() -> None:
    record = CASES["multi_line_call"]
    shown = {seed: [piece.frames for piece in _pieces(record, "inline(0.5)", seed)] for seed in range(20)}
    assert len({tuple(frames) for frames in shown.values()}) > 1
    for seed, frames in shown.items():
        after_another = _pieces(record, "depth(99)+inline(0.5)", seed)
        assert [piece.frames for piece in after_another] == frames


def test_an_episode_carries_the_sources_of_calls_cut_out_of_it() -> None:
    main, f, *_ = _pieces(CASES["example"], "inline(0)")
    assert [one.name for one in main.record.elisions] == ["f"]
    assert f.record.entry == "f"
    assert [chunk.path for chunk in f.record.sources] == ["m.py"]
    assert f.record.outcome.label == "returned"
    assert [one.name for one in f.record.elisions] == ["g", "g"]


def test_a_views_name_is_canonical() -> None:
    for text in (*SHORTENING, *DIVIDING, "budget(8000)", "loops(2)+depth(3)+budget(9)"):
        assert parse_view(text).name == text
    assert parse_view(" loops( 2 ) + inline(.50)").name == "loops(2)+inline(0.5)"


@pytest.mark.parametrize(
    "text",
    ["", "loops", "loops(0)", "loops(-1)", "loops(x)", "inline(2)", "over(f)", "over(name:)", "cut()", "whole(1)"],
)
def test_a_wrong_view_names_the_choices(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_view(text)
    assert all(form in str(caught.value) for form in CHOICES)


def test_a_budget_must_come_last() -> None:
    with pytest.raises(UsageError, match="must come last"):
        parse_view("budget(9)+loops(2)")


def test_documents_of_views_have_their_own_names_and_ids() -> None:
    record, renderer = CASES["example"], get_renderer("compact")
    documents = [
        *render_documents(record, renderer),
        *render_documents(record, renderer, parse_view("depth(2)")),
        *render_documents(record, renderer, parse_view("cut(6)")),
        *render_documents(record, renderer, parse_view("inline(0.5)"), seed=1),
        *render_documents(record, renderer, parse_view("inline(0.5)"), seed=2),
    ]
    assert len({document.document_id for document in documents}) == len(documents)
    assert [document.seed for document in documents[:3]] == [None, None, None]
    assert {document.seed for document in documents if document.view == "inline(0.5)"} == {1, 2}
    assert documents[1].episode is None
    size = len(documents[0].text)
    (fitted,) = render_documents(record, renderer, parse_view(f"budget({size - 1})"))
    assert fitted.view == f"budget({size - 1})=depth(2)"
    assert len(fitted.text) < size
    words = render_documents(record, renderer, parse_view("budget(1000)"), count=lambda text: len(text.split()))
    assert words[0].view == "budget(1000)=whole"


@PATIENT
@given(simulations(threads=2, kind="doctest", paths=("m.py", "<doctest m.f[0]>")), TEXTS)
def test_views_of_episodes_point_into_the_raw_record(run: Simulated, text: str) -> None:
    for episode in record_pieces(run.record):
        for piece in parse_view(text).pieces(episode, Request(3)):
            _check_piece(run.record, piece)
    documents = render_documents(run.record, get_renderer("compact"), parse_view(text), seed=3)
    assert all(document.view == f"episode+{text}" for document in documents)
    assert len({document.document_id for document in documents}) == len(documents)
