"""Finished files in an S3-compatible object store, through obstore (https://developmentseed.org/obstore/).

Large files go up in parts (S3's multipart upload); a part that fails is tried again, and an object is only there once
all of it is. obstore is the extra `s3`: one wheel without dependencies, where s3fs brings botocore and nine others.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PART_BYTES: Final = 8 * 1024 * 1024  # S3's smallest part is 5 MiB; a recording of 20 minutes fits in one
PARTS_AT_ONCE: Final = 2  # a media server's uplink belongs to the calls
CHUNK: Final = 256 * 1024  # bytes handed on at a time when reading
RETRIES: Final = 3  # of each request, with backoff; the whole upload is tried again by whoever asked for it
RETRY_WITHIN: Final = timedelta(seconds=30)


class StoreUnavailable(OSError):
    """The object store refused, or could not be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """Where the bucket is and who asks. Keys that are None are looked for where AWS tools look: environment, role."""

    url: str  # s3://bucket or s3://bucket/prefix
    endpoint: str | None = None  # of stores that are not Amazon's: https://minio.example.com
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None

    def __repr__(self) -> str:
        return f"BucketAddress(url={self.url!r}, endpoint={self.endpoint!r})"


class Bucket:
    """Raises StoreUnavailable where the store cannot do it, FileNotFoundError for a name it does not have."""

    def __init__(self, address: BucketAddress) -> None:
        """Connects to nothing yet. Raises ModuleNotFoundError without the extra `s3`, ValueError for a wrong URL."""
        import obstore
        from obstore.store import S3Store

        parts = urlsplit(address.url)
        if parts.scheme != "s3" or not parts.netloc:
            raise ValueError(f"{address.url!r} is not the address of a bucket: write s3://bucket/prefix")
        config: dict[str, Any] = {
            "endpoint": address.endpoint,
            "region": address.region or "us-east-1",
            "access_key_id": address.access_key,
            "secret_access_key": address.secret_key,
        }
        self._obstore = obstore
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config={name: value for name, value in config.items() if value is not None},  # type: ignore[arg-type]  # built by name
            client_options={"allow_http": (address.endpoint or "").startswith("http://")},
            retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_WITHIN},
        )

    async def put(self, name: str, path: Path) -> None:
        """Uploads the file at `path`; returns once the store has confirmed all of it."""
        size = await asyncio.to_thread(os.path.getsize, path)
        try:
            await self._obstore.put_async(
                self._store,
                name,
                path,
                attributes={"Content-Type": "audio/ogg"},
                use_multipart=size > PART_BYTES,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
            found = await self._obstore.head_async(self._store, name)
        except Exception as error:
            raise _translated(error, name) from error
        if found["size"] != size:
            raise StoreUnavailable(f"the object store has {found['size']} bytes of {name}: not all of it")

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start` on."""
        if length <= 0:
            return
        try:
            found = await self._obstore.get_async(
                self._store, name, options={"range": (start, start + length)}
            )
            async for piece in found.stream(min_chunk_size=CHUNK):
                yield bytes(piece)
        except Exception as error:
            raise _translated(error, name) from error

    async def delete(self, name: str) -> None:
        """Gone afterwards, also where it was not there."""
        try:
            await self._obstore.delete_async(self._store, name)
        except Exception as error:
            failure = _translated(error, name)
            if not isinstance(failure, FileNotFoundError):
                raise failure from error


def _translated(error: Exception, name: str) -> OSError:
    """obstore raises NotFoundError (a FileNotFoundError), and its own base class for all the rest."""
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"the object store does not have {name}")
    return StoreUnavailable(f"the object store did not take or give {name}: {type(error).__name__}")
