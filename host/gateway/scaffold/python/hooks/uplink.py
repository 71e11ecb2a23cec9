# Id tags become upper case, for charge points that send them as the card reader provides them.
config["uplink"] = {"member": "idTag"}


class Uplink(exports.Uplink):
    def handle(self, peer: types.Peer, frame: types.Frame) -> list[types.FrameAction]:
        member = config["uplink"]["member"]
        # Most frames have no tag. To pass a frame costs less than to replace it by an equal one.
        if member not in frame.payload:
            return [types.FrameAction_Pass()]
        payload = json.loads(frame.payload)
        if not isinstance(payload.get(member), str):
            return [types.FrameAction_Pass()]
        payload[member] = payload[member].upper()
        frame.payload = json.dumps(payload)
        return [types.FrameAction_Replace(frame)]
