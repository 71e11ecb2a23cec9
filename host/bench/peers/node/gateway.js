// A gateway between OCPP 1.6 charge points and MQTT, as the documentation of `ocpp-rpc` and `mqtt` would have it.
//
//   LISTEN=127.0.0.1:33033 BROKER=mqtt://127.0.0.1:1883 QOS=1 node gateway.js

const http = require('node:http');
const { RPCServer, createRPCError } = require('ocpp-rpc');
const mqtt = require('mqtt');

const [host, port] = (process.env.LISTEN ?? '127.0.0.1:33033').split(':');
const qos = Number(process.env.QOS ?? 1);
const CALL_TIMEOUT_MS = 30_000;
/** As the other contestants have it: connections that wait to be accepted. */
const BACKLOG = 4096;

const broker = mqtt.connect(process.env.BROKER ?? 'mqtt://127.0.0.1:1883');
const server = new RPCServer({ protocols: ['ocpp1.6'], callTimeoutMs: CALL_TIMEOUT_MS });

/** The connected charge points by identity, each with its CALLs that wait for an answer from MQTT. */
const chargePoints = new Map();

server.auth((accept) => accept());

server.on('client', (client) => {
  const identity = client.identity;
  const chargePoint = { client, open: new Map() };
  chargePoints.set(identity, chargePoint);

  client.handle(({ method, params, messageId }) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      chargePoint.open.delete(messageId);
      reject(createRPCError('InternalError', 'no answer in time'));
    }, CALL_TIMEOUT_MS);
    chargePoint.open.set(messageId, { resolve, reject, timer });
    publish(`ocpp/cp/${identity}`, { MessageTypeId: 2, UniqueId: messageId, Action: method, Payload: params });
  }));

  client.on('close', () => {
    for (const { reject, timer } of chargePoint.open.values()) {
      clearTimeout(timer);
      reject(createRPCError('InternalError', 'disconnected'));
    }
    if (chargePoints.get(identity) === chargePoint) chargePoints.delete(identity);
  });
});

broker.on('message', (topic, text) => {
  const chargePoint = chargePoints.get(topic.slice('ocpp/cs/'.length));
  if (!chargePoint) return;
  let message;
  try {
    message = JSON.parse(text);
  } catch (error) {
    return console.error(`${topic}: ${error.message}`);
  }
  if (message.MessageTypeId === 2) return command(chargePoint, message);

  const call = chargePoint.open.get(message.UniqueId);
  if (!call) return console.error(`${topic}: answers no open call`);
  chargePoint.open.delete(message.UniqueId);
  clearTimeout(call.timer);
  if (message.MessageTypeId === 3) {
    call.resolve(message.Payload);
  } else {
    call.reject(createRPCError(message.ErrorCode, message.ErrorDescription, message.ErrorDetails));
  }
});

/** A CALL from a back end. */
async function command({ client }, { UniqueId, Action, Payload }) {
  const topic = `ocpp/cp/${client.identity}/Reply`;
  try {
    publish(topic, { MessageTypeId: 3, UniqueId, Payload: await client.call(Action, Payload) });
  } catch (error) {
    publish(topic, {
      MessageTypeId: 4,
      UniqueId,
      ErrorCode: error.rpcErrorCode ?? 'InternalError',
      ErrorDescription: error.message,
      ErrorDetails: error.details ?? {},
    });
  }
}

function publish(topic, message) {
  broker.publish(topic, JSON.stringify(message), { qos }, (error) => {
    if (error) console.error(`${topic}: ${error.message}`);
  });
}

// As the other contestants have it: no message waits for the acknowledgement of the one before.
broker.on('connect', () => broker.stream.setNoDelay(true));
broker.on('error', (error) => console.error(`the broker: ${error.message}`));

async function main() {
  await new Promise((connected) => broker.once('connect', connected));
  await broker.subscribeAsync('ocpp/cs/+', { qos });
  const listener = http.createServer();
  listener.on('upgrade', server.handleUpgrade);
  listener.listen({ port: Number(port), host, backlog: BACKLOG });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
