# Messages of a back end are taken out of their envelope: {"sent":"…","message":{"MessageTypeId":2,…}}
config["inbound"] = {"member": "message"}


class Inbound(exports.Inbound):
    def handle(self, peer: types.Peer, message: types.Publish) -> list[types.PublishAction]:
        member = config["inbound"]["member"]
        try:
            envelope = json.loads(message.payload)
        except ValueError:
            envelope = None
        if not isinstance(envelope, dict) or member not in envelope:
            return [types.PublishAction_Pass()]
        message.payload = json.dumps(envelope[member]).encode()
        return [types.PublishAction_Replace(message)]
