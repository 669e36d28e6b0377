"""The HTTP API: parse, call one service function, render. No rule lives here."""
