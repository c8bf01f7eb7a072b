"""Bug-fix tasks and the agent that works on them. Reserved: its issues come after the road from functions to Parquet."""
