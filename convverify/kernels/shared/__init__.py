"""What several kernels that ship have in common: threads, and compiled loops."""
