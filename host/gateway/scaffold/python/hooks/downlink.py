# Some commands are rejected: a back end that sends one gets a CALLERROR.
config["downlink"] = {"refuse": ["UpdateFirmware"]}


class Downlink(exports.Downlink):
    def handle(self, peer: types.Peer, frame: types.Frame) -> list[types.FrameAction]:
        if frame.type != types.FrameType.CALL or frame.action not in config["downlink"]["refuse"]:
            return [types.FrameAction_Pass()]
        error = types.CallError("SecurityError", "not allowed at this site", "{}")
        return [types.FrameAction_Reject(error)]
