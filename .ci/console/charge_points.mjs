// Charge points on the package `ocpp-rpc`.
import { RPCClient } from "ocpp-rpc";

/**
 * A connected charge point that has sent its BootNotification, and accepts every CALL. `options`: `vendor`, `model`, `protocol` and
 * `handlers`, by action.
 */
export async function chargePoint(url, identity, { vendor = "Vendor", model = "Model", protocol = "ocpp1.6", handlers = {} } = {}) {
  const client = new RPCClient({ endpoint: url, identity, protocols: [protocol], reconnect: false, callConcurrency: 10 });
  client.handle(({ method, params }) => handlers[method]?.(params) ?? { status: "Accepted" });
  await client.connect();
  const boot =
    protocol === "ocpp1.6"
      ? { chargePointVendor: vendor, chargePointModel: model }
      : { reason: "PowerUp", chargingStation: { vendorName: vendor, model } };
  await client.call("BootNotification", boot);
  return client;
}

/** Status of a connector, OCPP 1.6. */
export function status(client, connectorId, value, errorCode = "NoError") {
  return client.call("StatusNotification", { connectorId, errorCode, status: value });
}

/** Tries to connect, which has to be refused. Resolves to the status of the answer. */
export async function refused(url, identity) {
  const client = new RPCClient({ endpoint: url, identity, protocols: ["ocpp1.6"], reconnect: false });
  try {
    await client.connect();
  } catch (error) {
    return error.code ?? error.message;
  } finally {
    await client.close({ force: true }).catch(() => {});
  }
  throw new Error(`${identity} was let in`);
}
