"""History: one page from asv's results, for what asv's own pages lack.

`model` what was measured; `results` reads it from asv's files; `changes` finds regressions, resolved ones included; `figures` draws;
`page` puts it together.
"""
