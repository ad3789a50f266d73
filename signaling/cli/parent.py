"""Die with the process that started us, whatever it died of: no orphan keeps a port or a database."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "CORDBOARD_PARENT"
"""Set by `cordboard demo` for its own children: the process id that they must not outlive."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent named in CORDBOARD_PARENT ends; without it, do nothing.

    The parent may have gone between fork and this call: then nobody would send the signal, so look.
    """
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        os._exit(1)
