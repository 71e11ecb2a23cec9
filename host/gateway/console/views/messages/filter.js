// Which rows of a message list are shown, and what a row says in one line. No DOM here.
import { toneOf } from "./log.js";

const MAX_SUMMARY = 200;
const MAX_VALUE = 80;

/** `{direction, action, errors, text}`, all optional; `text` in any case. */
export function makeFilter({ direction, action, errors, text }) {
  const wanted = (text ?? "").toLowerCase();
  return (row) => {
    if (direction && row.direction !== direction) return false;
    if (action && row.action !== action) return false;
    if (errors && toneOf(row) === "none") return false;
    return !wanted || contains(row, wanted);
  };
}

function contains(row, wanted) {
  const has = (text) => typeof text === "string" && text.toLowerCase().includes(wanted);
  if (has(row.action) || has(row.messageId) || row.incidents.some(has)) return true;
  if (row.kind === "event" && Object.values(row.about).some(has)) return true;
  return row.lines.some((line) => has(line.content) || line.topics.some(has));
}

/**
 * Applies a filter to many rows, again and again: what it said about a row holds until the row changes. Returns a function from rows
 * (oldest first) to those that are shown (newest first).
 */
export function makeSelection(filter) {
  const known = new WeakMap();
  return (rows) => {
    const shown = [];
    for (let at = rows.length - 1; at >= 0; at -= 1) {
      const row = rows[at];
      let said = known.get(row);
      if (said?.revision !== row.revision) known.set(row, (said = { revision: row.revision, shown: filter(row) }));
      if (said.shown) shown.push(row);
    }
    return shown;
  };
}

/** A payload in one line: `connectorId 1 · status Charging`. Texts and numbers first, then what has members of its own. */
export function summary(payload) {
  if (payload === undefined) return "";
  if (payload === null || typeof payload !== "object" || Array.isArray(payload)) return cut(compact(payload), MAX_SUMMARY);
  const members = Object.entries(payload);
  const plain = members.filter(([, value]) => value === null || typeof value !== "object");
  const nested = members.filter(([, value]) => value !== null && typeof value === "object" && compact(value) !== "{}");
  return cut([...plain, ...nested].map(([name, value]) => `${name} ${cut(compact(value), MAX_VALUE)}`).join(" · "), MAX_SUMMARY);
}

function compact(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
