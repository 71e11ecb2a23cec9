"""A mosquitto whose bridge connects to the embedded broker, and carries messages both ways."""

import asyncio
from contextlib import asynccontextmanager

from checks import equal
from clients import Subscriber, publish
from programs import free_port, program

# As mosquitto calls the versions of a bridge.
VERSIONS = {4: "mqttv311", 5: "mqttv50"}


@asynccontextmanager
async def bridged(broker, version, logs):
    """The port of a mosquitto that is bridged to `broker`."""
    port = free_port()
    config = logs / f"bridge-{version}.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type all\n"
        f"connection gateway{version}\naddress 127.0.0.1:{broker}\nbridge_protocol_version {VERSIONS[version]}\n"
        # Its first attempt has the bit for bridges in the protocol level (`try_private`), and is refused for it.
        "restart_timeout 1\ntopic bridged/# both 1\n"
    )
    async with program("mosquitto", "-c", config, log=logs / f"bridge-{version}.log", port=port):
        yield port


async def bridge(broker, version, logs):
    async with bridged(broker, version, logs) as outside:
        await carries(outside, broker, version, "bridged/in")
        await carries(broker, outside, version, "bridged/out")


async def carries(source, destination, version, topic):
    async with Subscriber(destination, version, topic) as subscriber:
        text = asyncio.create_task(subscriber.line())
        # Until the bridge is up, what is published at its other end goes nowhere.
        for _ in range(40):
            await publish(source, version, topic, "carried")
            done, _ = await asyncio.wait([text], timeout=0.5)
            if done:
                break
        equal(await text, f"{topic} carried")
