"""Renderers: pure functions from a record to text, and the parsers that read it back."""
