// Messages that the live version and the candidate treat differently.
import { html } from "../../lib/ui.js";
import { Code } from "../../lib/code.js";
import { Diff } from "../../lib/diff.js";
import { count } from "../../lib/format.js";
import { go, href, setQuery } from "../../lib/router.js";
import { actionText, contentText, FailureText, LogLines } from "../../lib/trace.js";
import { Empty, Section, Tabs, Time } from "../../lib/widgets.js";

const VIEWS = [["diff", "As a difference"], ["sides", "Side by side"]];
/** As many are shown at first; the gateway keeps a hundred. */
const FIRST = 20;

const isFailure = ({ candidate }) => Boolean(candidate.failure);
/** `[key, label, selects(difference)]` */
const KINDS = [
  ["", "All", () => true],
  ["failed", "The candidate fails", isFailure],
  ["different", "Another outcome", (it) => !isFailure(it)],
];

export function Differences({ trial: { shadow }, query }) {
  const { different, failed } = shadow;
  const view = query.view === "sides" ? "sides" : "diff";
  const [kind, , selects] = KINDS.find(([key]) => key === query.kind) ?? KINDS[0];
  const differences = shadow.differences.filter(selects);
  const shown = query.all ? differences : differences.slice(0, FIRST);
  const all = different + failed;
  const choose = shadow.differences.length > 0 && html`<select aria-label="Which differences are shown" value=${kind}
    onChange=${(event) => setQuery({ kind: event.target.value, all: "" })}>
    ${KINDS.map(([key, label, of]) => html`<option key=${key} value=${key}>
      ${label}: ${count(shadow.differences.filter(of).length)}
    </option>`)}
  </select>`;
  const part = all > shadow.differences.length ? `the first ${count(shadow.differences.length)} of ` : "";
  const title = `Differences: ${part}${count(all)}`;
  return html`<${Section} title=${title} actions=${choose}>
    ${!shadow.differences.length && html`<${Empty}>Both versions do the same so far.</${Empty}>`}
    ${shadow.differences.length > 0 && html`<${Tabs} label="How differences are shown" items=${VIEWS} value=${view}
      onChange=${(key) => setQuery({ view: key === "diff" ? "" : key })} />`}
    <ol class="differences">
      ${shown.map((difference, place) => html`<${Difference} key=${place} difference=${difference} view=${view} />`)}
    </ol>
    ${shown.length < differences.length && html`<button type="button" onClick=${() => setQuery({ all: 1 })}>
      Show all ${differences.length}</button>`}
  </${Section}>`;
}

function Difference({ difference, view }) {
  const { time, charge_point: id, hook, input, live, candidate } = difference;
  const open = () => {
    const message = input.message ? { message: input.message } : { frame: input.frame };
    sessionStorage.setItem("ocpp-gateway-playground-message", JSON.stringify({ charge_point: { id }, ...message }));
    go(["playground"], { from: "storage" });
  };
  const canOpen = input?.frame && hook === "uplink";
  return html`<li>
    <p class="trace-head">
      <${Time} value=${time} /> <a href=${href(["charge-points", id])}>${id}</a> <span class="soft">${hook}</span>
      ${canOpen && html`<button type="button" class="link" onClick=${open}>Open in the playground</button>`}
    </p>
    ${input && html`<details class="trace-folded"><summary>In <code>${input.frame ?? input.message?.topic ?? input.event}</code></summary>
      <${Code} text=${contentText(input)} /></details>`}
    ${candidate.failure && html`<p class="soft">The candidate fails:</p><${FailureText} text=${candidate.failure} />`}
    ${live.failure && html`<p class="soft">The live version fails:</p><${FailureText} text=${live.failure} />`}
    <${LogLines} lines=${candidate.log ?? []} />
    <${Outcomes} input=${input} live=${live} candidate=${candidate} view=${view} />
  </li>`;
}

/** What both did. A message that passes is shown as it came, so that the difference is that of the messages. */
function Outcomes({ input, live, candidate, view }) {
  if (!live.actions && !candidate.actions) return html`<p class="soft">Not shown: admin.tap_payloads is false.</p>`;
  const text = ({ actions, failure }) => {
    if (failure) return "fails";
    if (!actions?.length) return "nothing goes on";
    return actions.map((action) => (action.action === "pass" && input ? contentText(input) : actionText(action))).join("\n\n");
  };
  const [before, after] = [text(live), text(candidate)];
  if (view === "diff") return html`<${Diff} before=${before} after=${after} label="Live version and candidate" />`;
  return html`<div class="sides">
    <div><h3>Live</h3><${Code} text=${before} label="Live version" /></div>
    <div><h3>Candidate</h3><${Code} text=${after} label="Candidate" /></div>
  </div>`;
}
