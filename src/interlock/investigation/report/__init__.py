"""What an investigation found, told: in the terminal, as a page, JSON, SARIF, a trace, a test; and redacted."""
