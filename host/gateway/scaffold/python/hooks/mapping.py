# Frames become MQTT messages without a change: OCPP-J text on one topic for each direction.
config["mapping"] = {"prefix": "raw/"}

# By the number in the text.
FRAME_TYPES = {
    2: types.FrameType.CALL,
    3: types.FrameType.CALL_RESULT,
    4: types.FrameType.CALL_ERROR,
    5: types.FrameType.CALL_RESULT_ERROR,
    6: types.FrameType.SEND,
}


class Mapping(exports.Mapping):
    def subscriptions(self, peer: types.Peer) -> list[types.TopicFilter]:
        return [types.TopicFilter(f"{config['mapping']['prefix']}down/{peer.id}", 1)]

    def to_mqtt(self, peer: types.Peer, frame: types.Frame) -> list[types.Publish]:
        head: list = [number for number, type in FRAME_TYPES.items() if type == frame.type] + [frame.id]
        if frame.error:
            head += [frame.error.code, frame.error.description]
        elif frame.type != types.FrameType.CALL_RESULT:
            head += [frame.action]
        # The payload is inserted as text, so that the format of numbers and the order of keys are kept.
        text = f"{json.dumps(head)[:-1]},{frame.payload}]"
        topic = f"{config['mapping']['prefix']}up/{peer.id}"
        return [types.Publish(topic, text.encode(), 1, False, [], [])]

    def from_mqtt(self, peer: types.Peer, message: types.Publish) -> list[types.Frame]:
        return [read_frame(message.payload)]


def read_frame(text: bytes) -> types.Frame:
    """`[type, id, action or error or nothing, payload]`. The `Err` that is raised is the refusal of the message."""
    code = "FormationViolation"
    try:
        parts = json.loads(text)
    except ValueError as error:
        raise Err(types.Refusal(code, str(error), "{}"))
    match parts:
        case [3, str(id), dict(payload)]:
            return types.Frame(types.FrameType.CALL_RESULT, id, None, json.dumps(payload), None, [])
        case [(2 | 6) as number, str(id), str(action), dict(payload)]:
            return types.Frame(FRAME_TYPES[number], id, action, json.dumps(payload), None, [])
        case [(4 | 5) as number, str(id), str(name), str(description), dict(payload)]:
            error = types.ErrorHead(name, description)
            return types.Frame(FRAME_TYPES[number], id, None, json.dumps(payload), error, [])
        # With the message id, if there is one, the gateway can name the message.
        case [_, str(id), *_]:
            raise Err(types.Refusal(code, "not an OCPP-J message", json.dumps({"UniqueId": id})))
    raise Err(types.Refusal(code, "not an OCPP-J message", "{}"))
