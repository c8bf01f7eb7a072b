"""The guest of the checks. Runs inside sandboxes: standard library only, Python 3.8 and later."""
