"""Campaigns: run, confirm, shrink and explain."""
