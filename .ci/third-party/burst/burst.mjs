// A charge point on the package `ocpp-rpc` that boots and reports the status of its connectors at the same time, as stations
// with many connectors do. Prints how many results it got, and the first error.
import { RPCClient } from "ocpp-rpc";

const [endpoint, identity, protocol, connectors] = process.argv.slice(2);
const client = new RPCClient({
  endpoint,
  identity,
  protocols: [protocol],
  callConcurrency: 100,
  reconnect: false,
});
await client.connect();
const boot = { chargePointVendor: "vendor", chargePointModel: "model" };
const calls = [client.call("BootNotification", boot)];
for (let connectorId = 1; connectorId <= Number(connectors); connectorId++) {
  calls.push(client.call("StatusNotification", { connectorId, errorCode: "NoError", status: "Available" }));
}
const outcomes = await Promise.allSettled(calls);
const failed = outcomes.filter(({ status }) => status === "rejected");
console.log(`${outcomes.length - failed.length} results`, failed.length > 0 ? `${failed[0].reason}` : "");
await client.close();
