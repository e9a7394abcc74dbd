"""Operations: what is right.  Exact arithmetic, proven bounds on rounding errors, special values."""
