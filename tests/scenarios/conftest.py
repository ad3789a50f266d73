"""What every scenario starts from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.scenarios.house import House, open_house


@pytest.fixture
def house(
    redis_url: str, database_url: str, tmp_path: Path
) -> Callable[..., AbstractAsyncContextManager[House]]:
    """`async with house(mind=…) as running:` a whole Cordboard of the test's own."""
    return partial(open_house, redis_url=redis_url, database_url=database_url, folder=tmp_path)


@pytest.fixture(scope="session")
def built_pages() -> Path:
    """The folder of built pages; `make test` builds them."""
    pages = Path(__file__).parents[2] / "signaling" / "static"
    assert (pages / "phone.html").is_file(), "the pages are not built: make pages"
    return pages
