"""`python -m realtime.simulator`: the simulator on its own, spoken, until Ctrl-C."""

import argparse
import asyncio
import contextlib
import sys

from realtime.simulator.server import serve
from realtime.simulator.speech import SpeechUnavailable


def main() -> int:
    """Exit code 1 with one line on standard error when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m realtime.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    arguments = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(arguments.host, arguments.port))
    except SpeechUnavailable as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except OSError as problem:
        sys.stderr.write(
            f"cannot listen on {arguments.host}:{arguments.port}: {problem.strerror or problem}\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
