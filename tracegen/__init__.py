"""Functions, tests and programs -> ``TraceRecord`` -> text."""
