// The audit lines: who changed what.
import { html } from "../../lib/ui.js";
import { Code } from "../../lib/code.js";
import { pretty } from "../../lib/format.js";
import { href, setQuery } from "../../lib/router.js";
import { usePoll } from "../../lib/poll.js";
import { Badge, Empty, Failure, ScrollX, SearchBox, Section, Time } from "../../lib/widgets.js";

const EVERY = 5000;
/** All that the gateway keeps. */
const MOST = 500;

export function Audit({ search }) {
  const { data, error, reload } = usePoll("/api/v1/audit", { query: { limit: MOST }, every: EVERY });
  const wanted = search.toLowerCase();
  const has = ({ who, token, what, done, call }) => [who, token, what, done, call?.action].join(" ").toLowerCase().includes(wanted);
  const lines = (data?.lines ?? []).filter(has);
  return html`<${Section}>
    <div class="filters"><${SearchBox} label="Search who and what" value=${search} onChange=${(text) => setQuery({ search: text })} /></div>
    <${Failure} error=${error} kept=${Boolean(data)} retry=${reload} />
    ${data && lines.length > 0 &&
      html`<${ScrollX} label="Changes, latest first"><${Lines} lines=${lines} /><//>`}
    ${data && !lines.length && html`<${None} search=${search} />`}
  <//>`;
}

function None({ search }) {
  return html`<${Empty}>${search
    ? html`No change matches. <button type="button" class="link" onClick=${() => setQuery({ search: "" })}>Show all</button>`
    : "No change over the API since the start of the gateway. Earlier ones are in its log, under the target audit."}<//>`;
}

function Lines({ lines }) {
  return html`<table class="audit">
    <thead><tr>${["Time", "Who", "What", "Before", "After"].map((name) => html`<th scope="col" key=${name}>${name}</th>`)}</tr></thead>
    <tbody>${lines.map((line) => html`<tr key=${JSON.stringify(line)}>
      <td class="event-time"><${Time} value=${line.time} /></td>
      <td>${line.who} ${line.token && html`<${Badge}>${line.token}<//>`}</td>
      <td><${Linked} text=${line.what} /> <${Linked} text=${line.done} />${line.call && html`<${Call} call=${line.call} />`}</td>
      <td><${Hash} text=${line.before} /></td>
      <td><${Hash} text=${line.after} /></td>
    </tr>`)}</tbody>
  </table>`;
}

/** The CALL of a line: what became of it; its payload, folded. */
function Call({ call: { message_id: id, payload, outcome, error_code: code, reason } }) {
  const outcomes = { result: ["ok", "answered"], error: ["bad", code], none: ["warn", reason ?? "no answer"] };
  const [tone, words] = outcomes[outcome] ?? ["none", "no answer yet"];
  return html` <${Badge} tone=${tone}>${words}<//>
    ${payload && html`<details><summary>Payload, message id ${id}</summary><${Code} text=${pretty(payload)} /></details>`}`;
}

/** A text that ends in `transform NAME` or `charge point ID` leads there. */
function Linked({ text }) {
  const [, before, kind, name] = /^(.*?)(transform|charge point) (.+)$/.exec(text) ?? [];
  return kind ? html`${before}${kind} <a href=${href([kind === "transform" ? "transforms" : "charge-points", name])}>${name}</a>` : text;
}

function Hash({ text }) {
  return text ? html`<code>${text}</code>` : html`<span class="soft">–</span>`;
}
