// Publishes a message to itself and prints it: node client.js PORT VERSION TOPIC, where VERSION is 4 or 5.
"use strict";

const mqtt = require("mqtt");

const [port, version, topic] = process.argv.slice(2);

async function main() {
  const url = `mqtt://127.0.0.1:${port}`;
  // Without a limit to its attempts it would come back for ever where it is not let in.
  const client = await mqtt.connectAsync(url, { protocolVersion: Number(version), connectTimeout: 5000 }, false);
  try {
    const received = new Promise((resolve) => client.once("message", (on, payload) => resolve(`${on} ${payload}`)));
    await client.subscribeAsync(topic, { qos: 1 });
    await client.publishAsync(topic, "from MQTT.js", { qos: 1 });
    console.log(await received);
  } finally {
    await client.endAsync();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
