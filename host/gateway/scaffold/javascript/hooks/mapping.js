// Frames become MQTT messages without a change: OCPP-J text on one topic for each direction.
config.mapping = { prefix: "raw/" };

/** By the number in the text. */
const FRAME_TYPES = { 2: "call", 3: "call-result", 4: "call-error", 5: "call-result-error", 6: "send" };

export const mapping = {
  subscriptions(peer) {
    return [{ filter: `${config.mapping.prefix}down/${peer.id}`, qos: 1 }];
  },

  toMqtt(peer, { type, id, action, error, payload }) {
    const number = Number(Object.keys(FRAME_TYPES).find((key) => FRAME_TYPES[key] === type));
    const middle = error ? [error.code, error.description] : type === "call-result" ? [] : [action];
    // The payload is inserted as text, so that the format of numbers and the order of keys are kept.
    const text = `${JSON.stringify([number, id, ...middle]).slice(0, -1)},${payload}]`;
    const topic = `${config.mapping.prefix}up/${peer.id}`;
    const rest = { qos: 1, retain: false, properties: [], attributes: [] };
    return [{ topic, payload: new TextEncoder().encode(text), ...rest }];
  },

  fromMqtt(peer, message) {
    return [readFrame(new TextDecoder().decode(message.payload))];
  },
};

/** `[type, id, action or error or nothing, payload]`. What is thrown is the refusal of the message. */
function readFrame(text) {
  const code = "FormationViolation";
  let parts;
  try {
    parts = JSON.parse(text);
  } catch (error) {
    throw { code, description: error.message, details: "{}" };
  }
  const [number, id, ...middle] = Array.isArray(parts) ? parts : [];
  const payload = middle.pop();
  const type = FRAME_TYPES[number];
  const frame = { type, id, payload: JSON.stringify(payload), attributes: [] };
  const isObject = typeof payload === "object" && payload !== null && !Array.isArray(payload);
  if (typeof id === "string" && isObject && middle.every((part) => typeof part === "string")) {
    if (type === "call-result" && middle.length === 0) return frame;
    if ((type === "call" || type === "send") && middle.length === 1) return { ...frame, action: middle[0] };
    if (type?.endsWith("-error") && middle.length === 2) {
      return { ...frame, error: { code: middle[0], description: middle[1] } };
    }
  }
  // With the message id, if there is one, the gateway can name the message.
  const details = JSON.stringify(typeof id === "string" ? { UniqueId: id } : {});
  throw { code, description: "not an OCPP-J message", details };
}
