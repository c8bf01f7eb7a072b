"""The fork server. Runs inside the sandbox: standard library only, Python 3.8 and later."""
