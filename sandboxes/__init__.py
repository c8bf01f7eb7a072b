"""Run jobs in isolation: argv, files, limits. Knows nothing of traces or agents."""
