"""Stations of another package that boot and report statuses at once, and a back end that takes its time."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from back_end import now
from checks import equal

STATIONS = 10
CONNECTORS = 8
TAKES = 0.1  # seconds for each answer


@asynccontextmanager
async def slow_back_end(broker):
    """Answers every CALL, each after a while, and those of one station side by side."""
    answering = set()

    async def answer(client, call, charge_point):
        await asyncio.sleep(TAKES)
        payload = {"currentTime": now(), "interval": 60, "status": "Accepted"} if call["Action"] == "BootNotification" else {}
        result = {"MessageTypeId": 3, "UniqueId": call["UniqueId"], "Payload": payload}
        await client.publish(f"ocpp/cs/{charge_point}", json.dumps(result), qos=1)

    async def serve(client):
        async for message in client.messages:
            call = json.loads(message.payload)
            task = asyncio.create_task(answer(client, call, str(message.topic).rsplit("/", 1)[1]))
            answering.add(task)
            task.add_done_callback(answering.discard)

    async with aiomqtt.Client("127.0.0.1", broker) as client:
        client.pending_calls_threshold = STATIONS * (1 + CONNECTORS)  # it warns of more
        await client.subscribe("ocpp/cp/+", qos=1)
        serving = asyncio.create_task(serve(client))
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, *answering, return_exceptions=True)


async def burst(checks, ports, node):
    async with slow_back_end(ports.broker):
        with checks.check(f"{STATIONS} stations send a boot and {CONNECTORS} statuses at once and get all results"):
            outputs = await asyncio.gather(*(station(ports.gateway, node, number) for number in range(STATIONS)))
            equal(outputs, [f"{1 + CONNECTORS} results"] * STATIONS)


async def station(port, node, number):
    script = Path(node) / "burst.mjs"
    process = await asyncio.create_subprocess_exec(
        *("node", script, f"ws://127.0.0.1:{port}/ocpp", f"burst-{number}", "ocpp1.6", str(CONNECTORS)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        return output.decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
