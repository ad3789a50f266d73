"""One WebSocket text frame of a client (RFC 6455 section 5.2), in a few lines because it is made 50 times a second.

The library's own way (an object, a check, a buffer, a system call for each mask) costs some 10 µs more a frame,
measured at a call's rhythm by tests/benchmarks/realtime_socket.py: half a core-millisecond a second of a call.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

MASK_BYTES: Final = 4
_FIN_TEXT: Final = 0x81
_MASKED: Final = 0x80
_SHORT: Final = Struct("!BB")
_MEDIUM: Final = Struct("!BBH")
_LONG: Final = Struct("!BBQ")


def text_frame(message: bytes, mask: bytes) -> bytes:
    """The whole frame. `mask`: MASK_BYTES from a strong source, new for every frame (section 5.3)."""
    size = len(message)
    if size < 126:
        head = _SHORT.pack(_FIN_TEXT, _MASKED | size)
    elif size < 65_536:
        head = _MEDIUM.pack(_FIN_TEXT, _MASKED | 126, size)
    else:
        head = _LONG.pack(_FIN_TEXT, _MASKED | 127, size)
    return head + mask + apply_mask(message, mask)
