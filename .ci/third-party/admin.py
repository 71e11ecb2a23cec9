"""The admin API as its own description has it: schemathesis against a gateway with a token and one charge point."""

import asyncio
import contextlib
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import websockets

from checks import soon
from programs import free_port, program

TOKEN = "a-token-for-tests-only"

# What there is to be tested. Of events and messages, which never end, each is checked as it arrives.
COMMAND = [
    Path(sys.executable).with_name("schemathesis"),
    "run",
    "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,ignored_auth",
    "--phases=examples,coverage,fuzzing",
    "--max-examples=40",
    "--max-time=120",
    "--request-timeout=20",
    "--seed=1",
    "--no-color",
    f"--header=Authorization: Bearer {TOKEN}",
]


async def admin(checks, executable, logs):
    with checks.check("admin: schemathesis finds no server error, and no answer that is not as described"):
        async with gateway(executable, logs) as (ocpp, port):
            async with charge_point(ocpp):
                with open(logs / "schemathesis.log", "wb") as log:
                    url = f"http://127.0.0.1:{port}"
                    command = [*COMMAND, f"--url={url}", f"{url}/api/openapi.json"]
                    process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=logs)
                    try:
                        ended = await soon(process.wait(), 300)
                    finally:
                        with contextlib.suppress(ProcessLookupError):
                            process.kill()
                if ended != 0:
                    raise AssertionError((logs / "schemathesis.log").read_text()[-4000:])


@asynccontextmanager
async def gateway(executable, logs):
    """A gateway with its own broker; its ports for charge points and operators."""
    ocpp, port, broker = free_port(), free_port(), free_port()
    settings = {
        "OCPP_GATEWAY__MQTT__EMBEDDED__LISTEN": f"127.0.0.1:{broker}",
        "OCPP_GATEWAY__OCPP__LISTEN": f"127.0.0.1:{ocpp}",
        "OCPP_GATEWAY__ADMIN__LISTEN": f"127.0.0.1:{port}",
        "OCPP_GATEWAY__ADMIN__TOKEN": TOKEN,
    }
    async with program(executable, log=logs / "admin.log", port=port, settings=settings):
        yield ocpp, port


@asynccontextmanager
async def charge_point(port):
    """CP001, which accepts whatever it is asked, and comes back when it is thrown out."""
    connected = asyncio.Event()

    async def serve():
        async for socket in websockets.connect(f"ws://127.0.0.1:{port}/ocpp/CP001", subprotocols=["ocpp1.6"]):
            connected.set()
            with contextlib.suppress(websockets.ConnectionClosed):
                async for text in socket:
                    await socket.send(json.dumps([3, json.loads(text)[1], {"status": "Accepted"}]))

    task = asyncio.create_task(serve())
    try:
        await soon(connected.wait())
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
