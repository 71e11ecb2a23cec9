// The chain as it runs: the road of a message to the broker, and back.
import { html } from "../../lib/ui.js";
import { count, seconds, shortHash } from "../../lib/format.js";
import { href } from "../../lib/router.js";
import { Conditions, hooksOf, matchText } from "./words.js";

/** Hooks that are not called for messages, and when they are. */
const BESIDE = [
  ["admission", "when a charge point wants to connect"],
  ["connected", "when it has connected"],
  ["disconnected", "when it has gone"],
  ["events", "when it has connected or gone"],
  ["validation", "for rules about payloads"],
];

/** `transforms`: in the order in which they handle a frame from a charge point. */
export function Chain({ transforms }) {
  const reverse = [...transforms].reverse();
  const having = (list, hook) => list.filter((transform) => hooksOf(transform).has(hook)).map((transform) => ({ transform, hook }));
  const up = [...having(transforms, "uplink"), ...having(transforms, "to-mqtt"), ...having(transforms, "outbound")];
  const down = [...having(reverse, "inbound"), ...having(reverse, "from-mqtt"), ...having(reverse, "downlink")];
  return html`<div class="chain">
      <p class="chain-end">Charge point</p>
      <div class="chain-lanes">
        <${Lane} label="From the charge point to the broker" direction="up" stages=${up} />
        <${Lane} label="From the broker to the charge point" direction="down" stages=${down} />
      </div>
      <p class="chain-end">Broker</p>
    </div>
    <${Beside} transforms=${transforms} />`;
}

/** Stages in the order of the message. The lane down is drawn from right to left. */
function Lane({ label, direction, stages }) {
  return html`<div class=${`lane ${direction}`}>
    <h3>${label}</h3>
    <ol>${stages.map(({ transform, hook }) => html`<li key=${`${transform.name} ${hook}`}>
      <${Stage} transform=${transform} hook=${hook} />
    </li>`)}</ol>
  </div>`;
}

function Stage({ transform, hook }) {
  const { name, match, version, sha256, program_sha256: program, calls, failures, mean_call_us: time } = transform;
  const isStopped = (transform.stopped_hooks ?? []).some((stopped) => stopped.replaceAll("_", "-") === hook);
  return html`<article class=${`stage ${isStopped ? "stopped" : ""}`}>
    <p class="stage-hook">${hook}</p>
    <p class="stage-name"><a href=${href(["transforms", name])}>${name}</a></p>
    <p class="soft">${matchText(match) === "all" ? "all messages" : matchText(match)}</p>
    <p class="soft"><span title=${`SHA-256 ${program ?? sha256}`}>${version} <code>${shortHash(program ?? sha256)}</code></span></p>
    <p class="stage-figures">${count(calls)} calls · ${seconds(time === null ? null : time / 1e6)}${failures > 0 &&
      html` · <span class="fault">${count(failures)} failed</span>`}</p>
    <p class="stage-conditions"><${Conditions} transform=${transform} hook=${hook} /></p>
  </article>`;
}

function Beside({ transforms }) {
  const found = BESIDE.map(([hook, when]) => ({ hook, when, users: transforms.filter((transform) => hooksOf(transform).has(hook)) }));
  const used = found.filter(({ users }) => users.length);
  if (!used.length) return null;
  return html`<dl class="facts chain-beside">
    ${used.map(({ hook, when, users }) => html`<dt key=${hook}>${hook}</dt>
      <dd key=${`${hook} of`}>${users.map(({ name }) => html`<a key=${name} href=${href(["transforms", name])}>${name}</a> `)}
        <span class="soft">${when}</span></dd>`)}
  </dl>`;
}
