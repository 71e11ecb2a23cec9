// Events in words, with links to the charge points and transforms that they name.
import { html } from "../../lib/ui.js";
import { count, shortHash, firstLine } from "../../lib/format.js";
import { Prose } from "../../lib/widgets.js";
import { href } from "../../lib/router.js";

/** By event: name and tone of its badge. */
export const KINDS = {
  connected: ["Connected", "ok"],
  disconnected: ["Disconnected", "none"],
  refused: ["Refused", "warn"],
  incident: ["Incident", "bad"],
  swap: ["Transform change", "info"],
  trial: ["Trial", "info"],
};

/** What became of a message, by the cause of an incident. */
const CAUSES = {
  bad_frame: "is not an OCPP-J message",
  unreadable_frame: "is not an OCPP-J message, and has no readable message id",
  unknown_message_type: "has a message type that this version of OCPP does not have",
  id_in_use: "waits: its message id is that of a CALL that is open",
  duplicate: "came a second time, and was dropped",
  unknown_call: "answers a CALL that is not open",
  timed_out: "was not answered in time",
  no_back_end: "reached no back end: none has subscribed to its topic",
  queue_full: "was not queued: too many messages wait already",
  disconnected: "was not answered: the charge point is not connected, or left before its answer",
  internal: "failed inside the gateway or a transform",
  not_understood: "is not understood by the mapping",
  rejected: "was rejected by a transform",
  dropped: "was dropped by a transform",
  violation: "breaks a schema or a rule",
  unknown_action: "has an action that no schema names",
  unsupported_action: "has an action that exists, but not for this type of message",
  retained: "was retained at the broker: it is stale, and was not sent",
  too_large: "is larger than ocpp.max_message_size",
};

const SWAPS = {
  swapped: "Transforms were changed",
  rolled_back: "A change of transforms was taken back",
  failed: "A change of transforms failed",
};
const TRIALS = {
  started: "has started",
  promoted: "was promoted: its candidate is live",
  ended: "has ended",
  failed: "has ended by itself",
};

const SENTENCES = {
  connected: ({ charge_point: id, version, address }) =>
    html`<${ChargePoint} id=${id} /> has connected from ${address}, with ${version.replace(/^ocpp/, "OCPP ")}.`,
  disconnected: ({ charge_point: id, reason, text }) =>
    html`<${ChargePoint} id=${id} /> has disconnected: ${ended(text)} <${Reason} value=${reason} />`,
  refused: ({ identity, address, certificate, reason, text }) =>
    html`${identity ? html`<${ChargePoint} id=${identity} />` : "A client"} from ${address} was refused: ${ended(text)}
      ${certificate && html` Its certificate: ${certificate}.`} <${Reason} value=${reason} />`,
  incident: Incident,
  swap: Swap,
  trial: ({ transform, mode, outcome, reason }) =>
    html`The ${mode} trial of <a href=${href(["transforms", transform], { tab: "trial" })}>${transform}</a>
      ${" "}${TRIALS[outcome] ?? outcome}${reason ? `: ${ended(reason)}` : "."}`,
  missed: ({ missed }) => html`<em>${count(missed)} events are missing here: the page was too slow.</em>`,
};

/** An event as a sentence. What is not known is shown as it came. */
export function Sentence({ event }) {
  const write = SENTENCES[event.event];
  const { key, ...members } = event;
  return html`<span class="sentence">${write ? write(event) : html`<code>${JSON.stringify(members)}</code>`}</span>`;
}

export function ChargePoint({ id }) {
  return html`<a href=${href(["charge-points", id])}>${id}</a>`;
}

function Incident({ charge_point: id, direction, cause, message_id: message, action, transform, transform_version: version, text }) {
  const became = CAUSES[cause] ?? `did not pass (${cause})`;
  const of = transform && html` Transform <a href=${href(["transforms", transform])}>${transform}</a>${version && ` ${version}`}.`;
  return html`${action || "A message"} ${direction === "downlink" ? "to" : "from"} <${ChargePoint} id=${id} /> ${became}.${of}
    ${text && html` <q title=${text}><${Prose} text=${firstLine(text)} /></q>`}${message && html` <small>Message
    id <code>${message}</code></small>`} <${Reason} value=${cause} />`;
}

function Swap({ outcome, reason, transforms }) {
  const changed = transforms.filter(({ change }) => change !== "kept");
  const became = SWAPS[outcome] ?? outcome;
  const list = changed.map(({ name, change, now, before }, at) => html`${at > 0 && ", "}
    <a href=${href(["transforms", name])}>${name}</a> ${change}
    ${before && now && html` <small><code>${shortHash(before.sha256)}</code> → <code>${shortHash(now.sha256)}</code></small>`}`);
  return html`${became}${changed.length > 0 && html`: ${list}`}.${reason && html` Reason: ${ended(reason)}`}`;
}

/** The word by which metrics and filters name it. */
function Reason({ value }) {
  return value && html`<small class="reason">${value}</small>`;
}

/** A text with a point at its end. */
function ended(text) {
  return !text || /[.!?…]$/.test(text) ? text : `${text}.`;
}
