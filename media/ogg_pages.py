"""The pages of an Ogg stream (RFC 3533): where the last whole one ends, and how it is marked as the last.

A recording that was cut off in the middle is made a proper file with this: everything behind the last whole page
goes, and that page gets the end-of-stream flag and a new checksum. Knows bytes; knows nothing of files.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final, Protocol

HEADER: Final = struct.Struct("<4sBBqIIIB")  # RFC 3533 section 6, up to the number of segments
END_OF_STREAM: Final = 0x04
NO_PACKET_ENDS: Final = -1  # granule position of a page on which no packet ends
GRANULE_RATE: Final = 48_000  # RFC 7845 section 4: Opus counts at 48 kHz whatever it was made from
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_PRE_SKIP: Final = struct.Struct("<8sBBH")  # RFC 7845 section 5.1


class Bytes(Protocol):
    """Bytes that are already there, or a mapped file."""

    def __getitem__(self, part: slice, /) -> bytes: ...
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page within its stream."""

    start: int
    end: int
    granule: int


def checksum(page: bytes) -> int:
    """RFC 3533 section 6, field 7: CRC-32 with the same polynomial as zlib's, but unmirrored and from 0."""
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_MIRRORED)
    crc = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def pages(stream: Bytes) -> list[Page]:
    """Every whole page from the beginning on; stops at the first that is cut off, damaged or none."""
    found: list[Page] = []
    at = 0
    while (page := _page_at(stream, at)) is not None:
        found.append(page)
        at = page.end
    # Only the newest can have been torn by a power cut; the rest was checked by whoever plays it.
    while found and not _intact(stream[found[-1].start : found[-1].end]):
        found.pop()
    return found


def closed(page: bytes) -> bytes:
    """The same page, as the last one of its stream."""
    flagged = page[:5] + bytes((page[5] | END_OF_STREAM,)) + page[6:]
    return flagged[:22] + struct.pack("<I", checksum(flagged)) + flagged[26:]


def duration_ms(stream: Bytes, found: list[Page]) -> int:
    """How long the Opus audio on these pages lasts; 0 where there are only headers."""
    newest = max((page.granule for page in found if page.granule != NO_PACKET_ENDS), default=0)
    if not found or newest <= 0:
        return 0
    first = stream[found[0].start : found[0].end]
    head = first[HEADER.size + first[26] :]
    _, _, _, pre_skip = _PRE_SKIP.unpack_from(head)
    return max(0, newest - int(pre_skip)) * 1000 // GRANULE_RATE


def _page_at(stream: Bytes, at: int) -> Page | None:
    header = stream[at : at + HEADER.size]
    if len(header) < HEADER.size:
        return None
    magic, version, _, granule, _, _, _, segments = HEADER.unpack(header)
    if magic != b"OggS" or version != 0:
        return None
    lengths = stream[at + HEADER.size : at + HEADER.size + segments]
    end = at + HEADER.size + segments + sum(lengths)
    if len(lengths) < segments or end > len(stream):
        return None
    return Page(start=at, end=end, granule=granule)


def _intact(page: bytes) -> bool:
    (written,) = struct.unpack_from("<I", page, 22)
    return bool(written == checksum(page))
