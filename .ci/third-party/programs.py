"""Programs that are started for a check and stopped after it."""

import asyncio
import os
import socket
from contextlib import asynccontextmanager


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@asynccontextmanager
async def program(*command, log, port, settings=None, cwd=None):
    """A running program that listens on `port`; killed at the end if it still runs.

    `settings` are its whole gateway configuration, as OCPP_GATEWAY__ variables.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OCPP_GATEWAY__")}
    with open(log, "wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, env=plain | (settings or {}), cwd=cwd
        )
    try:
        await listens(port, process, log)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def listens(port, process, log):
    for _ in range(600):
        if process.returncode is not None:
            raise RuntimeError(f"ended with {process.returncode}: {open(log).read()}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}: {open(log).read()}")


@asynccontextmanager
async def mosquitto(logs):
    """A mosquitto of one's own; its port."""
    port = free_port()
    config = logs / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    async with program("mosquitto", "-c", config, log=logs / "mosquitto.log", port=port):
        yield port


@asynccontextmanager
async def gateway(executable, broker, logs, **settings):
    """A gateway on that broker; its port for charge points."""
    port = free_port()
    settings = {
        "OCPP_GATEWAY__MQTT__URL": f"mqtt://127.0.0.1:{broker}",
        "OCPP_GATEWAY__OCPP__LISTEN": f"127.0.0.1:{port}",
        "OCPP_GATEWAY__ADMIN__LISTEN": f"127.0.0.1:{free_port()}",
        **settings,
    }
    async with program(executable, log=logs / "gateway.log", port=port, settings=settings):
        yield port
