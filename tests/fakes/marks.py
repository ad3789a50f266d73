"""Which tests name what: the arguments of `@pytest.mark.NAME(…)`, read off the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent.parent
# Our own folders; deeper lie the packages that foreign servers bring along.
PLACES = ("test_*.py", "*/test_*.py", "*/*/test_*.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedTest:
    """A test function that carries a mark."""

    folder: str  # that its file is in
    name: str
    fixtures: frozenset[str]  # what it asks for: the names of its parameters


def named_by_tests(mark_name: str) -> dict[Any, list[str]]:
    """Each argument of that mark → the test functions that carry it."""
    return {argument: [test.name for test in tests] for argument, tests in marked_tests(mark_name).items()}


@cache
def marked_tests(mark_name: str) -> dict[Any, list[MarkedTest]]:
    """Each argument of that mark → the tests that carry it, in all of our test files."""
    return marked_in(mark_name, [path for depth in PLACES for path in TESTS.glob(depth)])


def marked_in(mark_name: str, paths: list[Path]) -> dict[Any, list[MarkedTest]]:
    """The same, in these files."""
    named: dict[Any, list[MarkedTest]] = {}
    for path in paths:
        for argument, test in _marked(mark_name, path):
            named.setdefault(argument, []).append(test)
    return named


def _marked(mark_name: str, path: Path) -> Iterator[tuple[Any, MarkedTest]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test"):
            continue
        fixtures = frozenset(each.arg for each in (*node.args.args, *node.args.kwonlyargs))
        test = MarkedTest(folder=path.parent.name, name=node.name, fixtures=fixtures)
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{mark_name}":
                for argument in mark.args:
                    yield ast.literal_eval(argument), test
