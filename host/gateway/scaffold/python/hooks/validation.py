# Rules for payloads beyond those of OCPP: a DataTransfer names its vendor, and a transaction is on a connector, not on
# 0, the charge point as a whole.
config["validation"] = {"first_connector": 1}


class Validation(exports.Validation):
    def schemas(self) -> list[types.Rule]:
        """A rule that JSON Schema can express is best written as a schema: the gateway compiles it once."""
        schema = {"required": ["vendorId"], "properties": {"vendorId": {"minLength": 1}}}
        return [types.Rule("ocpp1.6", "DataTransfer", types.FrameType.CALL, json.dumps(schema))]

    def check(self, peer: types.Peer, frame: types.Frame) -> types.CallError | None:
        if frame.type != types.FrameType.CALL or frame.action != "StartTransaction":
            return None
        first = config["validation"]["first_connector"]
        if json.loads(frame.payload).get("connectorId", first) >= first:
            return None
        description = f"a transaction is on connector {first} or above"
        return types.CallError("PropertyConstraintViolation", description, "{}")
