// Id tags become upper case, for charge points that send them as the card reader provides them.
config.uplink = { member: "idTag" };

export const uplink = {
  handle(peer, frame) {
    const { member } = config.uplink;
    // Most frames have no tag. To pass a frame costs less than to replace it by an equal one.
    if (!frame.payload.includes(member)) return [{ tag: "pass" }];
    const payload = JSON.parse(frame.payload);
    if (typeof payload[member] !== "string") return [{ tag: "pass" }];
    payload[member] = payload[member].toUpperCase();
    return [{ tag: "replace", val: { ...frame, payload: JSON.stringify(payload) } }];
  },
};
