"""One rule a file, or a close family: pure functions from a prepared history to findings. `table.py` lists them."""
