"""Programs that trace, profile or debug themselves go on as alone; where recording stops, the record says so."""

from ast import literal_eval
from pathlib import Path

import time_outs
from jobs import make_job, removals, unnoticed

from sandboxes.api import Pool
from tracegen.attempts import ending_of, run_inputs
from tracegen.determinism import check_run

OWN_TRACER = """
import sys, threading

def work(n):
    total = 0
    for i in range(n):
        total += i
    return total

def traced(run):
    seen = []
    def tracer(frame, kind, arg):
        seen.append((frame.f_code.co_name, kind, frame.f_lineno))
        return tracer
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        run()
    finally:
        sys.settrace(before)
    return seen
"""


def test_a_tracer_of_the_programs_own_sees_what_it_would_alone(every_pool: Pool) -> None:
    record = unnoticed(every_pool, OWN_TRACER + "\ndef f():\n    return traced(lambda: work(3))\n")
    # It was put back at the end: that is told as well.
    assert removals(record) == [("traced", "sys.settrace")]
    assert record.codes[record.frame(record.events[-1].frame).code].name == "main"


def test_a_tracer_that_stays_is_told(every_pool: Pool) -> None:
    source = OWN_TRACER + "\ndef f():\n    sys.settrace(None)\n    work(2)\n    return sys.gettrace() is None\n"
    assert removals(unnoticed(every_pool, source)) == [("f", "sys.settrace")]


def test_setting_the_same_tracer_again_is_no_loss(every_pool: Pool) -> None:
    source = OWN_TRACER + "\ndef f():\n    sys.settrace(sys.gettrace())\n    return work(2)\n"
    record = unnoticed(every_pool, source)
    assert removals(record) == []
    assert record.events[-1].value == "1"


def test_a_thread_that_takes_its_tracer_away_is_told(every_pool: Pool) -> None:
    source = """
    import sys, threading

    def alone(out):
        sys.settrace(None)
        out.append(1)

    def f():
        out = []
        thread = threading.Thread(target=alone, args=(out,))
        thread.start()
        thread.join()
        return out
    """
    record = unnoticed(every_pool, source)
    assert removals(record) == [("alone", "sys.settrace")]
    assert record.events[-1].value == "[1]"


def test_a_profiler_sees_what_it_would_alone(every_pool: Pool) -> None:
    source = """
    import cProfile, io, pstats, sys, threading

    def work(n):
        return sum(sorted(range(n)))

    def f():
        seen = []
        sys.setprofile(lambda frame, kind, arg: seen.append((frame.f_code.co_name, kind)))
        work(3)
        sys.setprofile(None)
        profile = cProfile.Profile()
        profile.enable()
        work(2)
        profile.disable()
        calls = {key[2]: row[0] for key, row in pstats.Stats(profile, stream=io.StringIO()).stats.items()}
        return seen, sorted(calls.items())
    """
    record = unnoticed(every_pool, source)
    assert removals(record) == []
    assert "'work'" in str(record.events[-1].value)


def test_a_program_that_monitors_itself(every_pool: Pool) -> None:
    source = """
    import sys

    def work(n):
        for i in range(n):
            n += i
        return n

    def f():
        if not hasattr(sys, "monitoring"):
            return "too old"
        monitoring = sys.monitoring
        seen = []
        monitoring.use_tool_id(3, "own")
        events = monitoring.events
        monitoring.register_callback(3, events.PY_START, lambda code, at: seen.append(code.co_name))
        monitoring.register_callback(3, events.LINE, lambda code, line: seen.append((code.co_name, line)))
        monitoring.register_callback(3, events.PY_RETURN, lambda code, at, value: seen.append(value))
        monitoring.set_local_events(3, work.__code__, events.PY_START | events.LINE | events.PY_RETURN)
        work(2)
        monitoring.set_local_events(3, work.__code__, 0)
        monitoring.free_tool_id(3)
        return seen
    """
    record = unnoticed(every_pool, source)
    assert removals(record) == []


def test_a_scripted_debugger(every_pool: Pool) -> None:
    source = """
    import io, pdb

    def work(n):
        n += 1
        m = n * 2
        return m

    def f():
        out = io.StringIO()
        script = io.StringIO("step\\nstep\\nnext\\np n\\nup\\np script is not None\\ncontinue\\n")
        debugger = pdb.Pdb(stdin=script, stdout=out, nosigint=True, readrc=False)
        debugger.use_rawinput = False
        debugger.set_trace()
        value = work(1)
        after = value + 1
        return after, out.getvalue()
    """
    record = unnoticed(every_pool, source)
    assert [cause for _, cause in removals(record)] == ["sys.settrace"]


def test_bdb_trace_and_doctest(every_pool: Pool) -> None:
    source = '''
    import bdb, contextlib, doctest, io, trace

    def work(n):
        """Work.

        >>> work(2)
        3
        >>> work(-1)
        'never'
        """
        n += 1
        return n

    class Counter(bdb.Bdb):
        lines = 0
        def user_line(self, frame):
            self.lines += 1
            self.set_step()

    def f():
        counter = Counter()
        counter.runcall(work, 1)
        tracer = trace.Trace(count=1, trace=0)
        tracer.runfunc(work, 5)
        counts = sorted(line for (_, line), n in tracer.results().counts.items())
        out = io.StringIO()
        runner = doctest.DocTestRunner(verbose=False)
        test = doctest.DocTestFinder().find(work, "work", globs={"work": work})[0]
        runner.run(test, out=out.write)
        return counter.lines, counts, tuple(runner.summarize(verbose=False))[:2], "'never'" in out.getvalue()
    '''
    record = unnoticed(every_pool, source)
    assert [cause for _, cause in removals(record)] == ["sys.settrace"]


def test_a_program_that_counts_its_depth_may_notice_and_the_label_says_so(every_pool: Pool) -> None:
    source = """
    import sys

    def deeper(n):
        try:
            return deeper(n + 1)
        except RecursionError:
            return n

    def f():
        sys.setrecursionlimit(400)
        return deeper(0), sys.getrecursionlimit()
    """
    job = make_job(source, "f()")
    runs = [run_inputs(every_pool, job, [0], traced=traced)[0] for traced in (True, True, False)]
    depths = [literal_eval(str(ending_of(run)[2]))[0] for run in runs]
    assert depths[0] == depths[1]
    assert 0 <= depths[0] - depths[2] < 60
    assert check_run(*runs).label == ("verified" if ending_of(runs[0]) == ending_of(runs[2]) else "perturbed")


TIME_OUTS = Path(time_outs.__file__).read_text()


def test_a_time_out_of_the_programs_own(every_pool: Pool) -> None:
    # It came within the recorder nearly always, and ended the recording.
    record = unnoticed(every_pool, TIME_OUTS)
    assert removals(record) == []
    assert [record.codes[frame.code].name for frame in record.frames] == ["main", "f", "late"]
    assert record.events[-1].value == "'late'"


def test_what_an_input_leaves_of_signals_is_not_the_next_ones(every_pool: Pool) -> None:
    job = make_job(TIME_OUTS, "g()", "h()")
    for traced in (False, True):
        rows = run_inputs(every_pool, job, [0, 1], traced=traced)
        assert [ending_of(row)[2] for row in rows.values()] == ["(True, True)", "(True, (0.0, 0.0))"]
