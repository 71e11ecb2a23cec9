"""Hand-made frames: what the packages never send, byte for byte."""

import importlib.resources
import json
from contextlib import asynccontextmanager

import aiomqtt
import websockets
from jsonschema import Draft4Validator

from checks import equal, soon

# Number formats, escapes, spaces and an order of keys that no JSON library would write again like this.
ODD = r'{"vendorId":"odd" , "z":1.50,"a":-0.0,"big":12345678901234567890,"e":1E+3,"text":"\u00e9\/é","n":null}'


@asynccontextmanager
async def raw(ports, id, subprotocol):
    """A charge point's socket, and a subscription to all that it says."""
    async with aiomqtt.Client("127.0.0.1", ports.broker) as client:
        await client.subscribe(f"ocpp/cp/{id}/#", qos=1)
        url = f"ws://127.0.0.1:{ports.gateway}/ocpp/{id}"
        async with websockets.connect(url, subprotocols=[subprotocol]) as socket:
            yield socket, client


async def published(client):
    return await soon(anext(aiter(client.messages)))


async def byte_for_byte(checks, ports):
    async with raw(ports, "odd", "ocpp1.6") as (socket, client):
        with checks.check("a payload passes byte for byte, upwards"):
            await socket.send(f'[2,"odd-1","DataTransfer",{ODD}]')
            message = await published(client)
            wanted = f'{{"MessageTypeId":2,"UniqueId":"odd-1","Action":"DataTransfer","Payload":{ODD}}}'
            equal(message.payload.decode(), wanted)
        with checks.check("a payload passes byte for byte, downwards"):
            answer = f'{{"MessageTypeId":3,"UniqueId":"odd-1","Payload":{ODD},"Action":"DataTransfer"}}'
            await client.publish("ocpp/cs/odd", answer, qos=1)
            equal(await soon(socket.recv()), f'[3,"odd-1",{ODD}]')


async def send(checks, ports):
    """OCPP 2.1 has messages that no one answers."""
    payload = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0.5, "v": "1.5"}]}
    schema = importlib.resources.files("ocpp.v21.schemas") / "NotifyPeriodicEventStream.json"
    Draft4Validator(json.loads(schema.read_text("utf-8-sig"))).validate(payload)
    async with raw(ports, "sender", "ocpp2.1") as (socket, client):
        with checks.check("2.1: a SEND arrives and leaves the line free for a CALL"):
            await socket.send(json.dumps([6, "s-1", "NotifyPeriodicEventStream", payload]))
            await socket.send('[2,"s-2","Heartbeat",{}]')
            message = await published(client)
            equal(str(message.topic), "ocpp/cp/sender")
            wanted = {
                "MessageTypeId": 6,
                "UniqueId": "s-1",
                "Action": "NotifyPeriodicEventStream",
                "Payload": payload,
            }
            equal(json.loads(message.payload), wanted)
            equal(json.loads((await published(client)).payload)["UniqueId"], "s-2")


async def bad_frames(checks, ports):
    async with raw(ports, "bad-2", "ocpp2.0.1") as (socket, client):
        with checks.check("2.0.1: garbage is answered with RpcFrameworkError, and the connection stays"):
            await socket.send('[2,"half')
            equal(json.loads(await soon(socket.recv()))[:3], [4, "-1", "RpcFrameworkError"])
            await socket.send('[2,"after","Heartbeat",{}]')
            equal(json.loads((await published(client)).payload)["UniqueId"], "after")
    async with raw(ports, "bad-16", "ocpp1.6") as (socket, client):
        with checks.check("1.6: garbage with a readable id is answered with FormationViolation"):
            await socket.send('[2,"readable","Heartbeat",[]]')
            equal(json.loads(await soon(socket.recv()))[:3], [4, "readable", "FormationViolation"])
            # Once its messages come through, back ends reach it too.
            await socket.send('[2,"after","Heartbeat",{}]')
            equal(json.loads((await published(client)).payload)["UniqueId"], "after")
        with checks.check("a message for the charge point that is no object is reported on its reply topic"):
            await client.publish("ocpp/cs/bad-16", "not JSON", qos=1)
            message = await published(client)
            equal(str(message.topic), "ocpp/cp/bad-16/Reply")
            equal(json.loads(message.payload)["MessageTypeId"], 4)
