"""Programs that other people wrote for the reference API, run against ours from outside."""
