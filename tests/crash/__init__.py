"""Killing a real server, again and again, and looking at what is left."""
