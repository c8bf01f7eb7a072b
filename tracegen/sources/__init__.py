"""Where jobs come from: files, modules, doctests, JSON lines, a call expression."""
