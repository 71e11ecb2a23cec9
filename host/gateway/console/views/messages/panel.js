// The messages of a charge point, live: filters, list, and the trace of the selected one.
import { html, useEffect, useMemo, useRef, useState } from "../../lib/ui.js";
import { download, SearchBox, Section } from "../../lib/widgets.js";
import { count } from "../../lib/format.js";
import { useMe } from "../../lib/poll.js";
import { setQuery } from "../../lib/router.js";
import { MAX_HELD, MAX_ROWS } from "./log.js";
import { makeFilter, makeSelection } from "./filter.js";
import { MessageTable } from "./list.js";
import { StreamState, useMessages } from "./stream.js";
import { TracePanel } from "./trace.js";

/**
 * `quiet`: the charge point is not connected. `query`: the parameters `direction`, `action`, `errors` and `text` of the view.
 * `onLine(line)`: is called with each line as it comes, also while the list is paused.
 */
export function Messages({ id, query, quiet, onLine }) {
  const { log, state, changed } = useMessages(id, onLine);
  const { payloads } = useMe();
  const [selected, setSelected] = useState(null);
  const { direction, action, errors, text } = query;
  const select = useMemo(() => makeSelection(makeFilter({ direction, action, errors, text })), [log, direction, action, errors, text]);
  const rows = select(log.rows);
  useEffect(() => setSelected(null), [log]);
  const place = useRef(null);
  useEffect(() => {
    if (selected) showTrace(place.current);
  }, [Boolean(selected)]);
  const filtered = direction || action || errors || text;
  const empty = filtered && log.rows.length
    ? "No message matches the filters."
    : state === "open"
      ? "Listening. The next message of this charge point appears here."
      : "";
  return html`<${Section} title="Messages, live" actions=${html`<${Actions} id=${id} log=${log} changed=${changed}
    clear=${() => setSelected(null)} />`}>
    <${Filters} query=${query} actions=${log.actions} />
    <p class="messages-said" role="status">
      <${StreamState} state=${state} />
      ${state === "open" && html`<span>${said(log, rows)}</span>`}
      ${!payloads && html`<span class="soft">Without payloads and traces: admin.tap_payloads is false.</span>`}
    </p>
    <div ref=${place} class=${`messages-and-trace ${selected ? "with-trace" : ""} ${quiet && !log.rows.length ? "quiet" : ""}`}>
      <${MessageTable} rows=${rows} selected=${selected} onSelect=${setSelected} empty=${empty} />
      ${selected && html`<${TracePanel} key=${selected.id} row=${selected} onClose=${() => setSelected(null)} />`}
    </div>
  </${Section}>`;
}

/** Where the trace is below the list, both are brought into view. */
function showTrace(place) {
  const { top } = place.lastElementChild.getBoundingClientRect();
  if (top > innerHeight * 0.7) place.scrollIntoView({ block: "start" });
}

function said(log, rows) {
  const [shown, all] = [rows.length, log.rows.length];
  const parts = [shown === all ? `${count(all)} messages` : `${count(shown)} of ${count(all)} messages`];
  if (log.dropped) parts.push(`the latest ${count(MAX_ROWS)} are kept`);
  if (log.missed) parts.push(`${count(log.missed)} missed`);
  const lost = log.notHeld ? `, ${count(log.notHeld)} more than ${count(MAX_HELD)} are lost` : "";
  if (log.paused) parts.push(`paused: ${count(log.heldCount)} lines wait${lost}`);
  return parts.join(" · ");
}

function Actions({ id, log, changed, clear }) {
  const pause = () => {
    if (log.paused) log.resume();
    else log.pause();
    changed();
  };
  const empty = () => {
    log.clear();
    clear();
    changed();
  };
  return html`<button type="button" aria-pressed=${log.paused} onClick=${pause}
    title="A paused list stands still and goes on receiving">${log.paused ? "Go on" : "Pause"}</button>
    <button type="button" onClick=${empty}>Clear</button>
    <button type="button" disabled=${log.rows.length === 0}
      onClick=${() => download(`${id.replace(/[^\w.-]/g, "_")}.jsonl`, log.recording(), "application/x-ndjson")}
      title="All that the list keeps, whatever the filters are: for transform test --recording">Export as recording</button>`;
}

function Filters({ query, actions }) {
  const names = [...new Set([...actions, ...(query.action ? [query.action] : [])])].sort();
  const set = (name) => (event) => setQuery({ [name]: event.target.value });
  return html`<div class="filters">
    <${SearchBox} value=${query.text ?? ""} label="Search in messages" onChange=${(text) => setQuery({ text })} />
    <select aria-label="Direction of the CALL" value=${query.direction ?? ""} onChange=${set("direction")}>
      <option value="">Both directions</option>
      <option value="uplink">▲ from the charge point</option>
      <option value="downlink">▼ to the charge point</option>
    </select>
    <select aria-label="Action" value=${query.action ?? ""} onChange=${set("action")}>
      <option value="">All actions</option>
      ${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select>
    <label class="check"><input type="checkbox" checked=${Boolean(query.errors)}
      onChange=${(event) => setQuery({ errors: event.target.checked ? "1" : "" })} /> Errors and refusals only</label>
  </div>`;
}
