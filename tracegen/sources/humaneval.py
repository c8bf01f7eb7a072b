"""The HumanEval form: the module is prompt + solution, the calls that ``check`` makes become inputs."""

from collections.abc import Mapping

from schemas.job import Provenance, TraceInput
from tracegen.sources.base import Planned, Rejected
from tracegen.sources.calls import call_with_arguments, unknown_name
from tracegen.sources.check_calls import CheckCalls
from tracegen.sources.code_rows import INPUTS_PER_JOB, snippet
from tracegen.sources.jobs import JobFactory
from tracegen.sources.json_rows import code_of, text_of
from tracegen.sources.python_source import parse
from tracegen.sources.scopes import readable_names


def plan_humaneval(
    content: Mapping[str, object], source_id: str, place: Provenance, factory: JobFactory
) -> list[Planned]:
    """Return the row's jobs; calls that cannot be taken from the test are counted by reason.

    A row without any call is kept for made inputs. Raises ``Rejected``: ``bad_row``, ``syntax_error``,
    ``unknown_entry``.
    """
    code = code_of(content, "prompt") + (text_of(content, "canonical_solution") or "")
    entry = code_of(content, "entry_point")
    names = readable_names(code, factory.settings.python)
    if not names.has(entry):
        raise unknown_name(entry, names)
    found = CheckCalls(parse(code_of(content, "test")), code_of(content, "test"), names)
    factory.statistics.skipped.update(found.skipped)
    inputs: list[TraceInput] = []
    for call in found.calls:
        try:
            text = call_with_arguments(entry, call.arguments, names).text
        except Rejected:
            factory.statistics.skipped["test_call_malformed"] += 1
            continue
        inputs.append(TraceInput(source_id=f"{source_id}[{len(inputs)}]", text=text, expected=call.expected))
    if not inputs:
        factory.statistics.rows_without_inputs += 1
        factory.without_inputs(source_id, snippet(code), (entry,), place)
    parts = (inputs[start : start + INPUTS_PER_JOB] for start in range(0, len(inputs), INPUTS_PER_JOB))
    return [factory.job("function", entry, snippet(code), part, place) for part in parts]
