"""The sentences of ``prose``: ``{name}``, ``{value}``, ``{before}``, ``{line}`` and ``{what}`` are the record's words.

Every template of a group says the same. None says why a thing happens: a record does not hold that.
"""

from typing import Final

Templates = tuple[str, ...]

BEGINNINGS: Final[Templates] = (
    "This is what happens in `{what}`, step by step.",
    "We follow `{what}` line by line.",
    "Here is the run of `{what}`, one step after the other.",
)
ENDINGS: Final[dict[str, Templates]] = {
    "returned": ("The run ends with a return.", "In the end, this run returns."),
    "raised": ("The run ends with an exception.", "In the end, an exception leaves this run."),
    "exited": ("The run ends with the program's exit.", "In the end, the program exits."),
    "event_limit": ("The recording stopped at its limit of events.",),
    "byte_limit": ("The recording stopped at its limit of bytes.",),
    "timeout": ("The recording stopped when its time was up.",),
    "killed": ("The recording stopped when the process was killed.",),
}
LINES: Final[dict[bool, Templates]] = {
    True: (
        "Line {number}, `{line}`, runs.",
        "Now line {number} runs: `{line}`.",
        "`{what}` runs line {number}: `{line}`.",
        "Next is line {number}, `{line}`.",
    ),
    False: ("Line {number} of `{what}` runs.", "Now `{what}` runs line {number}."),
}
CALLS: Final[Templates] = ("`{what}` is entered.", "Now `{what}` starts.", "`{what}` begins.")
CALLS_WITH: Final[Templates] = ("`{what}` is entered with ", "Now `{what}` starts with ", "`{what}` begins with ")
ARGUMENT: Final[Templates] = ("`{name}` = `{value}`",)
RESUMES: Final[Templates] = ("`{what}` goes on at line {number}.", "Line {number} of `{what}` is where it resumes.")
RETURNS: Final[Templates] = ("`{what}` returns `{value}`.", "The result of `{what}` is `{value}`.")
YIELDS: Final[Templates] = ("`{what}` yields `{value}`.", "`{what}` hands out `{value}` and pauses.")
EXCEPTIONS: Final[Templates] = (
    "On line {number} of `{what}` there is the exception `{value}`.",
    "The exception `{value}` is seen on line {number} of `{what}`.",
)
LEAVES: Final[Templates] = ("The exception leaves `{what}`.", "`{what}` is left by the exception.")
MEANWHILE: Final[Templates] = (
    "Back in `{what}`, some of its variables are not as they were last told.",
    "In `{what}` something has changed since it was last told.",
)
UNDER_WAY: Final[Templates] = ("`{what}` is under way.", "`{what}` has been running before.")
HOLDS: Final[Templates] = ("`{name}` is `{value}`.", "Its `{name}` is `{value}`.")
BINDS: Final[Templates] = (
    "`{name}` is now `{value}`.",
    "`{name}` is bound to `{value}`.",
    "This binds `{name}` to `{value}`.",
)
CHANGES: Final[Templates] = (
    "`{name}` goes from `{before}` to `{value}`.",
    "`{name}`, which was `{before}`, is now `{value}`.",
    "The value of `{name}` changes from `{before}` to `{value}`.",
)
DELETES: Final[Templates] = ("`{name}` is gone.", "The variable `{name}` is no longer bound.")
LEFT_OUT: Final[dict[str, Templates]] = {
    "untraced_call": ("(`{what}` runs untraced, {counted}.)",),
    "no_source": ("(`{what}` runs, {counted}, but its source is not known.)",),
    "tracer_removed": ("(The program removes the tracer: `{what}`, {counted}.)",),
    "loop": ("(Left out here: `{what}`, {counted}.)", "(What follows is not told: `{what}`, {counted}.)"),
    "stepped_over": (
        "(The call of `{what}` is stepped over, {counted}.)",
        "(`{what}` runs, {counted}; not told here.)",
    ),
    "no_expressions": ("(Not all expressions of {what} are recorded, {counted}.)",),
    "cut": ("(The {what} are not told here, {counted}.)",),
}
