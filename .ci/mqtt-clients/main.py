"""All clients on one gateway with its embedded broker; exits with 1 if a check fails."""

import argparse
import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import websockets

from bridge import bridge
from checks import Checks, equal, soon
from clients import CLIENTS, Subscriber, publish
from programs import free_port, program

VERSIONS = {4: "3.1.1", 5: "5"}


@asynccontextmanager
async def gateway(executable, logs):
    """A gateway with an embedded broker: the ports of the gateway and of the broker."""
    port, broker = free_port(), free_port()
    settings = {
        "OCPP_GATEWAY__MQTT__EMBEDDED__LISTEN": f"127.0.0.1:{broker}",
        "OCPP_GATEWAY__OCPP__LISTEN": f"127.0.0.1:{port}",
        "OCPP_GATEWAY__ADMIN__LISTEN": f"127.0.0.1:{free_port()}",
    }
    async with program(executable, log=logs / "gateway.log", port=port, settings=settings):
        yield port, broker


async def run(executable, node, logs):
    # A SIGTERM ends the task, which stops every program that it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    checks = Checks()
    with checks.check("the gateway runs through all of this"):
        async with gateway(executable, logs) as (port, broker):
            for version, name in VERSIONS.items():
                for client, (to_itself, text) in CLIENTS.items():
                    topic = f"check/{version}/{client.split()[0]}"
                    with checks.check(f"{client}: a message there and back in MQTT {name}"):
                        equal(await to_itself(broker, version, topic, node), f"{topic} {text}")
                with checks.check(f"a client of MQTT {name} takes the place of one with its id"):
                    await take_over(broker, version)
                with checks.check(f"a client of MQTT {name} talks with a charge point"):
                    await charge_point(port, broker, version)
                with checks.check(f"a mosquitto bridge of MQTT {name} carries messages both ways"):
                    await bridge(broker, version, logs)
    return checks


async def take_over(broker, version):
    """The first one's connection ends, for which mosquitto_sub gives up, and the second one is served."""
    async with Subscriber(broker, version, "check/first", "-i", "same") as first:
        async with Subscriber(broker, version, "check/second", "-i", "same") as second:
            await soon(first.process.wait())
            await publish(broker, version, "check/second", "still here")
            equal(await second.line(), "check/second still here")


async def charge_point(port, broker, version):
    async with Subscriber(broker, version, "ocpp/cp/#") as subscriber:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ocpp/CP{version}", subprotocols=["ocpp1.6"]) as socket:
            await socket.send('[2,"1","Heartbeat",{}]')
            call = '{"MessageTypeId":2,"UniqueId":"1","Action":"Heartbeat","Payload":{}}'
            equal(await subscriber.line(), f"ocpp/cp/CP{version} {call}")
            answer = '{"currentTime":"2026-11-25T12:00:00Z"}'
            result = f'{{"MessageTypeId":3,"UniqueId":"1","Payload":{answer}}}'
            await publish(broker, version, f"ocpp/cs/CP{version}", result)
            equal(await soon(socket.recv()), f'[3,"1",{answer}]')


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", type=Path, required=True)
    arguments.add_argument("--node", type=Path, required=True)
    arguments.add_argument("--logs", type=Path, required=True)
    arguments = arguments.parse_args()
    checks = asyncio.run(run(arguments.gateway.resolve(), arguments.node, arguments.logs))
    print(checks.summary())
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
