// Whether each charge point is online is published, as a retained message that later subscribers get at once.
config.events = { prefix: "presence/" };

function presence(peer, state) {
  const payload = new TextEncoder().encode(state);
  const rest = { qos: 1, retain: true, properties: [], attributes: [] };
  return [{ topic: config.events.prefix + peer.id, payload, ...rest }];
}

export const events = {
  connected(peer) {
    return presence(peer, "online");
  },

  disconnected(peer, reason) {
    return presence(peer, "offline");
  },
};
