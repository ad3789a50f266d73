"""What axe-core finds on a page as it stands."""

from __future__ import annotations

import json
from typing import Any

from playwright.async_api import Page


async def violations(page: Page, axe_source: str) -> list[str]:
    """One line for each rule that is broken, with the elements."""
    await page.evaluate(axe_source)
    # Opacity on its way in or out is no colour of ours.
    await page.evaluate("Promise.all(document.getAnimations().map((one) => one.cancel()))")
    found: list[dict[str, Any]] = (await page.evaluate("axe.run()"))["violations"]
    return [f"{one['id']}: {json.dumps([node['html'] for node in one['nodes']])}" for one in found]
