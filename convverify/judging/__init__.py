"""Judging: what is called, what was observed, and what must hold of it."""
