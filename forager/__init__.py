"""Bug-fix tasks and the agent that works on them. Empty until its issues come."""
