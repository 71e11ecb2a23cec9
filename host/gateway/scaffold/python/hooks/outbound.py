# All topics get a prefix. It is added without a separator, so end it with a slash.
config["outbound"] = {"prefix": "site/"}


class Outbound(exports.Outbound):
    def handle(self, peer: types.Peer, message: types.Publish) -> list[types.PublishAction]:
        message.topic = config["outbound"]["prefix"] + message.topic
        return [types.PublishAction_Replace(message)]
