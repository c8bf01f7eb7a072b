"""Versions that travel with every record."""

RECORDER_VERSION = "0.5.2"
"""Part of every job's id: moves with any change of events or values."""

WIRE_VERSION = 3
"""Of the lines between recorder and host; the host refuses any other."""
