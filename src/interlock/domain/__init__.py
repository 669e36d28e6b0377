"""What is true: values and pure decisions. Standard library and msgspec only; no I/O, clock, randomness or async."""
