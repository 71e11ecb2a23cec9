// Messages to begin with. Frames are from charge points; messages are from back ends, in the form of the standard mapping.

const call = (action, payload) => JSON.stringify([2, "1", action, payload]);
const AT = "2026-01-15T08:30:00Z";
const meterValue = (sampledValue, timestamp = AT) => ({ connectorId: 1, transactionId: 4711, meterValue: [{ timestamp, sampledValue }] });
const energy = { measurand: "Energy.Active.Import.Register", context: "Sample.Periodic" };
const backEnd = (action, payload) => ({ MessageTypeId: 2, UniqueId: "1", Action: action, Payload: payload });

/** `[group, version, [[name, frame | message]]]`. A frame is a text; anything else is the payload of a message from a back end. */
const GROUPS = [
  ["Quirks", "ocpp1.6", [
    ["A misspelt status", call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: "Avaliable", timestamp: AT })],
    ["Kilowatt-hours", call("MeterValues", meterValue([{ value: "12.5", unit: "kWh", ...energy }]))],
    ["A timestamp without zone", call("MeterValues", meterValue([{ value: "12500", unit: "Wh", ...energy }], "2026-01-15T08:30:00"))],
    ["Units in the wrong case", call("MeterValues", meterValue([{ value: "12500", unit: "wh", ...energy }, { value: "16", unit: "a" }]))],
    ["Numbers as strings", call("StartTransaction", { connectorId: "1", idTag: "04A2B3C4", meterStart: "1200", timestamp: AT })],
    ["An id tag with spaces", call("Authorize", { idTag: " 04a2b3c4 " })],
    ["An empty vendor", call("BootNotification", { chargePointVendor: "", chargePointModel: "Eve" })],
    ["No timestamp", call("StartTransaction", { connectorId: 1, idTag: "04A2B3C4", meterStart: 1200 })],
  ]],
  ["OCPP 1.6, from a charge point", "ocpp1.6", [
    ["BootNotification", call("BootNotification", { chargePointVendor: "ACME", chargePointModel: "Eve", firmwareVersion: "1.2.3" })],
    ["StatusNotification", call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: "Available", timestamp: AT })],
    ["Heartbeat", call("Heartbeat", {})],
    ["Authorize", call("Authorize", { idTag: "04A2B3C4" })],
    ["StartTransaction", call("StartTransaction", { connectorId: 1, idTag: "04A2B3C4", meterStart: 1200, timestamp: AT })],
    ["MeterValues", call("MeterValues", meterValue([{ value: "12500", unit: "Wh", ...energy }, { value: "16.0", unit: "A" }]))],
    ["StopTransaction", call("StopTransaction", { transactionId: 4711, meterStop: 13700, timestamp: AT, reason: "Local" })],
    ["DataTransfer", call("DataTransfer", { vendorId: "com.acme", messageId: "door", data: "open" })],
    ["CALLRESULT of a Reset", JSON.stringify([3, "1", { status: "Accepted" }]), "Reset"],
    ["CALLERROR of a Reset", JSON.stringify([4, "1", "NotSupported", "no such action", {}]), "Reset"],
  ]],
  ["OCPP 1.6, from a back end", "ocpp1.6", [
    ["RemoteStartTransaction", backEnd("RemoteStartTransaction", { connectorId: 1, idTag: "04A2B3C4" })],
    ["Reset", backEnd("Reset", { type: "Soft" })],
    ["UpdateFirmware", backEnd("UpdateFirmware", { location: "https://example.org/fw.bin", retrieveDate: AT })],
    ["SetChargingProfile, relative", backEnd("SetChargingProfile", { connectorId: 1, csChargingProfiles: {
      chargingProfileId: 1, stackLevel: 0, chargingProfilePurpose: "TxDefaultProfile", chargingProfileKind: "Relative",
      chargingSchedule: { chargingRateUnit: "A", chargingSchedulePeriod: [{ startPeriod: 0, limit: 16 }] } } })],
    ["What is no JSON", "ping"],
  ]],
  ["OCPP 2.0.1, from a charge point", "ocpp2.0.1", [
    ["BootNotification", call("BootNotification", { reason: "PowerUp", chargingStation: { model: "S-Series", vendorName: "ACME" } })],
    ["StatusNotification", call("StatusNotification", { timestamp: AT, connectorStatus: "Available", evseId: 1, connectorId: 1 })],
    ["TransactionEvent", call("TransactionEvent", { eventType: "Started", timestamp: AT, triggerReason: "Authorized", seqNo: 0,
      transactionInfo: { transactionId: "t-1" }, evse: { id: 1, connectorId: 1 }, idToken: { idToken: "04A2B3C4", type: "ISO14443" } })],
    ["NotifyEvent", call("NotifyEvent", { generatedAt: AT, seqNo: 0, eventData: [{ eventId: 1, timestamp: AT, trigger: "Alerting",
      actualValue: "true", eventNotificationType: "HardWiredNotification", component: { name: "Connector" },
      variable: { name: "Problem" } }] })],
  ]],
  ["OCPP 2.0.1, from a back end", "ocpp2.0.1", [
    ["RequestStartTransaction", backEnd("RequestStartTransaction", { remoteStartId: 1, evseId: 1,
      idToken: { idToken: "04A2B3C4", type: "Central" } })],
    ["SetVariables", backEnd("SetVariables", { setVariableData: [{ attributeValue: "300", component: { name: "OCPPCommCtrlr" },
      variable: { name: "HeartbeatInterval" } }] })],
    ["Reset", backEnd("Reset", { type: "OnIdle" })],
  ]],
];

const isOfBackEnd = (group) => group.includes("back end");

/** `[{group, items: [{key, name, version, frame, action} | {key, name, version, payload}]}]` */
export const EXAMPLES = GROUPS.map(([group, version, items]) => ({
  group,
  items: items.map(([name, content, action]) => {
    const of = { key: `${group}: ${name}`, name, version };
    if (!isOfBackEnd(group)) return { ...of, frame: content, action };
    return { ...of, payload: typeof content === "string" ? content : JSON.stringify(content) };
  }),
}));

export function example(key) {
  return EXAMPLES.flatMap(({ items }) => items).find((item) => item.key === key);
}
