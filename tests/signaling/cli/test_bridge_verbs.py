"""`cordboard bridge`, as typed, with Debian's Kamailio."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BRIDGE = {
    "CORDBOARD_BRIDGE__TRUNK_ADDRESS": "127.0.0.20",
    "CORDBOARD_BRIDGE__MEDIA_ADDRESS": "127.0.0.21",
    "CORDBOARD_BRIDGE__TRUNK_SOURCES": "127.0.0.10",
    "CORDBOARD_BRIDGE__SERVERS": "127.0.0.30:5070",
}
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cordboard(tmp_path: Path) -> Run:
    """Run `cordboard bridge …` in an empty folder with nothing but these variables."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "signaling", "bridge", *arguments],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **BRIDGE, **variables
            },
            capture_output=True,
            text=True,
            timeout=60,
        )  # fmt: skip

    return run


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {each["name"]: each for each in json.loads(done.stdout)}


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    """A pair of its own, as settings."""
    pem, key = tmp_path / "bridge.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=bridge.example.com", "-keyout", str(key), "-out", str(pem),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return {"CORDBOARD_BRIDGE__CERTIFICATE": str(pem), "CORDBOARD_BRIDGE__PRIVATE_KEY": str(key)}


def test_what_is_rendered_is_what_kamailio_takes_wherever_it_stands(cordboard: Run, tmp_path: Path) -> None:
    done = cordboard("render", "-o", "bridge")

    assert done.returncode == 0, done.stderr
    config = tmp_path / "bridge" / "kamailio.cfg"
    assert str(config.relative_to(tmp_path)) in done.stdout
    kamailio = shutil.which("kamailio", path="/usr/sbin:/usr/bin") or "kamailio: make test installs it"
    taken = subprocess.run([kamailio, "-c", "-E", "-f", config], cwd="/", capture_output=True, text=True)
    assert taken.returncode == 0, taken.stderr


def test_files_for_another_machine_name_its_folder(cordboard: Run, tmp_path: Path) -> None:
    cordboard("render", "-o", "out", "--installed-in", "/etc/kamailio")

    assert '"/etc/kamailio/dispatcher.list"' in (tmp_path / "out" / "bridge.cfg").read_text()


def test_a_certificate_that_is_gone_leaves_no_file_behind(
    cordboard: Run, certificate: dict[str, str], tmp_path: Path
) -> None:
    cordboard("render", "-o", "out", **certificate)
    assert (tmp_path / "out" / "tls.cfg").exists()

    cordboard("render", "-o", "out")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "address.list", "bridge.cfg", "dispatcher.list", "kamailio.cfg", "rtpengine.conf"
    ]  # fmt: skip


def test_settings_that_make_no_bridge_are_told_and_nothing_is_written(cordboard: Run, tmp_path: Path) -> None:
    done = cordboard("render", "-o", "out", CORDBOARD_BRIDGE__TRUNK_SOURCES="0.0.0.0/0")

    assert done.returncode == 3
    assert "half the world" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"CORDBOARD_BRIDGE__TRUNK_SRTP": "required", "CORDBOARD_BRIDGE__LAW": "PCMU"},
        {"CORDBOARD_BRIDGE__TRUNK_URI": "sip:trunk.example.com;transport=tcp"},
        {"CORDBOARD_BRIDGE__TRUNK_PUBLIC_ADDRESS": "192.0.2.7"},
    ],
)
def test_check_asks_kamailio_about_every_way_of_setting_it_up(
    cordboard: Run, certificate: dict[str, str], more: dict[str, str]
) -> None:
    done = cordboard("check", "--json", **certificate, **more)

    assert done.returncode == 0, done.stdout + done.stderr
    found = findings(done)
    assert {name: each["state"] for name, each in found.items()} == {
        "programs": "ok", "settings": "ok", "address": "ok", "TLS": "ok", "kamailio": "ok"
    }  # fmt: skip


def test_check_names_the_packages_that_are_missing(cordboard: Run, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()

    done = cordboard("check", "--json", PATH=str(empty))

    programs = findings(done)["programs"]
    assert "rtpengine-daemon" in programs["detail"]
    assert "apt-get install" in programs["fix"]
    assert "rtpengine-daemon" in programs["fix"]
    assert done.returncode == 1


def test_check_says_when_the_address_is_another_machines(cordboard: Run) -> None:
    done = cordboard("check", CORDBOARD_BRIDGE__TRUNK_ADDRESS="192.0.2.20")

    assert "192.0.2.20 is not an address of this machine" in done.stdout
    assert done.returncode == 0


def test_check_tries_the_certificate(cordboard: Run, certificate: dict[str, str]) -> None:
    other = certificate | {"CORDBOARD_BRIDGE__PRIVATE_KEY": certificate["CORDBOARD_BRIDGE__CERTIFICATE"]}

    done = cordboard("check", **other)

    assert "certificate and key do not load" in done.stdout
    assert done.returncode == 1


def test_the_demo_with_a_telephone_names_what_it_needs(cordboard: Run, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()

    done = cordboard("demo", PATH=str(empty))

    assert done.returncode == 1
    assert "apt-get install" in done.stderr
    assert "baresip-core" in done.stderr
