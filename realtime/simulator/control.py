"""The faults over HTTP, for a demo: `POST /_simulator/faults`, loopback only.

curl -X POST localhost:9000/_simulator/faults -d '{"kind": "drop_1011", "after": "response.done"}'
curl -X DELETE localhost:9000/_simulator/faults
"""

import ipaddress
from typing import Any

import msgspec
from aiohttp import web

from realtime.simulator.faults import Fault, Faults


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


def _is_loopback(request: web.Request) -> bool:
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def _described(fault: Fault) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(fault)
    return described


async def control_faults(request: web.Request, faults: Faults) -> web.Response:
    """GET lists the waiting orders, POST adds one (the arguments of `Faults.next`), DELETE forgets all."""
    if not _is_loopback(request):
        return _refused(403, "Faults can be ordered from this machine only.")
    if request.method == "DELETE":
        faults.clear()
    elif request.method == "POST":
        try:
            order = msgspec.json.decode(await request.read(), type=dict[str, Any])
            faults.next(**order)
        except (msgspec.MsgspecError, TypeError, ValueError) as problem:
            return _refused(400, f"Not a fault order: {problem}")
    return web.json_response({"waiting": [_described(fault) for fault in faults.waiting]})
