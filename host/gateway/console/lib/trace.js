// What each transform made of a message, and what became of it.
//
// The shapes are those of the API: `POST /api/v1/try`, `GET /api/v1/messages?payload=true&trace=true`, and the differences of a trial.
// A step: `{transform, hook, input, actions, failure, time_us, log}`. An input: `{frame}`, `{message: {topic, qos, retain, payload |
// payload_base64}}` or `{event}`. An action: `{action: "pass" | "message" | "publish" | "reply" | "reject" | "drop" | "subscribe", …}`.
import { html } from "./ui.js";
import { Code } from "./code.js";
import { Diff } from "./diff.js";
import { pretty, seconds } from "./format.js";
import { href } from "./router.js";
import { Badge, Prose } from "./widgets.js";

/** An input, or an action that lets a message go on, as text: a frame, or topic and payload. */
export function contentText({ frame, message, event }) {
  if (message) return `${messageHead(message)}\n${payloadText(message)}`;
  return pretty(frame ?? event ?? "");
}

export function payloadText({ payload, payload_base64: bytes }) {
  return payload === undefined ? (bytes ? `(no text; base64:) ${bytes}` : "") : pretty(payload);
}

function messageHead({ topic, qos, retain }) {
  return `${topic}  QoS ${qos}${retain ? ", retained" : ""}`;
}

/** An action in words, for lines that stand alone. */
export function actionText(action) {
  const details = isEmpty(action.details) ? "" : `\n${pretty(action.details)}`;
  const texts = {
    pass: () => "passes unchanged",
    message: () => contentText(action),
    publish: () => `publishes  ${contentText(action)}`,
    reply: () => `replies  ${pretty(action.payload)}`,
    reject: () => `rejects  ${action.code}: ${action.description}${details}`,
    drop: () => `drops  ${action.reason}`,
    subscribe: () => `subscribes  ${action.filter}, QoS ${action.qos}`,
  };
  return texts[action.action]?.() ?? JSON.stringify(action);
}

function isEmpty(details) {
  return !details || details.replace(/\s/g, "") === "{}";
}

/**
 * `trace`: an answer of `try`, or a message of a recording: `{steps, published, sent, answer, not_mapped, incidents}`, of which any may be
 * missing.
 */
export function Trace({ trace }) {
  const { steps = [], incidents = [] } = trace;
  // What failed stands at its step.
  const failures = new Set(steps.filter(({ failure }) => failure).map(({ transform, failure }) => `transform ${transform}: ${failure}`));
  return html`<div class="trace">
    ${steps.length > 0
      ? html`<ol class="trace-steps" aria-label="Calls of transforms">
          ${steps.map((step, place) => html`<${Step} key=${place} step=${step} />`)}
        </ol>`
      : html`<p class="empty">No transform was called for it.</p>`}
    <${Outcome} trace=${{ ...trace, incidents: incidents.filter((incident) => !failures.has(incident)) }} />
  </div>`;
}

/** What a step did, in a word, with the tone of its badge. */
function verdict({ actions, failure }) {
  if (failure) return ["bad", "failed"];
  const kinds = actions.map(({ action }) => action);
  if (kinds.includes("reject")) return ["bad", "rejected"];
  if (kinds.includes("drop")) return ["warn", "dropped"];
  if (kinds.includes("reply")) return ["info", "answered"];
  if (kinds.includes("message")) return ["info", "changed"];
  if (kinds.includes("pass")) return ["none", "unchanged"];
  return kinds.length ? ["warn", "ended here"] : ["warn", "nothing goes on"];
}

function Step({ step }) {
  const { transform, hook, input, actions, failure, time_us: time, log = [] } = step;
  const isMapped = hook === "mapping" && !failure && actions.some(({ action }) => action === "message");
  const [tone, word] = isMapped ? ["none", "mapped"] : verdict(step);
  // A trap has a stack that helps only the author of a component; why the program failed is in its log.
  const said = failure && log.findLast(({ level }) => level.toLowerCase() === "error");
  return html`<li class="trace-step">
    <p class="trace-head">
      <a href=${href(["transforms", transform])}>${transform}</a> <span class="soft">${hook}</span>
      <${Badge} tone=${tone}>${word}</${Badge}><span class="soft trace-time">${seconds(time / 1e6)}</span>
    </p>
    ${said && html`<p class="fault">${said.text}</p>`}
    ${failure && html`<${FailureText} text=${failure} />`}
    ${actions.map((action, place) => html`<${Action} key=${place} action=${action} input=${input} />`)}
    <${LogLines} lines=${log.filter((line) => line !== said)} />
  </li>`;
}

/** Lines of the log: `[{level, text}]`. */
export function LogLines({ lines }) {
  return lines.map(({ level, text }, place) => html`<p key=${place} class="trace-log">
    <${Badge} tone=${levelTone(level)}>${level.toLowerCase()}</${Badge}> <code>${text}</code>
  </p>`);
}

export function levelTone(level) {
  return { error: "bad", warn: "warn", info: "info" }[level.toLowerCase()] ?? "none";
}

/** The first line of a failure; its stack, if it has one, can be opened. */
export function FailureText({ text }) {
  const [first, ...rest] = text.split("\n");
  const line = html`<${Prose} text=${first} />`;
  if (!rest.length) return html`<p class="fault">${line}</p>`;
  return html`<details class="fault"><summary>${line}</summary><pre>${rest.join("\n")}</pre></details>`;
}

/** What a transform wants done. What goes on is shown as a difference to what came in; a mapping makes another thing of it. */
function Action({ action, input }) {
  const { action: kind, message, frame } = action;
  if (kind === "pass") return null;
  if (kind === "message" && Boolean(frame) === Boolean(input?.frame)) {
    return html`<${Diff} before=${contentText(input)} after=${contentText(action)} label="What it changed" />`;
  }
  // Folded: what is published, sent and answered stands whole below the steps.
  if (kind === "message") {
    const head = message ? messageHead(message) : "a frame for the charge point";
    return html`<${Folded} word="→" head=${head} text=${message ? payloadText(message) : pretty(frame)} />`;
  }
  if (kind === "publish") return html`<${Folded} word="Publishes beside it:" head=${messageHead(message)} text=${payloadText(message)} />`;
  if (kind === "reply") return html`<${Folded} word="Answers the sender:" head=${action.payload} text=${pretty(action.payload)} />`;
  if (kind === "reject") return html`<${Rejection} action=${action} />`;
  return html`<p>${kind === "drop" && "Drops it: "}<code>${kind === "drop" ? action.reason : actionText(action)}</code></p>`;
}

function Folded({ word, head, text }) {
  return html`<details class="trace-folded"><summary>${word} <code>${head}</code></summary><${Code} text=${text} /></details>`;
}

function Rejection({ action: { code, description, details } }) {
  return html`<p><strong>${code}</strong>: ${description || "no description"}</p>
    ${!isEmpty(details) && html`<${Code} text=${pretty(details)} />`}`;
}

function Message({ message }) {
  const { topic, qos, retain } = message;
  return html`<p class="trace-topic"><code>${topic}</code> <small>QoS ${qos}${retain ? ", retained" : ""}</small></p>
    <${Code} text=${payloadText(message)} label=${`Payload for ${topic}`} />`;
}

/** What became of the message after all transforms. */
function Outcome({ trace }) {
  const { published = [], sent = [], answer, not_mapped: notMapped, incidents = [] } = trace;
  const isNothing = !published.length && !sent.length && !answer && !notMapped && !incidents.length;
  return html`<div class="trace-outcome">
    ${incidents.map((text, place) => html`<div class="notice bad" key=${place}><${FailureText} text=${text} /></div>`)}
    ${notMapped && html`<div class="notice bad"><p>Not mapped: ${notMapped}</p></div>`}
    ${published.map((message, place) => html`<section key=${place}><h3>Published</h3><${Message} message=${message} /></section>`)}
    ${sent.map((frame, place) => html`<section key=${place}>
      <h3>Sent to the charge point</h3>
      <${Code} text=${pretty(frame)} label="Frame for the charge point" />
    </section>`)}
    ${answer && html`<section>
      <h3>${answer.action === "reject" ? "Answered to the sender with an error" : "Answered to the sender"}</h3>
      ${answer.action === "reject"
        ? html`<${Rejection} action=${answer} />`
        : html`<${Code} text=${pretty(answer.payload ?? "")} label="Answer to the sender" />`}
    </section>`}
    ${isNothing && html`<p class="empty">Nothing is published, sent or answered.</p>`}
  </div>`;
}
