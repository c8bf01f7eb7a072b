"""The profile of property tests for ``make check``."""

from hypothesis import settings

settings.register_profile("quick", max_examples=25)
