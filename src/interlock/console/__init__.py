"""The web console: pages over the public API, and nothing else. It has no door of its own."""
