"""Logs that do not fit into memory: rows instead of entries, spilled by conversation, two workers, one pass."""
