// Some commands are rejected: a back end that sends one gets a CALLERROR.
config.downlink = { refuse: ["UpdateFirmware"] };

export const downlink = {
  handle(peer, frame) {
    if (frame.type !== "call" || !config.downlink.refuse.includes(frame.action)) return [{ tag: "pass" }];
    const error = { code: "SecurityError", description: "not allowed at this site", details: "{}" };
    return [{ tag: "reject", val: error }];
  },
};
