"""All checks against one gateway; exits with 1 if one fails."""

import argparse
import asyncio
import signal
import ssl
import sys
from pathlib import Path
from typing import NamedTuple

import frames
import sessions
from admin import admin
from burst import burst
from checks import Checks
from programs import gateway, mosquitto
from secure import secure
from terminator import terminator
from tutorial import tutorial


class Ports(NamedTuple):
    gateway: int
    broker: int
    tls: ssl.SSLContext | None = None
    password: str | None = None


async def run(executable, logs, node):
    # A SIGTERM ends the task, which stops every program that it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    checks = Checks()
    with checks.check("the gateway runs through all of this on mosquitto"):
        async with mosquitto(logs) as broker:
            # Short, since one check waits for it.
            async with gateway(
                executable,
                broker,
                logs,
                OCPP_GATEWAY__OCPP__CALL_TIMEOUT="3s",
                OCPP_GATEWAY__VALIDATION__MODE="both",
            ) as port:
                ports = Ports(port, broker)
                await sessions.session_16(checks, ports)
                await sessions.session_201(checks, ports)
                await sessions.session_21(checks, ports)
                await frames.send(checks, ports)
            async with gateway(executable, broker, logs) as port:
                ports = Ports(port, broker)
                await frames.byte_for_byte(checks, ports)
                await frames.bad_frames(checks, ports)
                await burst(checks, ports, node)
    await admin(checks, executable, logs)
    with checks.check("the gateway runs through a session over wss"):
        async with mosquitto(logs) as broker:
            await secure(checks, executable, broker, logs, Ports)
    with checks.check("the gateway runs through sessions behind HAProxy"):
        async with mosquitto(logs) as broker:
            await terminator(checks, executable, broker, logs, Ports)
    await tutorial(checks, executable, logs)
    return checks


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", type=Path, required=True)
    arguments.add_argument("--logs", type=Path, required=True)
    arguments.add_argument("--node", type=Path, required=True, help="the folder of burst.mjs with its packages")
    arguments = arguments.parse_args()
    checks = asyncio.run(run(arguments.gateway.resolve(), arguments.logs, arguments.node))
    print(checks.summary())
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
