"""`python -m convverify` is the command `convverify`."""

from convverify.cli import main

main()
