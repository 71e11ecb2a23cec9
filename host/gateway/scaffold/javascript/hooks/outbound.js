// All topics get a prefix. It is added without a separator, so end it with a slash.
config.outbound = { prefix: "site/" };

export const outbound = {
  handle(peer, message) {
    return [{ tag: "replace", val: { ...message, topic: config.outbound.prefix + message.topic } }];
  },
};
