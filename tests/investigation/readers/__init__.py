"""Readers, from bytes to observations."""
