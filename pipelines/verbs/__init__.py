"""One module per verb of the command line: arguments -> config -> one call."""
