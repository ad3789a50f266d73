"""The house as the source has it: what may import what, and what a root file may not touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("media", "storage", "realtime", "signaling")
BELOW = {
    "media": set(),
    "storage": set(),
    "realtime": {"media", "storage"},
    "signaling": {"media", "storage", "realtime"},
}
# The only places that join I/O folders into a process.
MEETING_PLACES = ("signaling/server", "signaling/cli", "storage/worker")
DOORS = ("signaling/__main__.py",)
# What would let a root file wait, tell the time, open a socket or read the environment.
IMPURE_MODULES = {
    "asyncio", "socket", "ssl", "time", "os", "subprocess", "threading", "selectors", "signal", "random", "secrets",
    "aiohttp", "aiortc", "aioice", "websockets", "redis", "asyncpg", "openai", "av",
}  # fmt: skip
# An exception to the table, with its reason.
ALLOWED_IMPURE = {
    ("media/resampler.py", "av"): "PyAV's resampler is arithmetic on samples; it opens nothing",
    ("media/g711.py", "av"): "the same: a codec without a device",
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def files() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found if "node_modules" not in path.parts)


FILES = files()
ROOT_FILES = [path for path in FILES if len(path.parts) == 2 and path.name != "__init__.py"]


def imports(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Every module that a file names in an import, wherever the import stands."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            yield node.module or "", node
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def place(module: str) -> str:
    """The package or I/O folder that a module of ours belongs to."""
    parts = module.split(".")
    folder = ROOT.joinpath(*parts[:2])
    return "/".join(parts[:2]) if folder.is_dir() else parts[0]


def is_meeting_place(path: Path) -> bool:
    return str(path).startswith(MEETING_PLACES) or str(path) in DOORS


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 50
    assert len(ROOT_FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path: Path) -> None:
    package = path.parts[0]
    for module, node in imports(path):
        other = module.split(".")[0]
        if other in PACKAGES and other != package:
            assert other in BELOW[package], f"{path}:{node.lineno} imports {module}, which is not below it"


@pytest.mark.parametrize("path", ROOT_FILES, ids=str)
def test_a_root_file_is_pure(path: Path) -> None:
    if str(path) in DOORS:
        return
    for module, node in imports(path):
        top = module.split(".")[0]
        if (str(path), top) in ALLOWED_IMPURE:
            continue
        assert top not in IMPURE_MODULES, f"{path}:{node.lineno} imports {module}"
        if top in PACKAGES:
            assert "/" not in place(module), f"{path}:{node.lineno} imports {module} from an I/O folder"
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        is_async = isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await)
        assert not is_async or in_protocol(path, node), f"{path}:{node.lineno} is async"


def in_protocol(path: Path, wanted: ast.AST) -> bool:
    """A Protocol may describe something async: it is a shape, not a deed."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases):
            for inner in ast.walk(node):
                if type(inner) is type(wanted) and getattr(inner, "lineno", 0) == getattr(
                    wanted, "lineno", -1
                ):
                    return True
    return False


@pytest.mark.parametrize("path", FILES, ids=str)
def test_an_io_folder_knows_only_root_files_and_folders_below(path: Path) -> None:
    """Folders of one package are strangers: only a meeting place joins them."""
    if len(path.parts) < 3 or is_meeting_place(path):
        return
    own = "/".join(path.parts[:2])
    for module, node in imports(path):
        where = place(module)
        if where.split("/")[0] != path.parts[0] or "/" not in where:
            continue
        assert where == own, f"{path}:{node.lineno} imports {module}: {own} and {where} are joined elsewhere"


@pytest.mark.parametrize(
    "path", [path for path in FILES if str(path).startswith("realtime/simulator")], ids=str
)
def test_the_simulator_knows_nothing_of_ours(path: Path) -> None:
    """It sees only what comes over the wire, so that it cannot share the client's mistakes."""
    for module, node in imports(path):
        if module.split(".")[0] in PACKAGES:
            assert module.startswith("realtime.simulator"), f"{path}:{node.lineno} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_command_reads_the_environment(path: Path) -> None:
    if str(path).startswith("signaling/cli"):
        return
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        assert text not in ("os.environ", "os.getenv"), f"{path}:{getattr(node, 'lineno', 0)} reads {text}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_is_named_for_its_idea(path: Path) -> None:
    assert not FORBIDDEN_NAMES & {path.stem, *path.parts[:-1]}


@pytest.mark.parametrize("package", PACKAGES)
def test_root_files_have_no_circles(package: str) -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        graph[name] = {module for module, _ in module_level_imports(path)}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        for following in graph[name] & graph.keys():
            visit(following, (*trail, name))
        done.add(name)

    for name in graph:
        if name.split(".")[0] == package:
            visit(name, ())


def module_level_imports(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)
