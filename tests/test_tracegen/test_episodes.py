"""Episodes: the outermost calls of a module's own functions, cut out of a doctest's record."""

from generated import PATIENT, Simulated, simulations
from hypothesis import given
from hypothesis import strategies as st
from records import build, code

from schemas.document import Episode
from schemas.trace_record import Elision, Outcome, TraceRecord
from tracegen.documents import render_documents
from tracegen.render import get_renderer
from tracegen.render.compact_parser import parse_compact
from tracegen.render.source_lines import SourceLines
from tracegen.replay import replay
from tracegen.views.deltas import delta
from tracegen.views.episodes import episodes

TEST = "<doctest m.f[0]>"
SOURCES = [
    (TEST, 1, "f(lambda v: v)\n"),
    ("m.py", 1, "class C:\n"),
    ("m.py", 5, "    def f(self, g):\n        return next(g)\n"),
    ("m.py", 20, "def gen():\n    a = 1\n    yield a\n    yield 2\n"),
    ("h.py", 1, "def helper():\n    pass\n"),
    ("m.py", 40, "class D:\n    x = 1\n"),
]
CODES = [
    code("<module>", 1, None, "module", path=TEST),
    code("<lambda>", 1, None, "lambda", path=TEST),
    code("C.f", 5),
    code("gen", 20, None, "generator"),
    code("helper", 1, path="h.py"),
]


def _doctest(notation: str, outcome: str = "returned") -> TraceRecord:
    return build(SOURCES, CODES, notation, kind="doctest", outcome=Outcome(outcome))  # type: ignore[arg-type]


def _states(record: TraceRecord) -> list[dict[str, str]]:
    return [dict(state) for _, state in replay(record.events)]


def test_every_outermost_own_call_is_an_episode() -> None:
    record = _doctest(
        """
1:<module> call 1
2:C.f call 5; self=<C>; g=<lambda>
3:<lambda> call 1; v=1
~ untraced_call 3 len 1
3 return 1; => 1
4:C.f<2 call 5; self=<C>; g=0
4 return 6; => 0
2 return 6; => 1
1 line 1
5:helper call 1
6:C.f call 5; self=<C>; g=9
6 unwind 6
5 unwind 2
1 unwind 1
"""
    )
    (first, one), (second, two) = episodes(record)
    assert (first, second) == (Episode(first_event=1, last_event=6), Episode(first_event=9, last_event=10))
    assert [(frame.uid, frame.parent) for frame in one.frames] == [(1, None), (2, 1), (3, 1)]
    assert [code.name for code in one.codes] == ["<lambda>", "C.f"]
    assert [(chunk.path, chunk.first_line) for chunk in one.sources] == [(TEST, 1), ("m.py", 1), ("m.py", 5)]
    assert one.elisions == (Elision("untraced_call", 1, 2, "len", 1),)
    assert (one.outcome.label, two.outcome.label) == ("returned", "raised")
    assert one.entry == "C.f"
    assert one.counts.events == 6
    assert [(chunk.path, chunk.first_line) for chunk in two.sources] == [("m.py", 1), ("m.py", 5)]


def test_a_generator_entered_before_the_episode_is_restated() -> None:
    record = _doctest(
        """
1:C.f call 5; self=<C>; g=<generator>
2:gen call 20
2 line 22; a=1
2 yield 22; => 1
1 return 6; => 1
3:C.f<0 call 5; self=<C>; g=<generator>
2 resume 22
2 line 23; b=2
2 yield 23; => 2
3 return 6; => 2
2 resume 23; -a
2 return 23; => None
"""
    )
    (_, one), (_, two), (third, alone) = episodes(record)
    assert len(one.events) == 5
    assert two.events[1].set == {"a": "1"}
    assert [(frame.uid, frame.parent) for frame in two.frames] == [(1, None), (2, 1)]
    assert _states(two)[1:4] == [{"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}]
    assert third == Episode(first_event=10, last_event=11)
    assert alone.events[0].set == {"b": "2"}
    assert alone.frames[0].parent is None


def test_a_generator_that_the_doctest_drives_is_one_episode() -> None:
    record = _doctest(
        """
1:<module> call 1
2:gen call 20
2 yield 22; a=1; => 1
1 line 1
2 resume 22
2 yield 23; => 2
1 return 1; => None
"""
    )
    [(episode, view)] = episodes(record)
    assert episode == Episode(first_event=1, last_event=5)
    assert [event.kind for event in view.events] == ["call", "yield", "resume", "yield"]
    assert view.outcome.label == "returned"


def test_an_episode_that_was_cut_keeps_the_records_label() -> None:
    record = _doctest(
        "1:C.f call 5; self=<C>; g=1\n1 return 6; => 1\n2:C.f<0 call 5; self=<C>; g=1\n3:gen call 20\n3 yield 22; => 1",
        "timeout",
    )
    assert [view.outcome.label for _, view in episodes(record)] == ["returned", "timeout"]


def test_a_removed_tracer_shows_in_the_episode_that_ran() -> None:
    record = _doctest(
        "1:C.f call 5; self=<C>; g=1\n1 return 6; => 1\n2:C.f<0 call 5; g=1\n~ tracer_removed 0 sys.settrace 1"
    )
    assert [view.elisions for _, view in episodes(record)] == [
        (),
        (Elision("tracer_removed", 0, 0, "sys.settrace", 1),),
    ]


def test_the_head_of_a_function_is_kept_though_no_event_points_at_it() -> None:
    record = _doctest("1:gen call 900\n1 return 901; => 1")
    [(_, view)] = episodes(record)
    assert [(chunk.path, chunk.first_line) for chunk in view.sources] == [("m.py", 20)]


def test_a_thread_started_by_an_episode_belongs_to_it() -> None:
    record = _doctest(
        "1:C.f call 5; self=<C>; g=1\n2:gen<1#1 call 20\n1 line 6\n2 return 23; => None\n1 return 6; => 1"
    )
    [(_, view)] = episodes(record)
    assert len(view.events) == 5
    assert view.frames[1].parent == 1


def test_documents_of_a_doctest_are_its_episodes_and_of_a_function_the_whole() -> None:
    notation = "1:C.f call 5; self=<C>; g=1\n1 return 6; => 1\n2:C.f<0 call 5; self=<C>; g=1\n2 unwind 6"
    renderer = get_renderer("cwm")
    documents = render_documents(_doctest(notation), renderer)
    assert [(document.view, document.outcome) for document in documents] == [
        ("episode", "returned"),
        ("episode", "raised"),
    ]
    assert documents[1].episode == Episode(first_event=2, last_event=3)
    assert len({document.document_id for document in documents}) == 2
    assert all("START_OF_TRACE" in document.text for document in documents)
    function = build(SOURCES, CODES, notation)
    [whole] = render_documents(function, renderer)
    assert (whole.view, whole.episode, whole.trace_id) == ("whole", None, function.trace_id)
    assert whole.segments == renderer.render(function)


@PATIENT
@given(simulations(threads=2, kind="doctest", paths=("m.py", TEST)))
def test_episodes_replay_to_the_records_states(run: Simulated) -> None:
    record = run.record
    found = episodes(record)
    wanted = _members(record)
    assert [(e.first_event, e.last_event) for e, _ in found] == [(indices[0], indices[-1]) for indices in wanted]
    for (_, view), indices in zip(found, wanted, strict=True):
        raw_events = [record.events[index] for index in indices]
        assert [list(state.items()) for state in _states(view)] == [
            list(run.states[index].items()) for index in indices
        ]
        lines, raw_lines = SourceLines(view.sources), SourceLines(record.sources)
        for event, raw in zip(view.events, raw_events, strict=True):
            assert (event.kind, event.line, event.value) == (raw.kind, raw.line, raw.value)
            assert view.code_of(event) == record.code_of(raw)
            path = record.code_of(raw).path
            assert lines.get(path, event.line) == raw_lines.get(path, raw.line)
        assert [frame.uid for frame in view.frames] == list(range(1, len(view.frames) + 1))
        assert all(frame.parent is None or frame.parent < frame.uid for frame in view.frames)
        parsed = parse_compact(get_renderer("compact").render(view))
        assert [event.state for event in parsed.events] == [run.states[index] for index in indices]


def _members(record: TraceRecord) -> list[list[int]]:
    """Event indices of every episode: those above the outermost running frame of the module's own file."""
    members: dict[int, list[int]] = {}
    stacks: dict[int, list[int]] = {}
    for index, event in enumerate(record.events):
        stack = stacks.setdefault(record.frame(event.frame).thread, [])
        if event.kind in ("call", "resume"):
            stack.append(event.frame)
        own = [uid for uid in stack if record.codes[record.frame(uid).code].path == "m.py"]
        if own:
            members.setdefault(own[0], []).append(index)
        if event.kind in ("return", "yield", "unwind"):
            stack.pop()
    return list(members.values())


@PATIENT
@given(*[st.dictionaries(st.sampled_from("abcde"), st.sampled_from("12"))] * 2)
def test_a_delta_makes_one_state_of_the_other(before: dict[str, str], after: dict[str, str]) -> None:
    bound, deleted = delta(before, after)
    state = dict(before)
    for name in deleted:
        del state[name]
    state.update(bound)
    assert list(state.items()) == list(after.items())
    assert before != after or list(before) != list(after) or (bound, deleted) == ({}, ())
