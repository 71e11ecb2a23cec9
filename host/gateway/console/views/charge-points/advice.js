// Why a charge point does not charge: what speaks for it, in words, the worst first. No DOM here.
import { ago, count, firstLine, sentence } from "../../lib/format.js";
import { answerFindings } from "./answer-advice.js";

const REFUSALS = {
  not_websocket: "Check its URL: it sends no WebSocket handshake. It may speak TLS to a port without, or be no charge point.",
  bad_request: "Check the identity at the end of its URL, and that it offers a subprotocol such as ocpp1.6.",
  unauthorized: "Check its identity and password, on both sides.",
  forbidden: "Check its certificate, whether another connection has the same identity, and the rules of an admission transform.",
  not_found: "Check the path of its URL, and whether its identity is on the list of those that are allowed.",
  too_many_requests: "Too many connections come from its address: see max_connections_per_address.",
  header_too_large: "Its handshake is larger than max_header_size.",
  unavailable: "The gateway takes none now: check the broker, max_connections and accept_rate.",
  refused: "An admission transform refuses it: look at the transform and its log.",
  tls: "Check its TLS version, whether it trusts the certificate of the gateway, and its own certificate.",
  timed_out: "It began a connection and sent no handshake: check the network, and whether TLS is on on both sides.",
  bad_proxy_header: "Check the PROXY protocol of the proxy in front of the gateway.",
  too_many_from_address: "Far too many connections come from its address.",
  no_room: "The gateway has too many sockets open.",
};

const DISCONNECTS = {
  gone: "The charge point or the network closed the connection. If it does not come back: check its power and its network.",
  protocol_error: "It broke the WebSocket protocol: check its firmware, and proxies in between.",
  no_common_version: "None of the OCPP versions it offers is enabled: see versions of its listener.",
  binary: "It sent a binary message: OCPP is text. Check its firmware.",
  not_utf8: "It sent text that is not UTF-8. Check its firmware.",
  taken_over: "It has connected to another gateway: look there.",
  duplicate: "Another connection has the same identity: check whether two charge points are configured with it.",
  kicked: "An operator disconnected it. It may connect again at once.",
  silent: "Nothing was heard from it for too long. Check its power and its network.",
  too_large: "It sent a message over max_message_size.",
  not_subscribed: "The gateway could not subscribe to its topics: check the broker and its rights.",
  full: "The gateway has max_connections connected.",
  broker_away: "The broker was away for outage_after: check the broker.",
  too_slow: "A message of it took too long to arrive: check its network.",
  shutdown: "The gateway stopped.",
  replaced: "It connected again.",
};

export function refusalAdvice(reason) {
  return REFUSALS[reason] ?? DISCONNECTS[reason] ?? "";
}

/** `disconnect_reason` is `reason: text` or one of the two. */
function disconnectAdvice(reason) {
  return DISCONNECTS[(reason ?? "").split(":")[0].trim()] ?? "";
}

/** How long ago counts as "now" for what keeps a charge point from working. Milliseconds. */
const RECENT = 10 * 60_000;
/** A connected charge point that says nothing for so long is worth a look. Milliseconds. */
const QUIET = 15 * 60_000;
/** So many connections in `RECENT` are too many. */
const FLAPPING = 4;

/**
 * `{row, calls, refusals, events, answers, now}` to `[{tone, text}]`: `row` as the API has it, null if it is not known; `refusals` and
 * `events` of this identity, the latest first; `answers`: the latest ones that the page has seen, as `Answers` has them.
 */
export function findings({ row, calls, refusals, events, answers, now }) {
  const tones = ["bad", "warn", "info"];
  const found = [
    ...absence(row, refusals, now), ...refused(row, refusals, now), ...connections(row, events, now),
    ...(row?.connected ? [...connectors(row, now), ...open(row, calls), ...quiet(row, now)] : []), ...incidents(events, now),
    ...answerFindings(answers, now),
  ];
  return found.sort((a, b) => tones.indexOf(a.tone) - tones.indexOf(b.tone));
}

function absence(row, refusals, now) {
  if (!row || row.connected) return [];
  const newer = refusals.some((one) => row.disconnected_at && one.last > row.disconnected_at);
  const said = (row.disconnect_reason ?? "").replace(/^[a-z_]+: /, "");
  const then = newer ? "It has tried since, and was refused." : disconnectAdvice(row.disconnect_reason);
  const text = `It is not connected. It left ${ago(row.disconnected_at, now)}${said ? `: ${said}` : ""}. ${then}`;
  return [{ tone: "bad", text }];
}

function refused(row, refusals, now) {
  return refusals
    .filter((one) => !row?.connected || now - new Date(one.last) < RECENT)
    .map((one) => {
      const who = row?.connected ? "Another connection with its identity was" : "It was";
      const what = `refused ${times(one.count)}, last ${ago(one.last, now)}, from ${one.address}.`;
      return { tone: row?.connected ? "warn" : "bad", text: `${who} ${what} ${sentence(one.text)} ${refusalAdvice(one.reason)}` };
    });
}

function connections(row, events, now) {
  const recent = events.filter((event) => event.event === "connected" && now - new Date(event.time) < RECENT).length;
  if (recent < FLAPPING) return [];
  const check = "Check its network, and whether two charge points have this identity.";
  return [{ tone: "warn", text: `It has connected ${times(recent)} in the last ten minutes. ${check}` }];
}

/** What a status of a connector means for those who want to charge. */
const STATUSES = {
  Faulted: { tone: "bad", text: "The fault is in the charge point: look at its log, or try Reset." },
  Unavailable: { tone: "bad", text: "Set it to Operative with ChangeAvailability." },
  SuspendedEVSE: { tone: "warn", text: "The charge point gives no energy: look at its charging profiles (GetCompositeSchedule)." },
  SuspendedEV: { tone: "info", text: "The vehicle takes no energy." },
  Reserved: { tone: "info", text: "Only the token of the reservation can charge." },
};

function connectors(row, now) {
  return row.connectors.flatMap((one) => {
    const name = row.connectors.length === 1 || one.connector !== 0 ? `Connector ${connectorName(one)}` : "The charge point";
    const since = one.at ? `, said ${ago(one.at, now)}` : "";
    const code = one.error_code && one.error_code !== "NoError" ? ` (${one.error_code})` : "";
    const known = STATUSES[one.status];
    if (known) return [{ tone: known.tone, text: `${name} is ${one.status}${code}${since}. ${known.text}` }];
    return code ? [{ tone: "warn", text: `${name} is ${one.status} and reports ${one.error_code}${since}.` }] : [];
  });
}

function open(row, calls) {
  const found = [];
  const warn = (text) => found.push({ tone: "warn", text });
  const from = row.open_calls.from_charge_point;
  if (from > 1) {
    warn(`Back ends have not answered ${count(from)} of its CALLs${named(calls?.from_charge_point)}. Check that a back end is subscribed.`);
  }
  if (calls?.waiting > 0) warn(`${count(calls.waiting)} CALLs wait until it has answered ${calls.to_charge_point}.`);
  if (row.mailbox > 0) warn(`${count(row.mailbox)} messages of back ends wait for it: it takes no more for now.`);
  return found;
}

function named(actions) {
  const names = [...new Set(actions ?? [])];
  return names.length ? ` (${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""})` : "";
}

function quiet(row, now) {
  const last = row.last_message ?? row.connected_since;
  if (now - new Date(last) < QUIET) return [];
  const since = row.last_message ? `since its last message, ${ago(last, now)}` : `since it connected, ${ago(last, now)}`;
  return [{ tone: "warn", text: `It is connected, but has said nothing ${since}. Try TriggerMessage with Heartbeat.` }];
}

function incidents(events, now) {
  const recent = events.filter((event) => event.event === "incident" && now - new Date(event.time) < RECENT);
  if (!recent.length) return [];
  const { action, direction, text, transform, time } = recent[0];
  const where = `${direction === "uplink" ? "from it" : "to it"}${transform ? `, in the transform ${transform}` : ""}`;
  const number = recent.length === 1 ? "A message" : `${count(recent.length)} messages`;
  const latest = `${action || "A message"} ${where}, ${ago(time, now)}: ${firstLine(text)}`;
  return [{ tone: "warn", text: `${number} did not pass in the last ten minutes. ${sentence(latest)}` }];
}

function times(number) {
  return number === 1 ? "once" : `${count(number)} times`;
}

/** `1`, or `2/1` for connector 1 of EVSE 2. Connector 0 of OCPP 1.6 is the charge point as a whole. */
export function connectorName({ evse, connector }) {
  return evse === null || evse === undefined ? String(connector) : `${evse}/${connector}`;
}
