"""Tests of what is said of an investigation."""
