"""`python -m signaling` is the command `cordboard`."""

from signaling.cli import main

main()
