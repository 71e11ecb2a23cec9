"""The tutorial of the README, with no configuration: embedded broker, mosquitto_sub and mosquitto_pub."""

import asyncio
import tempfile

import websockets

from checks import equal, soon
from programs import program

BOOT = (
    '[2,"1200012677","BootNotification",{"chargePointVendor":"vendor1","chargePointModel":"model1"}]'
)
BOOT_PUBLISHED = (
    "ocpp/cp/chargePointSim "
    '{"MessageTypeId":2,"UniqueId":"1200012677","Action":"BootNotification",'
    '"Payload":{"chargePointVendor":"vendor1","chargePointModel":"model1"}}'
)
ACCEPTED = (
    '{"MessageTypeId":3,"UniqueId":"1200012677","Payload":{"currentTime":"2023-12-01T14:20:39+00:00",'
    '"interval":300,"status":"Accepted"},"Action":"BootNotification"}'
)
ACCEPTED_FRAME = (
    '[3,"1200012677",{"currentTime":"2023-12-01T14:20:39+00:00","interval":300,"status":"Accepted"}]'
)
STATUS = '[2,"1200012678","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]'


async def tutorial(checks, executable, logs):
    with tempfile.TemporaryDirectory() as empty:
        with checks.check("tutorial: the gateway runs with no configuration"):
            async with program(executable, log=logs / "tutorial.log", port=33033, cwd=empty) as gateway:
                await follow(checks)
                with checks.check("tutorial: SIGTERM ends the gateway with exit code 0"):
                    gateway.terminate()
                    equal(await soon(gateway.wait(), 15), 0)


async def follow(checks):
    # -d says when it has subscribed; stdbuf, since it keeps that back when writing to a pipe.
    subscribe = ["stdbuf", "-oL", "mosquitto_sub", "-t", "ocpp/#", "-v", "-d"]
    subscriber = await asyncio.create_subprocess_exec(*subscribe, stdout=asyncio.subprocess.PIPE)
    try:
        with checks.check("tutorial: mosquitto_sub subscribes to ocpp/#"):
            while not (await line(subscriber)).startswith("Subscribed"):
                pass
        async with websockets.connect("ws://127.0.0.1:33033/ocpp/chargePointSim", subprotocols=["ocpp1.6"]) as socket:
            with checks.check("tutorial: the BootNotification is on ocpp/cp/chargePointSim"):
                await socket.send(BOOT)
                equal(await published(subscriber), BOOT_PUBLISHED)
            with checks.check("tutorial: mosquitto_pub accepts the charge point"):
                publish = ["mosquitto_pub", "-t", "ocpp/cs/chargePointSim", "-m", ACCEPTED]
                publisher = await asyncio.create_subprocess_exec(*publish)
                equal(await soon(publisher.wait()), 0)
                equal(await soon(socket.recv()), ACCEPTED_FRAME)
            with checks.check("tutorial: the StatusNotification follows"):
                await socket.send(STATUS)
                while not (status := await published(subscriber)).startswith("ocpp/cp/chargePointSim "):
                    pass  # the subscriber sees what mosquitto_pub published, too
                assert '"Action":"StatusNotification"' in status, status
    finally:
        if subscriber.returncode is None:
            subscriber.kill()
        await subscriber.wait()


async def line(process):
    return (await soon(process.stdout.readline())).decode().rstrip("\n")


async def published(subscriber):
    """The next message, without what -d says in between."""
    while not (text := await line(subscriber)).startswith("ocpp/"):
        pass
    return text
