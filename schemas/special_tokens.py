"""Names of the special tokens that renderers emit and tokenizers encode. Ids are configuration, never constants.

With the Llama-3 ranks the published CWM ids are 128000 + offset; in general ``max(rank) + 1 + offset``
(CWM ``PROMPTING_GUIDE`` and ``tokenizers.py``, which call offsets 8 and 9 ``eom_id`` and ``eot_id``).
"""

from typing import Final

BEGIN_OF_TEXT: Final = "<|begin_of_text|>"
END_OF_TEXT: Final = "<|end_of_text|>"
PAD: Final = "<|pad|>"
START_HEADER: Final = "<|start_header_id|>"
END_HEADER: Final = "<|end_header_id|>"
END_OF_MESSAGE: Final = "<|eom_id|>"
END_OF_TURN: Final = "<|eot_id|>"
FRAME_SEP: Final = "<|frame_sep|>"
ACTION_SEP: Final = "<|action_sep|>"
RETURN_SEP: Final = "<|return_sep|>"
CALL_SEP: Final = "<|call_sep|>"
LINE_SEP: Final = "<|line_sep|>"
EXCEPTION_SEP: Final = "<|exception_sep|>"
ARG_SEP: Final = "<|arg_sep|>"
TRACE_CONTEXT_START: Final = "<|trace_context_start|>"

OFFSETS: Final[dict[str, int]] = {
    BEGIN_OF_TEXT: 0,
    END_OF_TEXT: 1,
    PAD: 4,
    START_HEADER: 6,
    END_HEADER: 7,
    END_OF_MESSAGE: 8,
    END_OF_TURN: 9,
    FRAME_SEP: 100,
    ACTION_SEP: 101,
    RETURN_SEP: 102,
    CALL_SEP: 103,
    LINE_SEP: 104,
    EXCEPTION_SEP: 105,
    ARG_SEP: 106,
    TRACE_CONTEXT_START: 107,
}
"""Offset of each token above the last rank."""
