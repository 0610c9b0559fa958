"""`python -m mlsignal`: the command line."""

from mlsignal.apps.cli import main

main()
