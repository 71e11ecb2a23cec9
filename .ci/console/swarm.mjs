// Thousands of charge points, as plain WebSocket connections: one process could not hold as many of a whole client. Arguments: the
// gateway's address, and how many. Messages to it: `{kind: "send", rate, among}`: so many CALLs a second together, from so many of them;
// `{kind: "count"}`, which it answers with how many messages have been sent and received.
import WebSocket from "ws";
import { swarmIdentity } from "./identities.mjs";

const [url, count] = process.argv.slice(2);
/** Handshakes at the same time. */
const AT_ONCE = 50;
/** Milliseconds between two portions of CALLs. */
const PORTION_EVERY = 20;
const sockets = [];
let messages = 0;
let number = 0;

function connect(index) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url}/${swarmIdentity(index)}`, ["ocpp1.6"], { perMessageDeflate: false });
    socket.once("open", () => {
      sockets[index] = socket;
      send(socket, "BootNotification", { chargePointVendor: "Swarm", chargePointModel: `Model ${index % 7}` });
    });
    socket.on("message", () => {
      messages += 1;
      resolve();
    });
    socket.once("error", reject);
  });
}

function send(socket, action, payload) {
  messages += 1;
  socket.send(JSON.stringify([2, String((number += 1)), action, payload]));
}

let next = 0;
async function connectSome() {
  while (next < Number(count)) {
    next += 1;
    await connect(next - 1);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, connectSome));
process.send({ kind: "connected" });

let timer = null;
function sendOrRest(rate, among) {
  clearInterval(timer);
  if (!rate) return;
  const begun = performance.now();
  let sent = 0;
  timer = setInterval(() => {
    for (const due = ((performance.now() - begun) / 1000) * rate; sent < due; sent += 1) {
      send(sockets[sent % among], "Heartbeat", {});
    }
  }, PORTION_EVERY);
}
process.on("message", (message) => {
  if (message.kind === "send") sendOrRest(message.rate, message.among);
  if (message.kind === "count") process.send({ kind: "counted", messages });
});
// Without the program that started this one, nothing would end it.
process.on("disconnect", () => process.exit());
