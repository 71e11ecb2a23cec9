// The table of messages: a CALL and its answer in one row, the newest on top. Only the rows in view are drawn.
import { html, useRef, useState } from "../../lib/ui.js";
import { Badge } from "../../lib/widgets.js";
import { Code } from "../../lib/code.js";
import { fullTime, preciseClock, pretty, seconds, firstLine } from "../../lib/format.js";
import { useSteadyScroll, useVirtual } from "../../lib/virtual.js";
import { took, toneOf } from "./log.js";
import { statusText } from "./status.js";
import { summary } from "./filter.js";

/** Pixels; as in messages.css. */
const ROW = 30;
const HEAD = 30;
const UNFOLDED = 230;

/** `rows`: those to show, newest first. `selected`: the row whose trace is shown; `onSelect(row | null)`. `empty`: said without rows. */
export function MessageTable({ rows, selected, onSelect, empty }) {
  const [unfolded, setUnfolded] = useState(() => new Set());
  const extra = new Map();
  if (unfolded.size) rows.forEach((row, at) => unfolded.has(row.id) && extra.set(at, UNFOLDED));
  const virtual = useVirtual({ count: rows.length, height: ROW, head: HEAD, extra });
  useSteadyScroll(virtual.ref, virtual.top, useNewer(rows), ROW);
  const drawn = rows.slice(virtual.from, virtual.to);
  const toggle = (row) => setUnfolded((old) => toggled(old, row.id));
  const key = (event) => {
    if (event.target !== event.currentTarget) return;
    const at = rows.findIndex((row) => row.id === selected?.id);
    const page = Math.max(1, Math.floor((virtual.ref.current.clientHeight - HEAD) / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length }[event.key];
    if (step && rows.length) {
      const next = at < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, at + step));
      onSelect(rows[next]);
      virtual.reveal(next);
    } else if (event.key === "Escape") onSelect(null);
    else if ((event.key === "Enter" || event.key === " ") && at >= 0) toggle(rows[at]);
    else return;
    event.preventDefault();
  };
  // Rows are drawn by their place, not by their message: while messages come fast, only texts change, and no row is made anew.
  return html`<div class="messages-scroll" ref=${virtual.ref}>
    <table class="messages" role="grid" aria-label="Messages" aria-rowcount=${rows.length + 1} tabindex="0" onKeyDown=${key}
      aria-activedescendant=${drawn.includes(selected) ? `message-${selected.id}` : undefined}>
      <${Head} />
      <tbody>
        ${virtual.before > 0 && html`<tr key="before" aria-hidden="true" class="space" style=${{ height: `${virtual.before}px` }}></tr>`}
        ${drawn.map((row, at) => html`<${Row} key=${at} row=${row} index=${virtual.from + at}
          selected=${row.id === selected?.id} unfolded=${unfolded.has(row.id)} onSelect=${onSelect} toggle=${toggle} />`)}
        ${virtual.after > 0 && html`<tr key="after" aria-hidden="true" class="space" style=${{ height: `${virtual.after}px` }}></tr>`}
      </tbody>
    </table>
    ${rows.length === 0 && html`<p class="empty">${empty}</p>`}
  </div>`;
}

function toggled(set, id) {
  const next = new Set(set);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** How many rows have come in above those of the last drawing, in all. */
function useNewer(rows) {
  const seen = useRef({ first: null, count: 0 });
  const { first } = seen.current;
  const at = first === null ? 0 : rows.findIndex((row) => row.id <= first);
  seen.current = { first: rows[0]?.id ?? first, count: seen.current.count + Math.max(0, at) };
  return seen.current.count;
}

function Head() {
  return html`<thead>
    <tr>
      <th class="m-fold"><span class="visually-hidden">Unfold</span></th>
      <th class="m-time">Time</th>
      <th class="m-action">Action</th>
      <th class="m-payload">Payload</th>
      <th class="m-answer">Answer</th>
      <th class="m-took numeric" title="From the CALL to its answer">After</th>
    </tr>
  </thead>`;
}

function Row({ row, index, selected, unfolded, onSelect, toggle }) {
  const tone = toneOf(row);
  // Another message may be in this place when the button is released.
  const pressed = useRef(row);
  const click = (event) => {
    if (event.target.closest("button") || getSelection().toString()) return;
    onSelect(selected && pressed.current === row ? null : pressed.current);
  };
  return html`<tr id=${`message-${row.id}`} class=${`message ${tone} ${row.kind}`} aria-rowindex=${index + 2} aria-selected=${selected}
      onMouseDown=${() => (pressed.current = row)} onClick=${click}>
      <td class="m-fold">
        ${row.kind === "message" && html`<button type="button" class="link" tabindex="-1" aria-expanded=${unfolded}
          onClick=${() => toggle(row)}
          aria-label=${`Payloads of ${row.action ?? "the message"}`}>${unfolded ? "▾" : "▸"}</button>`}
      </td>
      <td class="m-time"><time datetime=${row.time} title=${fullTime(row.time)}>${shortClock(row.time)}</time></td>
      ${row.kind === "event" ? html`<td colspan="4" class="m-event">${eventText(row)}</td>` : html`<${MessageCells} row=${row}
        tone=${tone} />`}
    </tr>
    ${unfolded && html`<tr class="unfolded"><td colspan="6"><${Unfolded} row=${row} /></td></tr>`}`;
}

/** The milliseconds apart: a narrow window leaves them out. */
function shortClock(time) {
  const [whole, milliseconds] = preciseClock(time).split(".");
  return html`${whole}<span class="ms">.${milliseconds}</span>`;
}

function MessageCells({ row, tone }) {
  const passed = took(row);
  const text = row.call ? summary(row.call.payload) : "";
  return html`<td class="m-action"><${Direction} direction=${row.direction} /> ${row.action ?? row.call?.type ?? "?"}
      ${row.call?.type === "SEND" && html` <small>SEND</small>`}</td>
    <td class="m-payload" title=${text || undefined}>
      ${text || html`<span class="soft">${withoutSummary(row)}</span>`}</td>
    <td class="m-answer"><${Answer} row=${row} tone=${tone} /></td>
    <td class="m-took numeric">${passed === null ? "" : seconds(passed / 1e6)}</td>`;
}

/** Why a row has no CALL, in short and as a sentence. */
export function withoutCall(row) {
  if (row.lines.some(({ origin }) => origin === "gateway")) return ["error report", "An error report of the gateway to back ends."];
  if (row.incidents.length) return ["no open CALL", "No CALL of this message is known."];
  return ["before this page listened", "The CALL came before this page was listening: only the answer was seen."];
}

function withoutSummary(row) {
  if (!row.call) return withoutCall(row)[0];
  return row.call.payload === undefined ? "no payload shown" : "{}";
}

/** The arrow, and what it means. */
export function Direction({ direction }) {
  const up = direction === "uplink";
  return html`<span class=${`direction ${direction}`} title=${up ? "from the charge point" : "to the charge point"}><span
    aria-hidden="true">${up ? "▲" : "▼"}</span>
    <span class="visually-hidden">${up ? "from the charge point" : "to the charge point"}</span></span>`;
}

function Answer({ row, tone }) {
  const incidents = row.incidents.map(firstLine).join("; ");
  if (!row.answer && incidents) return html`<span class="fault" title=${incidents}>${incidents}</span>`;
  if (!row.answer) return row.call?.type === "SEND" ? "" : html`<span class="soft">…</span>`;
  const { type, payload } = row.answer;
  if (type !== "CALLRESULT") {
    return html`<${Badge} tone="bad">${payload?.code || "CALLERROR"}</${Badge}> <span
      title=${payload?.description}>${payload?.description}</span>`;
  }
  const status = statusText(payload);
  const rest = summary(payload);
  return html`${status && html`<${Badge} tone=${tone === "warn" ? "warn" : "none"}>${status}</${Badge}> `}${incidents
    ? html`<span class="fault" title=${incidents}>${incidents}</span>`
    : html`<span class="soft"
      title=${rest}>${rest === `status ${status}` ? "" : rest || (payload === undefined ? "answered" : "{}")}</span>`}`;
}

function eventText(row) {
  const { about } = row;
  switch (row.event) {
    case "connected":
      return `Connected from ${about.address}, ${about.version}`;
    case "disconnected":
      return `Disconnected: ${about.text ?? about.reason}`;
    case "refused":
      return `Connection refused: ${about.text ?? about.reason}`;
    case "incident":
      return html`<${Direction} direction=${row.direction} /> ${row.action} ${row.incidents.map(firstLine).join("; ")}`;
    case "missed":
      return `${about.missed} lines are missing: this page was too slow to read them.`;
    case "not_held":
      return `${about.missed} lines are missing: more came than a paused list holds.`;
    case "interrupted":
      return "The stream was interrupted. What passed in the meantime is missing.";
    default:
      return row.event;
  }
}

function Unfolded({ row }) {
  const part = (title, line) => html`<div><h3>${title}</h3>
    ${line ? html`<${Code} text=${textOf(line)} label=${title} />` : html`<p
      class="soft">${title === "CALL" ? withoutCall(row)[1] : "Not answered yet."}</p>`}</div>`;
  const answer = row.call?.type !== "SEND" && part(row.answer?.type ?? "Answer", row.answer);
  return html`<div class="payloads">${part(row.call?.type ?? "CALL", row.call)}${answer}</div>`;
}

/** The frame as it was written: numbers stay as they are. */
function textOf(line) {
  return line.content === undefined ? "The gateway does not show payloads (admin.tap_payloads)." : pretty(line.content);
}
