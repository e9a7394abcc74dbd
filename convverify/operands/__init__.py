"""Operands: the numbers that arrays hold, how they lie in memory, and the case that names both in one line."""
