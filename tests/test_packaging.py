"""What is installed: four names that are ours alone, one command, pages in the wheel."""

from __future__ import annotations

import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = ("media", "signaling", "realtime", "storage")
ALLOWED_AT_TOP = {"pyproject.toml", "README.md", "LICENSE", "Makefile", *OURS, "tests", "deploy"}


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_brings_a_package_of_our_name(name: str) -> None:
    """Their names are generic: a library that brought its own `media` would be imported instead of ours."""
    bringers = set(packages_distributions().get(name, [])) - {"cordboard"}
    assert not bringers, f"{name} also comes with {bringers}: the virtual environment is not ours alone"


@pytest.mark.parametrize("name", OURS)
def test_our_packages_are_imported_from_this_checkout(name: str) -> None:
    module = __import__(name)
    assert Path(module.__file__ or "").parent == ROOT / name


def test_it_is_never_uploaded() -> None:
    assert "Private :: Do Not Upload" in PROJECT["classifiers"]


def test_the_command_is_installed() -> None:
    scripts = {point.name: point.value for point in distribution("cordboard").entry_points}
    assert scripts["cordboard"] == "signaling.cli:main"


def test_the_top_level_is_as_agreed() -> None:
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in tracked.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= ALLOWED_AT_TOP


@pytest.mark.parametrize("lock", ["demo.txt", "test.txt"])
def test_every_locked_package_has_hashes(lock: str) -> None:
    text = (ROOT / "deploy" / "lock" / lock).read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(pins) > 40
    assert [line.split(" ")[0] for line in pins if "--hash=sha256:" not in line] == []


def test_locks_name_no_download_address() -> None:
    for path in [*(ROOT / "deploy" / "lock").glob("*.txt"), *ROOT.glob("signaling/pages/package-lock.json")]:
        text = path.read_text()
        assert "--index-url" not in text
        assert '"resolved": "http' not in text, path
