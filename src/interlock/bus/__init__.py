"""How the log reaches its consumers: durably, in order, at least once. Knows no rule and no SQL."""
