"""The console, as an application and in a real browser."""
