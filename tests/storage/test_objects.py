"""Finished files in a folder and in an S3-compatible store: the same questions to both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.objects.bucket import Bucket, BucketAddress, StoreUnavailable
from storage.objects.folder import Folder
from tests.fakes.object_store import ObjectStore, object_store
from tests.fakes.servers import free_port

CONTENT = bytes(range(256)) * 40_000  # 10 MB: two parts of a multipart upload


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "call.opus"
    path.write_bytes(CONTENT)
    return path


async def all_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_a_large_file_goes_up_in_parts_and_is_read_in_ranges(store: ObjectStore, file: Path) -> None:
    bucket = Bucket(store.address)
    await bucket.put("call.opus", file)

    assert "calls/call.opus" in store.names()
    assert store.client.head_object(Bucket="recordings", Key="calls/call.opus")["ContentType"] == "audio/ogg"
    assert await all_of(bucket.read("call.opus", 0, len(CONTENT))) == CONTENT
    assert await all_of(bucket.read("call.opus", 5, 1000)) == CONTENT[5:1005]
    await bucket.delete("call.opus")
    await bucket.delete("call.opus")
    assert "calls/call.opus" not in store.names()
    with pytest.raises(FileNotFoundError):
        await all_of(bucket.read("call.opus", 0, 10))


async def test_a_store_that_is_away_is_an_os_error_without_any_secret(file: Path) -> None:
    address = BucketAddress(
        url="s3://recordings",
        endpoint=f"http://127.0.0.1:{free_port()}",
        access_key="ACCESSKEY",
        secret_key="SECRETKEY",
    )
    with pytest.raises(StoreUnavailable) as refused:
        await Bucket(address).put("call.opus", file)

    assert "KEY" not in str(refused.value) + repr(address)


def test_an_address_that_is_no_bucket_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        Bucket(BucketAddress(url="https://example.com/bucket"))


async def test_a_folder_reads_in_ranges_too(file: Path) -> None:
    folder = Folder(file.parent)

    assert await folder.holds("call.opus")
    assert await all_of(folder.read("call.opus", 300_000, 400_000)) == CONTENT[300_000:700_000]
    await folder.delete("call.opus")
    await folder.delete("call.opus")
    assert not await folder.holds("call.opus")


async def test_a_name_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    for name in ("../call.opus", "a/b.opus", "/etc/passwd", "", ".."):
        with pytest.raises(ValueError, match="not a file name"):
            await Folder(tmp_path).holds(name)
