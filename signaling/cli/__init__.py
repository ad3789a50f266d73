"""The command `cordboard`: one file per verb.

`main()` is the entry point. Verbs import what they need when they run, so that `--help` stays fast.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with one of the codes of `failure.ExitCode`."""
    from signaling.cli.command import run

    sys.exit(run(sys.argv[1:]))
