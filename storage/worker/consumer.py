"""What this worker is called in the consumer group.

The name must be the same after a restart, so that a worker finds what it had taken, and two workers that run
at once should have two, so that neither takes the other's work for its own. The host's name is the first one's;
beside it, each running worker holds a number on its host, the lowest that is free.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def consumer_name(redis_url: str) -> Iterator[str]:
    """Hold a name while the block runs: "host", or "host-2" beside another worker of the same Redis here.

    What is held is an address in Linux's abstract socket namespace: the kernel frees it when the process ends,
    however it ends. Where there is none (macOS) all workers of a host share one name; at worst two of them
    store the same event then, and the second finds it stored.
    """
    host = socket.gethostname()
    # The URL may hold a password, and the address can be read by everybody on the machine.
    redis_here = hashlib.sha256(redis_url.encode()).hexdigest()[:16]
    for number in itertools.count(1):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
            try:
                held.bind(f"\0cordboard-worker-{redis_here}-{number}")
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                number = 1
            yield host if number == 1 else f"{host}-{number}"
            return
