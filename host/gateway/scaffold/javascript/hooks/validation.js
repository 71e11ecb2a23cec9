// Rules for payloads beyond those of OCPP: a DataTransfer names its vendor, and a transaction is on a connector, not on
// 0, the charge point as a whole.
config.validation = { first_connector: 1 };

export const validation = {
  /** A rule that JSON Schema can express is best written as a schema: the gateway compiles it once. */
  schemas() {
    const schema = { required: ["vendorId"], properties: { vendorId: { minLength: 1 } } };
    return [{ protocol: "ocpp1.6", action: "DataTransfer", type: "call", schema: JSON.stringify(schema) }];
  },

  check(peer, frame) {
    if (frame.type !== "call" || frame.action !== "StartTransaction") return undefined;
    const { first_connector } = config.validation;
    if (!(JSON.parse(frame.payload).connectorId < first_connector)) return undefined;
    const description = `a transaction is on connector ${first_connector} or above`;
    return { code: "PropertyConstraintViolation", description, details: "{}" };
  },
};
