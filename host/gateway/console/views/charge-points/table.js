// The table of charge points: as long as the list is, but only the rows in view exist and are read.
import { html, useEffect, useState } from "../../lib/ui.js";
import { Failure, Time } from "../../lib/widgets.js";
import { count } from "../../lib/format.js";
import { go, href } from "../../lib/router.js";
import { useVirtual } from "../../lib/virtual.js";
import { useRows } from "./rows.js";
import { Connectors, shortVersion, vendorAndModel } from "./chips.js";

/** Pixels; as in charge-points.css. */
const ROW = 36;
const HEAD = 34;

/** `[class, heading, key of sort, cell(row), heading's title]` */
const COMMON = [
  ["c-id", "Charge point", "id", (row) => html`<a href=${href(["charge-points", row.id])} tabindex="-1">${row.id}</a>`],
  ["c-version", "OCPP", null, (row) => shortVersion(row.version)],
  ["c-model", "Vendor, model", null, (row) => vendorAndModel(row) || "–", "Of the last BootNotification"],
  ["c-address", "Address", null, (row) => html`<span title=${row.address}>${withoutPort(row.address)}</span>`],
];
const CONNECTED = [
  ...COMMON,
  ["c-since", "Since", "connected_since", (row) => html`<${Time} value=${row.connected_since} relative />`],
  ["c-last", "Last message", "last_message", (row) => html`<${Time} value=${row.last_message} relative />`],
  ["c-heartbeat", "Heartbeat", null, (row) => html`<${Time} value=${row.last_heartbeat} relative />`],
  ["c-connectors", "Connectors", null, (row) => html`<${Connectors} connectors=${row.connectors} />`],
  ["c-calls numeric", "Open", "open_calls", (row) => html`<${OpenCalls}
    calls=${row.open_calls} />`, "CALLs without an answer: ▲ from the charge point, ▼ to it"],
  ["c-mailbox numeric", "Queue", "mailbox", (row) => row.mailbox || html`<span
    class="soft">0</span>`, "Messages that wait for the charge point"],
];
const AWAY = [
  ...COMMON,
  ["c-since", "Off line since", null, (row) => html`<${Time} value=${row.disconnected_at} relative />`],
  ["c-last", "Last message", "last_message", (row) => html`<${Time} value=${row.last_message} relative />`],
  ["c-connectors", "Connectors then", null, (row) => html`<${Connectors} connectors=${row.connectors} />`],
  ["c-reason", "Why", null, (row) => row.disconnect_reason ?? "–"],
];

/** `192.0.2.7:50123` and `[2001:db8::1]:50123` without the port, which says little. */
function withoutPort(address) {
  return (address ?? "–").replace(/^(\[.*\]|[^:]+):\d+$/, "$1");
}

function OpenCalls({ calls }) {
  const { from_charge_point: from = 0, to_charge_point: to = 0 } = calls ?? {};
  if (!from && !to) return html`<span class="soft">0</span>`;
  const text = [from > 0 && `▲${from}`, to > 0 && `▼${to}`].filter(Boolean).join(" ");
  return html`<span title=${`${from} from the charge point, ${to} to it`}>${text}</span>`;
}

/**
 * `query`: of `/api/v1/charge-points`, without offset and limit. `picked`: identities with a check mark; `onPick(ids, picked)`;
 * `pickAll()`. `onRows(rows)`: what was read last. `empty`: what to say without rows.
 */
export function ChargePointTable({ query, picked, onPick, pickAll, onSort, onRows, empty }) {
  const columns = query.state === "away" ? AWAY : CONNECTED;
  const [length, setLength] = useState(0);
  const virtual = useVirtual({ count: length, height: ROW, head: HEAD });
  const rows = useRows(query, virtual.from, Math.max(virtual.to, virtual.from + 20));
  const [active, setActive] = useState(0);
  const shown = Math.min(active, Math.max(0, length - 1));
  useEffect(() => void (rows.matching !== null && setLength(rows.matching)), [rows.matching]);
  useEffect(() => {
    setActive(0);
    if (virtual.ref.current) virtual.ref.current.scrollTop = 0;
  }, [JSON.stringify(query)]);
  const drawn = Array.from({ length: Math.max(0, virtual.to - virtual.from) }, (_, at) => [virtual.from + at, rows.at(virtual.from + at)]);
  useEffect(() => {
    onRows({ rows: drawn.map(([, row]) => row).filter(Boolean), matching: rows.matching, total: rows.total });
  }, [rows.matching, rows.total, drawn[0]?.[1]]);
  const move = (event) => {
    if (event.target !== event.currentTarget) return;
    const row = rows.at(shown);
    const page = Math.max(1, Math.floor((virtual.ref.current.clientHeight - HEAD) / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -length, End: length }[event.key];
    if (step) {
      const next = Math.max(0, Math.min(length - 1, shown + step));
      setActive(next);
      virtual.reveal(next);
    } else if (event.key === "Enter" && row) go(["charge-points", row.id]);
    else if (event.key === " " && row) onPick([row.id], !picked.has(row.id));
    else return;
    event.preventDefault();
  };
  return html`<${Failure} error=${rows.error} retry=${rows.reload} />
    <div class="cp-scroll" ref=${virtual.ref}>
      <table class=${`cps ${query.state} ${rows.fresh ? "" : "old"}`} role="grid" aria-label="Charge points" aria-rowcount=${length + 1}
        aria-multiselectable="true"
        tabindex="0" onKeyDown=${move} aria-activedescendant=${shown >= virtual.from && shown < virtual.to ? `cp-${shown}` : undefined}>
        <${Head} columns=${columns} query=${query} onSort=${onSort} picked=${picked} pickAll=${pickAll} />
        <tbody>
          ${virtual.before > 0 && html`<tr key="before" aria-hidden="true" class="space" style=${{ height: `${virtual.before}px` }}></tr>`}
          ${drawn.map(([index, row]) => html`<${Row} key=${index} index=${index} row=${row} columns=${columns} active=${index === shown}
            picked=${row !== undefined && picked.has(row.id)} onPick=${onPick} onActive=${setActive} />`)}
          ${virtual.after > 0 && html`<tr key="after" aria-hidden="true" class="space" style=${{ height: `${virtual.after}px` }}></tr>`}
        </tbody>
      </table>
      ${rows.matching === 0 && html`<p class="empty">${empty}</p>`}
    </div>`;
}

function Head({ columns, query, onSort, picked, pickAll }) {
  const order = query.order ?? "asc";
  const sort = query.sort ?? "id";
  const sorted = { asc: "ascending", desc: "descending" };
  return html`<thead>
    <tr aria-rowindex="1">
      <th class="c-pick"><input type="checkbox" aria-label="Select all that match" checked=${picked.size > 0}
        indeterminate=${picked.size > 0} onChange=${pickAll} /></th>
      ${columns.map(([name, text, key, , title]) => html`<th key=${text} class=${name} title=${title}
        aria-sort=${key === sort ? sorted[order] : undefined}>
        ${key ? html`<button type="button" class="sort" onClick=${() => onSort(key)}>${text}<span
          aria-hidden="true">${key === sort ? (order === "asc" ? "\u00a0↑" : "\u00a0↓") : ""}</span></button>` : text}
      </th>`)}
    </tr>
  </thead>`;
}

function Row({ index, row, columns, active, picked, onPick, onActive }) {
  const open = (event) => {
    onActive(index);
    if (row && !event.target.closest("a, input, label") && !getSelection().toString()) go(["charge-points", row.id]);
  };
  const shared = { id: `cp-${index}`, "aria-rowindex": index + 2, class: `cp ${active ? "active" : ""}` };
  if (!row) return html`<tr ...${shared} aria-busy="true"><td class="c-pick"></td><td colspan=${columns.length}><span
    class="placeholder">${count(index + 1)}</span></td></tr>`;
  return html`<tr ...${shared} aria-selected=${picked} onClick=${open}>
    <td class="c-pick"><label><input type="checkbox" tabindex="-1" checked=${picked} aria-label=${`Select ${row.id}`}
      onChange=${() => onPick([row.id], !picked)} /></label></td>
    ${columns.map(([name, text, , cell]) => html`<td key=${text} class=${name}>${cell(row)}</td>`)}
  </tr>`;
}
