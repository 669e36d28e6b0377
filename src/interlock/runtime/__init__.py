"""The process: asyncio, environment, clock, logging, signals. Everything that the rest of the house must not touch."""
