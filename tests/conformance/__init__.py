"""What any store and any bus promises. A new engine adds one line to conftest.py and must pass everything here."""
