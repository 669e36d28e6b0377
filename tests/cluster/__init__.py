"""Several processes on one store: who holds what, what a paused one may still do, and what survives which death."""
