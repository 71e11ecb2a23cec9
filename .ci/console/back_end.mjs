// A back end on MQTT.js that answers every CALL of every charge point. Argument: the broker's address.
import mqtt from "mqtt";
import { BLOCKED_TOKEN, REFUSED_MODEL } from "./identities.mjs";

const [broker] = process.argv.slice(2);
const now = () => new Date().toISOString();
const ANSWERS = {
  Authorize: ({ idTag }) => ({ idTagInfo: { status: idTag === BLOCKED_TOKEN ? "Blocked" : "Accepted" } }),
  BootNotification: ({ chargePointModel: model }) =>
    ({ status: model === REFUSED_MODEL ? "Rejected" : "Accepted", currentTime: now(), interval: 300 }),
  DataTransfer: () => ({ status: "Accepted" }),
  Heartbeat: () => ({ currentTime: now() }),
};

const client = await mqtt.connectAsync(broker, { clientId: "console-back-end" });
client.on("message", (topic, message) => {
  const call = JSON.parse(message);
  if (call.MessageTypeId !== 2) return;
  const answer = { MessageTypeId: 3, UniqueId: call.UniqueId, Payload: ANSWERS[call.Action]?.(call.Payload) ?? {} };
  client.publish(topic.replace("ocpp/cp/", "ocpp/cs/"), JSON.stringify(answer), { qos: 1 });
});
await client.subscribeAsync("ocpp/cp/+", { qos: 1 });
process.send({ kind: "ready" });
// Without the program that started this one, nothing would end it.
process.on("disconnect", () => process.exit());
