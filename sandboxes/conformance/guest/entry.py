"""Runs a job's payload as Python text that is given ``channel``."""

from typing import Any


def run(payload: bytes, channel: Any) -> None:
    """Execute the text."""
    exec(compile(payload, "<check>", "exec"), {"__name__": "check", "channel": channel})
