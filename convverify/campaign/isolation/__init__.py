"""Isolation: the kernel runs in processes of its own, which may crash, hang, or eat memory without taking the run with them."""
