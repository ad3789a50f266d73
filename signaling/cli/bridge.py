"""`cordboard bridge`: the SIP bridge's files from the settings, and whether this machine could run them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from signaling.cli.bridge_demo import demo
from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from signaling.cli.check import Finding
    from signaling.settings import BridgeSettings

app = typer.Typer(
    help="The SIP bridge (Kamailio and rtpengine) in front of the media servers.", no_args_is_help=True
)

KAMAILIO_CFG: Final = "kamailio.cfg"
SOURCES: Final = Path(__file__).parents[2] / "deploy" / "bridge"
PROGRAMS: Final = {"kamailio": "kamailio", "rtpengine": "rtpengine-daemon"}  # program: Debian package
TLS_PACKAGE: Final = "kamailio-tls-modules"
CHECK_WITHIN_S: Final = 20.0  # `kamailio -c` needs a tenth of a second


app.command("demo")(demo)


@app.callback()
def bridge() -> None:
    """The SIP bridge: its files written from the [bridge] settings, and looked over."""


@app.command("render")
def render(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write into.")] = Path(
        ".cordboard/bridge"
    ),
    installed_in: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Where the files will be on the bridge; else the folder itself."),
    ] = None,
) -> None:
    """Write kamailio.cfg and what belongs to it; files of an earlier run are replaced."""
    settings = read_settings().bridge
    files = files_of(settings, installed_in or str(output.resolve()))
    try:
        write(files, output)
    except OSError as error:
        raise Failure(
            f"{output} cannot be written: {error.strerror}", remedy="choose another with -o"
        ) from None
    for name in files:
        typer.echo(output / name)


@app.command("check")
def check(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Is everything there that the bridge needs, and does Kamailio take its configuration? Exit code 1 if not."""
    settings = read_settings().bridge
    findings = list(look(settings))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            mark = {"ok": "ok  ", "warning": "warn", "bad": "BAD "}[finding.state]
            typer.echo(f"{mark}  {finding.name:<10} {finding.detail}")
            if finding.fix is not None:
                typer.echo(f"{'':17}fix: {finding.fix}")
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(ExitCode.NO)


def write(files: Mapping[str, str], folder: Path) -> None:
    """Each file as a whole or not at all; a tls.cfg that no longer belongs is taken away. Raises OSError."""
    from signaling.bridge_config import TLS_CFG

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        fresh = folder / f".{name}.new"
        fresh.write_text(text)
        fresh.replace(folder / name)
    if TLS_CFG not in files:
        (folder / TLS_CFG).unlink(missing_ok=True)


def look(settings: BridgeSettings) -> Iterator[Finding]:
    """Settings, programs, addresses, certificates, and Kamailio's own opinion."""
    from signaling.bridge_config import BridgeNotSet
    from signaling.bridge_config import render as rendered
    from signaling.cli.check import Finding

    yield _programs(settings)
    try:
        rendered(settings, folder="/etc/kamailio")
    except BridgeNotSet as error:
        for problem in error.problems:
            yield Finding(name="settings", state="bad", detail=problem)
        return
    yield Finding(name="settings", state="ok", detail=f"{len(settings.servers)} media server(s)")
    yield from _addresses(settings)
    if settings.certificate is not None:
        yield from _certificates(settings)
    if shutil.which("kamailio", path=_path()) is not None:
        yield _kamailio(settings)


def files_of(settings: BridgeSettings, folder: str) -> dict[str, str]:
    """Everything that Kamailio and rtpengine read, by name. Raises Failure."""
    from signaling.bridge_config import BridgeNotSet
    from signaling.bridge_config import render as rendered

    try:
        files = rendered(settings, folder=folder)
    except BridgeNotSet as error:
        raise Failure(str(error), code=ExitCode.SETTINGS) from None
    try:
        return {KAMAILIO_CFG: (SOURCES / KAMAILIO_CFG).read_text(), **files}
    except OSError:
        raise Failure(
            f"{SOURCES / KAMAILIO_CFG} is not there", remedy="run this from a checkout of Cordboard"
        ) from None


def _path() -> str:
    """Debian keeps kamailio in /usr/sbin, which is not on everybody's PATH."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


def _programs(settings: BridgeSettings) -> Finding:
    from signaling.cli.check import Finding

    missing = [package for name, package in PROGRAMS.items() if shutil.which(name, path=_path()) is None]
    if settings.certificate is not None and "kamailio" not in missing and not _has_tls_module():
        missing.append(TLS_PACKAGE)
    if not missing:
        return Finding(name="programs", state="ok", detail="kamailio, rtpengine")
    return Finding(
        name="programs",
        state="bad",
        detail=f"not installed: {', '.join(missing)}",
        fix=f"sudo apt-get install --no-install-recommends {' '.join(missing)}",
    )


def _has_tls_module() -> bool:
    return any(Path("/usr/lib").glob("*/kamailio/modules/tls.so"))


def _addresses(settings: BridgeSettings) -> Iterator[Finding]:
    """Only a warning: the files may be for another machine."""
    from signaling.cli.check import Finding

    for name in ("trunk_address", "media_address"):
        address = getattr(settings, name)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, 0))
            except OSError:
                yield Finding(
                    name="address",
                    state="warning",
                    detail=f"bridge.{name} {address} is not an address of this machine",
                    fix="run this on the bridge, or correct the setting",
                )
            else:
                yield Finding(name="address", state="ok", detail=f"bridge.{name} {address}")


def _certificates(settings: BridgeSettings) -> Iterator[Finding]:
    """The pair as OpenSSL reads it. Kamailio's user has to be able to read both as well."""
    import ssl

    from signaling.cli.check import Finding

    assert settings.certificate is not None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certificate, settings.private_key)
    except (OSError, ssl.SSLError) as error:
        yield Finding(
            name="TLS",
            state="bad",
            detail=f"certificate and key do not load: {error}",
            fix="both PEM, made for each other, readable: openssl x509 -in CERTIFICATE -noout -subject",
        )
    else:
        yield Finding(name="TLS", state="ok", detail=settings.certificate)


def _kamailio(settings: BridgeSettings) -> Finding:
    from signaling.cli.check import Finding

    with tempfile.TemporaryDirectory(prefix="cordboard-bridge-") as folder:
        write(files_of(settings, folder), Path(folder))
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command, on files of ours
                ["kamailio", "-c", "-E", "-f", str(Path(folder) / KAMAILIO_CFG)],  # noqa: S607 - wherever it is
                env={**os.environ, "PATH": _path()},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=CHECK_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Finding(
                name="kamailio", state="bad", detail=f"kamailio -c takes over {CHECK_WITHIN_S:g} s"
            )
    said = done.stdout + done.stderr
    if done.returncode == 0:
        return Finding(name="kamailio", state="ok", detail="kamailio -c: config file ok")
    wrong = [line for line in said.splitlines() if "CRITICAL" in line or "ERROR" in line]
    return Finding(
        name="kamailio",
        state="bad",
        detail=f"kamailio -c refuses the files: {wrong[0][:300] if wrong else said.strip()[-300:]}",
        fix="the packages of Debian 12 or newer are needed (Kamailio 5.6)",
    )
