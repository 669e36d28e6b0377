"""What JetStream adds to the bus, against real servers."""
