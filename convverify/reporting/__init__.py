"""Reporting: terminal, and files for people and machines.  Reporters hear the campaign's events or read the report; they decide nothing."""
