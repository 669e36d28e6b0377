"""The incident, driven over HTTP."""
