"""The same service in a world we own: named signals, faults, and the known-bad variants that the checks must catch."""
