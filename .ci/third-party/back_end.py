"""A back end on MQTT, with the messages and the schema validation of the package `ocpp`.

`ocpp` speaks OCPP-J texts over anything with `recv` and `send`: `MqttConnection` is such a thing.
"""

import json
from datetime import UTC, datetime

from ocpp import v16, v21, v201
from ocpp.exceptions import SecurityError
from ocpp.routing import on


class MqttConnection:
    """Turns the objects of the standard mapping into OCPP-J texts, and back."""

    def __init__(self, client, charge_point):
        self.client = client
        self.charge_point = charge_point
        self.topics = []  # of the messages received, in order

    async def subscribe(self):
        await self.client.subscribe(f"ocpp/cp/{self.charge_point}", qos=1)
        await self.client.subscribe(f"ocpp/cp/{self.charge_point}/Reply", qos=1)

    async def recv(self):
        message = await anext(aiter(self.client.messages))
        self.topics.append(str(message.topic))
        it = json.loads(message.payload)
        kind, id = it["MessageTypeId"], it["UniqueId"]
        match kind:
            case 2 | 6:
                frame = [kind, id, it["Action"], it["Payload"]]
            case 3:
                frame = [kind, id, it["Payload"]]
            case 4:
                frame = [kind, id, it["ErrorCode"], it["ErrorDescription"], it["ErrorDetails"]]
        return json.dumps(frame)

    async def send(self, text):
        match json.loads(text):
            case [2, id, action, payload]:
                it = {"MessageTypeId": 2, "UniqueId": id, "Action": action, "Payload": payload}
            case [3, id, payload]:
                it = {"MessageTypeId": 3, "UniqueId": id, "Payload": payload}
            case [4, id, code, description, details]:
                it = {
                    "MessageTypeId": 4,
                    "UniqueId": id,
                    "ErrorCode": code,
                    "ErrorDescription": description,
                    "ErrorDetails": details,
                }
        await self.client.publish(f"ocpp/cs/{self.charge_point}", json.dumps(it), qos=1)


def now():
    return datetime.now(UTC).isoformat()


class Common:
    """What all versions have; `_call_result` is the version's own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = []  # what came, in order

    @on("BootNotification")
    def on_boot(self, **payload):
        self.seen.append("BootNotification")
        return self._call_result.BootNotification(current_time=now(), interval=60, status="Accepted")

    @on("StatusNotification")
    def on_status(self, **payload):
        self.seen.append(payload.get("status") or payload["connector_status"])
        return self._call_result.StatusNotification()

    @on("Heartbeat")
    def on_heartbeat(self, **payload):
        return self._call_result.Heartbeat(current_time=now())

    @on("DataTransfer")
    def on_data_transfer(self, vendor_id, **payload):
        raise SecurityError(description=f"not for {vendor_id}", details={"vendor": vendor_id, "weight": 1.5})


class BackEnd16(Common, v16.ChargePoint):
    TRANSACTION = 4711

    @on("Authorize")
    def on_authorize(self, id_tag):
        self.seen.append(f"Authorize {id_tag}")
        return v16.call_result.Authorize(id_tag_info={"status": "Accepted"})

    @on("StartTransaction")
    def on_start(self, **payload):
        self.seen.append("StartTransaction")
        return v16.call_result.StartTransaction(transaction_id=self.TRANSACTION, id_tag_info={"status": "Accepted"})

    @on("MeterValues")
    def on_meter_values(self, meter_value, **payload):
        self.seen.append(f"MeterValues {meter_value[0]['sampled_value'][0]['value']}")
        return v16.call_result.MeterValues()

    @on("StopTransaction")
    def on_stop(self, meter_stop, **payload):
        self.seen.append(f"StopTransaction {meter_stop}")
        return v16.call_result.StopTransaction(id_tag_info={"status": "Accepted"})


class Common2(Common):
    @on("Authorize")
    def on_authorize(self, id_token, **payload):
        self.seen.append(f"Authorize {id_token['id_token']}")
        return self._call_result.Authorize(id_token_info={"status": "Accepted"})

    @on("TransactionEvent")
    def on_transaction_event(self, event_type, seq_no, id_token=None, **payload):
        self.seen.append(f"{event_type} {seq_no}")
        info = {"status": "Accepted"} if id_token else None
        return self._call_result.TransactionEvent(id_token_info=info)


class BackEnd201(Common2, v201.ChargePoint):
    pass


class BackEnd21(Common2, v21.ChargePoint):
    pass
