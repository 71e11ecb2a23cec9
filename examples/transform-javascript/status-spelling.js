// Mends statuses that a charge point spells its own way: "available", "SUSPENDED_EV", or a word of the vendor's.

import { log } from "ocpp-gateway:transform/log@1.0.0";

// OCPP 1.6, section 7.7 (ChargePointStatus), and OCPP 2.x, ConnectorStatusEnumType.
const STATUSES = [
  "Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved", "Unavailable",
  "Faulted", "Occupied",
];

const PASS = [{ tag: "pass" }];

/** From a word without its case, blanks and dashes to the status that is meant. */
let meanings;

const bare = (word) => word.toLowerCase().replace(/[\s_-]/g, "");

export const lifecycle = {
  /** A string that is thrown is the refusal: it reaches the person who wrote the configuration. */
  configure(config) {
    const { words = {}, ...unknown } = JSON.parse(config);
    const [stray] = Object.keys(unknown);
    if (stray) throw `there is no setting ${stray}; there is: words`;

    meanings = new Map(STATUSES.map((status) => [bare(status), status]));
    for (const [word, status] of Object.entries(words)) {
      if (!STATUSES.includes(status)) throw `words.${word}: ${status} is no status of OCPP`;
      meanings.set(bare(word), status);
    }
    return { name: "status-spelling", version: "1.0.0", attributes: [] };
  },
};

export const uplink = {
  handle(peer, frame) {
    if (frame.type !== "call" || frame.action !== "StatusNotification") return PASS;

    const field = peer.protocol === "ocpp1.6" ? "status" : "connectorStatus";
    const payload = JSON.parse(frame.payload);
    const word = payload?.[field];
    if (typeof word !== "string") return PASS;

    const status = meanings.get(bare(word));
    if (status === undefined) log("warn", "a status that nobody knows", [["status", word]]);
    if (status === undefined || status === word) return PASS;

    log("debug", "status mended", [["from", word], ["to", status]]);
    return [{ tag: "replace", val: { ...frame, payload: JSON.stringify({ ...payload, [field]: status }) } }];
  },
};
