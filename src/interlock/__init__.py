"""Interlock: self-hosted work routing in which no assignment is ever lost."""

__version__ = "0.1.0"
