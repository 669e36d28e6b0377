"""Configuration as files: `interlock apply`, `diff` and `export`, through the public API and nothing else."""
