// What became of a message: the frame, what each transform changed, and what went on from there.
import { html, useMemo } from "../../lib/ui.js";
import { Badge } from "../../lib/widgets.js";
import { Code } from "../../lib/code.js";
import { diffLines, folded } from "../../lib/line-diff.js";
import { preciseClock, pretty, seconds, shortHash } from "../../lib/format.js";
import { Direction } from "./list.js";
import { micros, took } from "./log.js";

/** Longer texts are shown without their difference. Characters. */
const MAX_COMPARED = 200_000;

/** The trace of a row of the message list. `onClose()`. */
export function TracePanel({ row, onClose }) {
  const lines = useMemo(() => row.lines.filter((line) => line.text).map((line) => JSON.parse(line.text)), [row, row.revision]);
  const passed = took(row);
  return html`<aside class="trace" aria-label="Trace">
    <header class="panel-head">
      <h3><${Direction} direction=${row.direction} /> ${row.action ?? row.event} <small class="mono">${row.messageId}</small></h3>
      <button type="button" onClick=${onClose} title="Close the trace (Escape in the list)">Close</button>
    </header>
    <div class="trace-body">
      ${row.incidents.map((text) => html`<p key=${text} class="notice bad">${text}</p>`)}
      ${lines.map((line, at) => html`<${Line} key=${at} line=${line} after=${at && row.call ? micros(line.time) - row.call.at : null} />`)}
      ${row.more > 0 && html`<p class="soft">${row.more} more lines of this message are not kept.</p>`}
      ${row.kind === "message" && passed === null && row.call?.type === "CALL" && html`<p class="soft">Not answered yet.</p>`}
    </div>
  </aside>`;
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
  const arrived = line.frame ?? line.message?.payload;
  if (arrived === undefined && line.message?.payload_base64 === undefined) {
    return html`${line.message && html`<${Topic} message=${line.message} />`}
      ${line.published?.map((message, at) => html`<${Topic} key=${at} message=${message} />`)}
      <p class="soft">The gateway does not show payloads: set admin.tap_payloads to see the frame and its trace.</p>`;
  }
  return html`<${Stage} title=${line.direction === "uplink" ? "Frame from the charge point" : "Message from a back end"}>
      ${line.message && html`<${Topic} message=${line.message} />`}
      ${arrived === undefined ? html`<${Payload} message=${line.message} />` : html`<${Code} text=${pretty(arrived)} />`}
    </${Stage}>
    ${(line.steps ?? []).map((step, at) => html`<${Step} key=${at} step=${step} />`)}
    ${!line.steps && html`<p class="soft">Without a trace.</p>`}
    <${Outcome} line=${line} />`;
}

function Stage({ title, aside, tone, children }) {
  return html`<div class=${`stage ${tone ?? ""}`}><header><strong>${title}</strong><span
    class="when">${aside}</span></header>${children}</div>`;
}

/** One call of a transform: `{transform, version, hook, input, actions, failure, time_us, log}`. */
export function Step({ step }) {
  const { actions = [], failure } = step;
  const stopped = actions.some((action) => action.action === "drop" || action.action === "reject");
  const title = html`${step.transform} <small>${step.hook} · ${step.version?.version} · <span
    class="mono">${shortHash(step.version?.sha256)}</span></small>`;
  return html`<${Stage} title=${title} aside=${seconds(step.time_us / 1e6)} tone=${failure || stopped ? "stopped" : ""}>
    ${failure && html`<p class="notice bad">Failed: ${failure}</p>`}
    ${!failure && actions.length === 0 && html`<p class="soft">It did nothing: the message ends here.</p>`}
    ${actions.map((action, at) => html`<${Action} key=${at} action=${action} input=${step.input} />`)}
    ${step.log?.map((entry, at) => html`<p key=${at} class=${`log ${entry.level}`}><${Badge}
      tone=${logTone(entry.level)}>${entry.level}</${Badge}> ${entry.text}</p>`)}
  </${Stage}>`;
}

function logTone(level) {
  return { error: "bad", warn: "warn", info: "info" }[level] ?? "none";
}

function Action({ action, input }) {
  switch (action.action) {
    case "pass":
      return html`<p class="soft">Unchanged.</p>`;
    case "drop":
      return html`<p class="notice warn">Dropped${action.reason ? `: ${action.reason}` : "."}</p>`;
    case "reject":
      return html`<p class="notice bad">Refused with ${action.code}${action.description ? `: ${action.description}` : ""}</p>
        ${action.details && action.details !== "{}" && html`<${Code} text=${pretty(action.details)} />`}`;
    case "reply":
      return html`<p><${Badge} tone="info">answered</${Badge}> The charge point gets this answer at once:</p><${Code}
        text=${pretty(action.payload ?? "{}")} />`;
    case "publish":
      return html`<p><${Badge} tone="info">published in addition</${Badge}></p><${Topic} message=${action.message} /><${Payload}
        message=${action.message} />`;
    case "subscribe":
      return html`<p><${Badge}>subscribed</${Badge}> <span class="mono">${action.filter}</span></p>`;
    case "message":
      return html`<${Changed} action=${action} input=${input} />`;
    default:
      return html`<p>${action.action}</p>`;
  }
}

/** What goes on, as a difference to what came in. */
function Changed({ action, input }) {
  const before = input.frame ?? input.message?.payload ?? "";
  const after = action.frame ?? action.message?.payload ?? "";
  const topics = [input.message?.topic, action.message?.topic];
  return html`${action.message && html`<${Topic} message=${action.message} was=${topics[0]} />`}
    ${action.message?.payload_base64 ? html`<${Payload} message=${action.message} />` : html`<${Difference} before=${before}
      after=${after} />`}`;
}

/** The difference of two texts; JSON line by line in a readable form. */
export function Difference({ before, after }) {
  const diff = useMemo(() => {
    if (before === after) return null;
    const [old, now] = [pretty(before), pretty(after)];
    return old.length + now.length > MAX_COMPARED ? undefined : folded(diffLines(old, now));
  }, [before, after]);
  if (diff === null || diff?.every((line) => line.kind === "left_out")) return html`<p class="soft">Unchanged.</p>`;
  if (diff === undefined) return html`<${Code} text=${after} language="none" />`;
  return html`<pre class="code diff" tabindex="0" role="group" aria-label="Difference"><code>${diff.map((line, at) => html`<${DiffLine}
    key=${at} line=${line} />`)}</code></pre>`;
}

function DiffLine({ line }) {
  if (line.kind === "left_out") return html`<span class="left-out">⋯ ${line.count} lines alike${"\n"}</span>`;
  const sign = { same: "  ", removed: "- ", added: "+ " }[line.kind];
  return html`<span class=${line.kind}>${sign}${line.text}${"\n"}</span>`;
}

function Topic({ message, was }) {
  return html`<p class="topic"><span class="mono">${was && was !== message.topic ? html`<del>${was}</del> → ` : ""}${message.topic}</span>
    <small>QoS ${message.qos}${message.retain ? ", retained" : ""}</small></p>`;
}

function Payload({ message }) {
  if (message.payload_base64 !== undefined) return html`<p class="soft">Not UTF-8; in base64:</p><${Code} text=${message.payload_base64}
    language="none" />`;
  return html`<${Code} text=${pretty(message.payload ?? "")} />`;
}

/** What the gateway published, sent and answered in the end. */
function Outcome({ line }) {
  const nothing = !line.published?.length && !line.sent?.length && !line.answer;
  return html`${line.not_mapped && html`<p class="notice bad">Not mapped: ${line.not_mapped}</p>`}
    ${line.published?.map((message, at) => html`<${Stage} key=${`p${at}`} title="Published">
      <${Topic} message=${message} /><${Payload} message=${message} />
    </${Stage}>`)}
    ${line.sent?.map((frame, at) => html`<${Stage} key=${`s${at}`} title="For the charge point"><${Code}
      text=${pretty(frame)} /></${Stage}>`)}
    ${line.answer && html`<${Stage} title="Answered at once"><${Action} action=${line.answer} input=${{}} /></${Stage}>`}
    ${nothing && html`<p class="notice warn">Nothing went on from here: it was neither published nor sent.</p>`}`;
}
