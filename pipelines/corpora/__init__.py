"""Corpora as plain rows: Parquet, Arrow, JSON lines and ``hf://`` paths, streamed with bounded memory."""
