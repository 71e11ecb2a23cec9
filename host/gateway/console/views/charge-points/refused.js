// Connections that were refused: which, why, how often.
import { html, useEffect } from "../../lib/ui.js";
import { Badge, Empty, Failure, Prose, ScrollX, SearchBox, Time } from "../../lib/widgets.js";
import { count } from "../../lib/format.js";
import { usePoll } from "../../lib/poll.js";
import { href, setQuery } from "../../lib/router.js";
import { refusalAdvice } from "./advice.js";

const LIMIT = 200;

/** `onTotal(number)`: how many there are. */
export function Refused({ query, onTotal }) {
  const { data, error, reload, previous } = usePoll("/api/v1/refusals", { query: { limit: LIMIT, search: query.search }, every: 2000 });
  const { refusals = [], total = 0 } = data ?? previous ?? {};
  useEffect(() => {
    if (data) onTotal(total);
  }, [data]);
  return html`<div class="filters">
      <${SearchBox} value=${query.search ?? ""} label="Identity or address" onChange=${(search) => setQuery({ search })} />
    </div>
    <${Failure} error=${error} retry=${reload} />
    ${total > refusals.length && refusals.length >= LIMIT && html`<p
      class="soft">The latest ${count(refusals.length)} of ${count(total)}. Search for others.</p>`}
    ${data && refusals.length === 0 && html`<${Empty}>${query.search
      ? "No refused connection matches. The charge point may not reach the gateway at all: check its URL, DNS and the firewall."
      : "No connection was refused since the gateway started."}</${Empty}>`}
    ${refusals.length > 0 && html`<${ScrollX} label="Refused connections"><table class="refused">
      <thead><tr><th>Identity</th><th>Address, listener</th><th>Why</th><th>What to do</th><th
        class="numeric">Times</th><th>First</th><th>Last</th></tr></thead>
      <tbody>${refusals.map((one) => html`<${Refusal} key=${`${one.identity ?? one.address} ${one.reason}`} one=${one} />`)}</tbody>
    </table><//>`}`;
}

function Refusal({ one }) {
  return html`<tr>
    <td>${one.identity === null ? html`<span class="soft">none read</span>` : html`<a
      href=${href(["charge-points", one.identity])}>${one.identity}</a>`}
      ${one.certificate && html`<br /><small>certificate ${one.certificate}</small>`}</td>
    <td><span class="mono">${one.address}</span><br /><small>${one.listener}</small></td>
    <td><${Badge} tone="bad">${one.reason}</${Badge}> <${Prose} text=${one.text} /></td>
    <td class="soft">${refusalAdvice(one.reason)}</td>
    <td class="numeric">${count(one.count)}</td>
    <td><${Time} value=${one.first} relative /></td>
    <td><${Time} value=${one.last} relative /></td>
  </tr>`;
}
