"""History: one page from asv's results, for what asv's own pages lack.

`model` what was measured; `asv_files` checks asv's files, and `results` makes a history of them; `changes` finds regressions, resolved ones
included; `figures` draws; `page` puts it together.
"""
