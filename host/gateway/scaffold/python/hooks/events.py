# Whether each charge point is online is published, as a retained message that later subscribers get at once.
config["events"] = {"prefix": "presence/"}


class Events(exports.Events):
    def connected(self, peer: types.Peer) -> list[types.Publish]:
        return presence(peer, "online")

    def disconnected(self, peer: types.Peer, reason: str) -> list[types.Publish]:
        return presence(peer, "offline")


def presence(peer: types.Peer, state: str) -> list[types.Publish]:
    return [types.Publish(config["events"]["prefix"] + peer.id, state.encode(), 1, True, [], [])]
