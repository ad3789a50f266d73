"""Which tests name what: the arguments of `@pytest.mark.NAME(…)`, read off the sources."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
# Our own folders; deeper lie the packages that foreign servers bring along.
PLACES = ("test_*.py", "*/test_*.py", "*/*/test_*.py")


def named_by_tests(mark_name: str) -> dict[Any, list[str]]:
    """Each argument of that mark → the test functions that carry it."""
    named: dict[Any, list[str]] = {}
    for path in [path for depth in PLACES for path in TESTS.glob(depth)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith(
                "test"
            ):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{mark_name}":
                    for argument in mark.args:
                        named.setdefault(ast.literal_eval(argument), []).append(node.name)
    return named
