"""The simulation: that it searches what it says it searches, and what it finds on the production code."""
