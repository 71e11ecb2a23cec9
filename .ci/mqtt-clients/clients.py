"""One function for each client: it sends itself a message with QoS 1, and answers topic and text as they came."""

import asyncio
import queue

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from checks import soon

# By the number of the protocol's version.
TOOLS = {4: "mqttv311", 5: "mqttv5"}


async def with_paho(broker, version, topic, node):
    return await soon(asyncio.to_thread(paho_to_itself, broker, version, topic))


def paho_to_itself(broker, version, topic):
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5 if version == 5 else paho.MQTTv311)
    events = queue.Queue()
    client.on_connect = lambda client, data, flags, reason, properties: events.put(reason)
    client.on_subscribe = lambda client, data, mid, reasons, properties: events.put(reasons[0])
    client.on_message = lambda client, data, message: events.put(f"{message.topic} {message.payload.decode()}")
    client.connect("127.0.0.1", broker)
    client.loop_start()
    try:
        for what, act in [("connected", lambda: None), ("subscribed", lambda: client.subscribe(topic, qos=1))]:
            act()
            reason = events.get(timeout=5)
            if reason.is_failure:
                raise AssertionError(f"not {what}: {reason}")
        client.publish(topic, "from paho", qos=1).wait_for_publish(5)
        return events.get(timeout=5)
    finally:
        client.disconnect()
        client.loop_stop()


async def with_aiomqtt(broker, version, topic, node):
    protocol = aiomqtt.ProtocolVersion.V5 if version == 5 else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client("127.0.0.1", broker, protocol=protocol) as client:
        await client.subscribe(topic, qos=1)
        await client.publish(topic, "from aiomqtt", qos=1)
        message = await soon(anext(client.messages))
        return f"{message.topic} {message.payload.decode()}"


async def with_mqtt_js(broker, version, topic, node):
    return await output("node", node / "client.js", str(broker), str(version), topic)


async def with_mosquitto_tools(broker, version, topic, node):
    async with Subscriber(broker, version, topic) as subscriber:
        await publish(broker, version, topic, "from mosquitto_pub")
        return await subscriber.line()


async def with_mosquitto_rr(broker, version, topic, node):
    # It subscribes to the topic of the answer before it asks; here its own question is the answer.
    tool = ["mosquitto_rr", "-p", str(broker), "-V", TOOLS[version], "-q", "1", "-W", "5", "-v"]
    return await output(*tool, "-t", topic, "-e", topic, "-m", "from mosquitto_rr")


CLIENTS = {
    "paho": (with_paho, "from paho"),
    "aiomqtt": (with_aiomqtt, "from aiomqtt"),
    "MQTT.js": (with_mqtt_js, "from MQTT.js"),
    "mosquitto_sub and mosquitto_pub": (with_mosquitto_tools, "from mosquitto_pub"),
    "mosquitto_rr": (with_mosquitto_rr, "from mosquitto_rr"),
}


async def output(*command):
    """What a program prints, which has to end well."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        printed, problem = await soon(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise AssertionError(f"ended with {process.returncode}: {problem.decode()}")
    return printed.decode().strip()


async def publish(broker, version, topic, text):
    await output("mosquitto_pub", "-p", str(broker), "-V", TOOLS[version], "-q", "1", "-t", topic, "-m", text)


class Subscriber:
    """A mosquitto_sub that has subscribed."""

    def __init__(self, broker, version, topic, *more):
        # -d says when it has subscribed; stdbuf, since it keeps that back when writing to a pipe.
        self.command = ["stdbuf", "-oL", "mosquitto_sub", "-p", str(broker), "-V", TOOLS[version]]
        self.command += ["-q", "1", "-v", "-d", "-t", topic, *more]

    async def __aenter__(self):
        pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        self.process = await asyncio.create_subprocess_exec(*self.command, stdout=pipe, stderr=nowhere)
        while not (await self.raw_line()).startswith("Subscribed"):
            pass
        return self

    async def __aexit__(self, *_):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def raw_line(self):
        line = (await soon(self.process.stdout.readline())).decode()
        if not line:
            raise AssertionError("mosquitto_sub has ended")
        return line.strip()

    async def line(self):
        """The next message: topic and text."""
        while (line := await self.raw_line()).startswith(("Client ", "Subscribed")):
            pass
        return line
