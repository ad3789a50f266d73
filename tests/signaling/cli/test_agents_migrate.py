"""`cordboard agents migrate`, from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "tests" / "realtime" / "legacy" / "samples" / "telephone_outreach.js"


@pytest.fixture
def migrate(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "signaling", "agents", "migrate", *map(str, arguments)],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "HOME": str(tmp_path),
                "PYTHONUTF8": "1",
            },
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


def test_the_three_files_are_written_and_the_agent_validates(migrate, tmp_path):
    result = migrate(
        SAMPLE, "-o", "agent.toml", "--report", "report.md", "--cases", "cases.toml", "--id", "outreach"
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "telephone_outreach.js: " in result.stderr
    assert "customerName has no value" in result.stderr
    assert tomllib.loads((tmp_path / "agent.toml").read_text())["id"] == "outreach"
    assert (tmp_path / "report.md").read_text().startswith("# telephone_outreach.js → agent `outreach`")
    assert len(tomllib.loads((tmp_path / "cases.toml").read_text())["cases"]) > 60
    validated = subprocess.run(
        [sys.executable, "-m", "signaling", "agents", "validate", "--path", str(tmp_path / "agent.toml")],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert validated.returncode == 0, validated.stderr


def test_without_a_name_the_document_goes_to_standard_output(migrate):
    result = migrate(SAMPLE)

    assert result.returncode == 0, result.stderr
    assert tomllib.loads(result.stdout)["id"] == "telephone-outreach"


def test_programs_get_the_rows(migrate):
    shown = json.loads(migrate(SAMPLE, "--json").stdout)

    assert {row["status"] for row in shown["rows"]} == {"ok", "check", "not carried over"}
    assert shown["counts"]["needs a look"] > 0


def test_a_file_that_is_there_is_not_overwritten_unasked(migrate, tmp_path):
    (tmp_path / "agent.toml").write_text("mine")

    refused = migrate(SAMPLE, "-o", "agent.toml")

    assert refused.returncode == 1
    assert "agent.toml is there already — name another file, or add --force" in refused.stderr
    assert (tmp_path / "agent.toml").read_text() == "mine"
    assert migrate(SAMPLE, "-o", "agent.toml", "--force").returncode == 0


@pytest.mark.parametrize(
    ("name", "data", "code", "what"),
    [
        ("gone.js", None, 2, "gone.js: No such file or directory"),
        (
            "sjis.js",
            "module.exports = { a: 'お世話' };".encode("cp932"),
            2,
            "iconv -f CP932 -t UTF-8 sjis.js",
        ),
        ("broken.js", b"const a = {\n", 1, "broken.js:1:11: '{' is never closed"),
        ("empty.js", b"", 1, "neither response texts nor keyword lists were found"),
        ("notes.txt", b"hello", 1, "unknown kind of file 'txt'"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_a_remedy(migrate, tmp_path, name, data, code, what):
    if data is not None:
        (tmp_path / name).write_bytes(data)

    result = migrate(name)

    assert result.returncode == code
    assert what in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_an_id_that_no_agent_can_have_is_refused(migrate):
    result = migrate(SAMPLE, "--id", "Not An Id")

    assert result.returncode == 2
    assert "give another --id" in result.stderr
