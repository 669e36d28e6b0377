"""What other products' tests and manuals pin down about routing, held here as cases of our own, by number."""
