// Messages of a back end are taken out of their envelope: {"sent":"…","message":{"MessageTypeId":2,…}}
config.inbound = { member: "message" };

export const inbound = {
  handle(peer, message) {
    let envelope;
    try {
      envelope = JSON.parse(new TextDecoder().decode(message.payload));
    } catch {
      return [{ tag: "pass" }];
    }
    const inner = envelope?.[config.inbound.member];
    if (inner === undefined) return [{ tag: "pass" }];
    return [{ tag: "replace", val: { ...message, payload: new TextEncoder().encode(JSON.stringify(inner)) } }];
  },
};
