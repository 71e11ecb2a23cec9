"""Charge points of the package `ocpp`, with its schema validation on."""

import asyncio

from ocpp import v16, v21, v201
from ocpp.routing import after, on


class Common:
    """What all versions have; `_call_result` is the version's own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.reset_asked = asyncio.Event()
        self.stop_asked = asyncio.Event()

    @on("Reset")
    def on_reset(self, **payload):
        return self._call_result.Reset(status="Accepted")

    @after("Reset")
    def after_reset(self, **payload):
        self.reset_asked.set()


class ChargePoint16(Common, v16.ChargePoint):
    @on("GetConfiguration")
    def on_get_configuration(self, key=None):
        return v16.call_result.GetConfiguration(
            configuration_key=[{"key": "HeartbeatInterval", "readonly": False, "value": "60"}],
            unknown_key=["Colour"],
        )

    @on("RemoteStopTransaction")
    def on_remote_stop(self, transaction_id):
        self.stop_asked.set()
        return v16.call_result.RemoteStopTransaction(status="Accepted")


class Common2(Common):
    @on("GetVariables")
    def on_get_variables(self, get_variable_data, **payload):
        answers = [{"attribute_status": "Accepted", "attribute_value": "60", **asked} for asked in get_variable_data]
        return self._call_result.GetVariables(get_variable_result=answers)

    @on("RequestStopTransaction")
    def on_request_stop(self, transaction_id, **payload):
        self.stop_asked.set()
        return self._call_result.RequestStopTransaction(status="Accepted")


class ChargePoint201(Common2, v201.ChargePoint):
    pass


class ChargePoint21(Common2, v21.ChargePoint):
    pass
