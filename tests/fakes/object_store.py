"""A real S3-compatible server (moto's) in this process, with one bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from storage.objects.bucket import BucketAddress
from tests.fakes.servers import free_port

BUCKET = "recordings"


@dataclass(frozen=True)
class ObjectStore:
    """`client` is Amazon's own, to look at what is there."""

    url: str
    client: Any

    @property
    def address(self) -> BucketAddress:
        return BucketAddress(
            url=f"s3://{BUCKET}/calls", endpoint=self.url, access_key="key", secret_key="secret"
        )

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET)
        return [each["Key"] for each in found.get("Contents", [])]


@contextmanager
def object_store(port: int | None = None) -> Iterator[ObjectStore]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port or free_port(), verbose=False)
    server.start()
    try:
        host, own_port = server.get_host_and_port()
        url = f"http://{host}:{own_port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        yield ObjectStore(url, client)
    finally:
        server.stop()
