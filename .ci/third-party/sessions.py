"""A whole session for each version: charge point and back end are third-party, the gateway is ours."""

import asyncio
import logging
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiomqtt
import websockets
from ocpp import v16, v21, v201
from ocpp.exceptions import NotImplementedError, OCPPError, SecurityError

from back_end import BackEnd16, BackEnd21, BackEnd201, MqttConnection, now
from charge_points import ChargePoint16, ChargePoint21, ChargePoint201
from checks import equal, raises, soon

# A CALLERROR is an answer that is tested for here, not worth a traceback.
logging.getLogger("ocpp").setLevel(logging.CRITICAL)


@asynccontextmanager
async def serving(endpoint):
    """Reads messages in the background."""
    task = asyncio.create_task(endpoint.start())
    try:
        yield endpoint
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def connect(ports, id, subprotocol):
    if ports.tls is None:
        return websockets.connect(f"ws://127.0.0.1:{ports.gateway}/ocpp/{id}", subprotocols=[subprotocol])
    url = f"wss://{id}:{quote(ports.password, safe='')}@localhost:{ports.gateway}/ocpp/{id}"
    return websockets.connect(url, subprotocols=[subprotocol], ssl=ports.tls)


@asynccontextmanager
async def connected(ports, id, subprotocol, charge_point):
    async with connect(ports, id, subprotocol) as socket:
        equal(socket.subprotocol, subprotocol)
        async with serving(charge_point(id, socket)) as point:
            yield point


@asynccontextmanager
async def back_end(ports, id, kind):
    async with aiomqtt.Client("127.0.0.1", ports.broker) as client:
        connection = MqttConnection(client, id)
        await connection.subscribe()
        async with serving(kind(id, connection)) as back_end:
            back_end.connection = connection
            yield back_end


async def session_16(checks, ports, version="1.6"):
    id, call = "third-party-16", v16.call
    async with back_end(ports, id, BackEnd16) as csms:
        async with connected(ports, id, "ocpp1.6", ChargePoint16) as point:
            await boot_and_status(
                checks,
                version,
                point,
                call.BootNotification(charge_point_model="Model", charge_point_vendor="Vendor"),
                call.StatusNotification(connector_id=1, error_code="NoError", status="Available"),
            )
            with checks.check(f"{version}: a token is authorised"):
                answer = await soon(point.call(call.Authorize(id_tag="TAG"), suppress=False))
                equal(answer.id_tag_info["status"], "Accepted")
            with checks.check(f"{version}: a transaction starts with the back end's number"):
                start = call.StartTransaction(connector_id=1, id_tag="TAG", meter_start=100, timestamp=now())
                equal((await soon(point.call(start, suppress=False))).transaction_id, csms.TRANSACTION)
            with checks.check(f"{version}: meter values arrive"):
                for value in ["100.5", "101.0"]:
                    sample = {"timestamp": now(), "sampled_value": [{"value": value}]}
                    meter = call.MeterValues(connector_id=1, transaction_id=csms.TRANSACTION, meter_value=[sample])
                    await soon(point.call(meter, suppress=False))
            with checks.check(f"{version}: the back end reads the configuration"):
                answer = await soon(csms.call(call.GetConfiguration(key=["HeartbeatInterval", "Colour"]), suppress=False))
                equal((answer.configuration_key[0]["value"], answer.unknown_key), ("60", ["Colour"]))
            with checks.check(f"{version}: the back end stops the transaction"):
                await soon(csms.call(call.RemoteStopTransaction(transaction_id=csms.TRANSACTION), suppress=False))
                await soon(point.stop_asked.wait())
                stop = call.StopTransaction(
                    transaction_id=csms.TRANSACTION, meter_stop=120, timestamp=now(), reason="Remote"
                )
                await soon(point.call(stop, suppress=False))
            await calls_that_cross(checks, version, point, csms, call.GetConfiguration())
            await errors_both_ways(checks, version, point, csms)
            await reset(checks, version, point, csms, call.Reset(type="Soft"))
        with checks.check(f"{version}: the charge point is back after the reset"):
            async with connected(ports, id, "ocpp1.6", ChargePoint16) as point:
                boot = call.BootNotification(charge_point_model="Model", charge_point_vendor="Vendor")
                equal((await soon(point.call(boot, suppress=False))).status, "Accepted")
        with checks.check(f"{version}: the back end has seen the whole session, in order"):
            equal(
                csms.seen,
                ["BootNotification", "Available", "Authorize TAG", "StartTransaction", "MeterValues 100.5"]
                + ["MeterValues 101.0", "StopTransaction 120", "BootNotification"],
            )
        with checks.check(f"{version}: calls came on the uplink topic, answers on the reply topic"):
            equal(set(csms.connection.topics), {f"ocpp/cp/{id}", f"ocpp/cp/{id}/Reply"})


async def session_201(checks, ports):
    await session_2(checks, ports, "2.0.1", v201.call, ChargePoint201, BackEnd201)


async def session_21(checks, ports):
    await session_2(checks, ports, "2.1", v21.call, ChargePoint21, BackEnd21)


async def session_2(checks, ports, version, call, charge_point, kind):
    id, transaction = f"third-party-{version}", "4c4a2a5e"

    def event(event_type, trigger, number, **more):
        sample = {"timestamp": now(), "sampled_value": [{"value": 100.5 + number}]}
        return call.TransactionEvent(
            event_type=event_type,
            timestamp=now(),
            trigger_reason=trigger,
            seq_no=number,
            transaction_info={"transaction_id": transaction},
            meter_value=[sample],
            **more,
        )

    boot = call.BootNotification(charging_station={"model": "Model", "vendor_name": "Vendor"}, reason="PowerUp")
    token = {"id_token": "TAG", "type": "ISO14443"}
    heartbeat_interval = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    subprotocol = f"ocpp{version}"
    async with back_end(ports, id, kind) as csms:
        async with connected(ports, id, subprotocol, charge_point) as point:
            await boot_and_status(
                checks,
                version,
                point,
                boot,
                call.StatusNotification(timestamp=now(), connector_status="Available", evse_id=1, connector_id=1),
            )
            with checks.check(f"{version}: a token is authorised"):
                answer = await soon(point.call(call.Authorize(id_token=token), suppress=False))
                equal(answer.id_token_info["status"], "Accepted")
            with checks.check(f"{version}: a transaction starts"):
                started = event("Started", "Authorized", 0, id_token=token, evse={"id": 1, "connector_id": 1})
                equal((await soon(point.call(started, suppress=False))).id_token_info["status"], "Accepted")
            with checks.check(f"{version}: meter values arrive"):
                for number in [1, 2]:
                    await soon(point.call(event("Updated", "MeterValuePeriodic", number), suppress=False))
            variables = call.GetVariables(get_variable_data=[heartbeat_interval])
            with checks.check(f"{version}: the back end reads a variable"):
                answer = await soon(csms.call(variables, suppress=False))
                equal(answer.get_variable_result[0]["attribute_value"], "60")
            with checks.check(f"{version}: the back end stops the transaction"):
                await soon(csms.call(call.RequestStopTransaction(transaction_id=transaction), suppress=False))
                await soon(point.stop_asked.wait())
                await soon(point.call(event("Ended", "RemoteStop", 3), suppress=False))
            await calls_that_cross(checks, version, point, csms, variables)
            await errors_both_ways(checks, version, point, csms)
            await reset(checks, version, point, csms, call.Reset(type="Immediate"))
        with checks.check(f"{version}: the charge point is back after the reset"):
            async with connected(ports, id, subprotocol, charge_point) as point:
                equal((await soon(point.call(boot, suppress=False))).status, "Accepted")
        with checks.check(f"{version}: the back end has seen the whole session, in order"):
            equal(
                csms.seen,
                ["BootNotification", "Available", "Authorize TAG", "Started 0", "Updated 1", "Updated 2", "Ended 3"]
                + ["BootNotification"],
            )


async def boot_and_status(checks, version, point, boot, status):
    with checks.check(f"{version}: the boot is accepted"):
        equal((await soon(point.call(boot, suppress=False))).status, "Accepted")
    with checks.check(f"{version}: the status is taken"):
        await soon(point.call(status, suppress=False))


async def calls_that_cross(checks, version, point, csms, question):
    """One CALL may be open in each direction at the same time."""
    with checks.check(f"{version}: twenty calls each way cross"):
        heartbeat = point._call.Heartbeat()
        up = [point.call(heartbeat, suppress=False) for _ in range(20)]
        down = [csms.call(question, suppress=False) for _ in range(20)]
        equal(len(await soon(asyncio.gather(*up, *down))), 40)


async def errors_both_ways(checks, version, point, csms):
    with checks.check(f"{version}: the back end's CALLERROR reaches the charge point, whole"):
        question = point._call.DataTransfer(vendor_id="Vendor")
        error = await soon(raises(SecurityError, point.call(question, suppress=False)))
        wanted = ("not for Vendor", {"vendor": "Vendor", "weight": 1.5})
        equal((error.description, error.details), wanted)
    unknown = csms._call.ClearCache()
    if version == "2.1":
        # The package leaves actions that it does not know unanswered here: the gateway says so.
        with checks.check("2.1: silence is reported as an error object on the reply topic"):
            error = await soon(raises(OCPPError, csms.call(unknown, suppress=False)))
            equal(error.code, "InternalError")
    else:
        with checks.check(f"{version}: an unknown action comes back as NotImplemented on the reply topic"):
            await soon(raises(NotImplementedError, csms.call(unknown, suppress=False)))
            equal(csms.connection.topics[-1], f"ocpp/cp/{csms.id}/Reply")


async def reset(checks, version, point, csms, command):
    with checks.check(f"{version}: the back end resets the charge point"):
        equal((await soon(csms.call(command, suppress=False))).status, "Accepted")
        await soon(point.reset_asked.wait())
