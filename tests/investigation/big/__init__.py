"""Tests of logs too big to keep."""
