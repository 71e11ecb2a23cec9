// What became of a message: the frame, what each transform changed, and what went on from there.
import { html, useMemo } from "../../lib/ui.js";
import { Code } from "../../lib/code.js";
import { preciseClock, pretty, seconds } from "../../lib/format.js";
import { go } from "../../lib/router.js";
import { FailureText, Trace, payloadText } from "../../lib/trace.js";
import { Direction, withoutCall } from "./list.js";
import { micros, took } from "./log.js";

/** The key of `sessionStorage` under which the playground finds a message: see views/playground/state.js. */
const FOR_PLAYGROUND = "ocpp-gateway-playground-message";

/** The trace of a row of the message list. `onClose()`. */
export function TracePanel({ row, onClose }) {
  const lines = useMemo(() => row.lines.filter((line) => line.text).map((line) => JSON.parse(line.text)), [row, row.revision]);
  const passed = took(row);
  const tried = useMemo(() => lines.map(playgroundMessage).find(Boolean), [lines]);
  const tryIt = () => {
    sessionStorage.setItem(FOR_PLAYGROUND, JSON.stringify(tried));
    go(["playground"], { from: "storage" });
  };
  return html`<aside class="trace-panel" aria-label="Trace">
    <header class="panel-head">
      <h3><${Direction} direction=${row.direction} /> ${row.action ?? row.event} <small class="mono">${row.messageId}</small></h3>
      <div class="actions">
        ${tried && html`<button type="button" onClick=${tryIt}>Try in the playground</button>`}
        <button type="button" onClick=${onClose} title="Close the trace (Escape in the list)">Close</button>
      </div>
    </header>
    <div class="trace-body">
      ${row.incidents.map((text) => html`<div key=${text} class="notice bad"><${FailureText} text=${text} /></div>`)}
      ${row.kind === "message" && !row.call && html`<p class="soft">${withoutCall(row)[1]}</p>`}
      ${lines.map((line, at) => html`<${Line} key=${at} line=${line} after=${at && row.call ? micros(line.time) - row.call.at : null} />`)}
      ${row.more > 0 && html`<p class="soft">${row.more} more lines of this message are not kept.</p>`}
      ${row.kind === "message" && passed === null && row.call?.type === "CALL" && html`<p class="soft">Not answered yet.</p>`}
    </div>
  </aside>`;
}

/** The line as the playground takes it; null for one that it cannot try. */
function playgroundMessage({ event, charge_point: id, version, frame, message }) {
  if (event !== "message") return null;
  const point = { charge_point: { id, version } };
  if (frame !== undefined) return { ...point, frame };
  if (message?.payload === undefined) return null;
  return { ...point, message: { topic: message.topic, payload: message.payload } };
}

/** What each kind of line is, in words. */
const EVENTS = {
  received: "received, without transforms",
  sent: "sent, without transforms",
  incident: "did not pass",
};

function Line({ line, after }) {
  const about = EVENTS[line.event];
  return html`<section class="trace-line">
    <h4>
      ${line.direction && html`<${Direction}
        direction=${line.direction} />`} ${line.type ?? line.event} ${about && html`<small>${about}</small>`}
      <span class="when">${line.time && preciseClock(line.time)}${after > 0 && ` · ${seconds(after / 1e6)} later`}</span>
    </h4>
    ${line.event === "message" ? html`<${Message} line=${line} />` : html`<${Other} line=${line} />`}
  </section>`;
}

function Other({ line }) {
  if (line.frame !== undefined) return html`<${Code} text=${pretty(line.frame)} />`;
  const { v, event, time, direction, ...facts } = line;
  const text = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  return html`<dl class="facts">${Object.entries(facts).map(([name, value]) => html`<dt>${name}</dt><dd>${text(value)}</dd>`)}</dl>`;
}

function Message({ line }) {
  const { frame, message, published = [] } = line;
  const isShown = frame !== undefined || message?.payload !== undefined || message?.payload_base64 !== undefined;
  if (!isShown) {
    return html`${[message, ...published].map((one, at) => one && html`<${Topic} key=${at} message=${one} />`)}
      <p class="soft">The gateway does not show payloads: set admin.tap_payloads to see the frame and its trace.</p>`;
  }
  return html`<h5>${line.direction === "uplink" ? "Frame from the charge point" : "Message from a back end"}</h5>
    ${message && html`<${Topic} message=${message} />`}
    <${Code} text=${message ? payloadText(message) : pretty(frame)} />
    <${Trace} trace=${line} />`;
}

function Topic({ message: { topic, qos, retain } }) {
  return html`<p class="trace-topic"><code>${topic}</code> <small>QoS ${qos}${retain ? ", retained" : ""}</small></p>`;
}
