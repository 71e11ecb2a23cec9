// Finds a charge point by a part of its identity: "why does charger 4711 not charge?" It finds those that are away or were refused, too.
import { html, useEffect, useRef, useState } from "../../lib/ui.js";
import { request } from "../../lib/api.js";
import { go } from "../../lib/router.js";
import { Badge } from "../../lib/widgets.js";

/** Milliseconds without a key until the gateway is asked, and how many it is asked for. */
const WAIT = 120;
const MOST = 8;

/** `[{id, state: "on line" | "away" | "refused", more}]` */
async function find(text, signal) {
  const known = request("/api/v1/charge-points", { query: { search: text, state: "all", limit: MOST }, signal });
  const refused = request("/api/v1/refusals", { query: { search: text, limit: MOST }, signal }).catch(() => ({ refusals: [] }));
  const [{ charge_points: rows }, { refusals }] = await Promise.all([known, refused]);
  const found = rows.map(({ id, connected, vendor, model, connectors }) => ({
    id,
    state: connected === false ? "away" : "on line",
    more: [[vendor, model].filter(Boolean).join(" "), statuses(connectors)].filter(Boolean).join(" · "),
  }));
  const taken = new Set(found.map(({ id }) => id));
  for (const { identity, text: why } of refusals) {
    if (!identity || taken.has(identity)) continue;
    taken.add(identity);
    found.push({ id: identity, state: "refused", more: why });
  }
  return found.slice(0, MOST);
}

function statuses(connectors = []) {
  return [...new Set(connectors.map(({ status }) => status))].join(", ");
}

export function Find() {
  const [text, setText] = useState("");
  const [found, setFound] = useState(null);
  const [chosen, setChosen] = useState(-1);
  const running = useRef(null);
  useEffect(() => () => stop(running), []);
  const close = () => {
    stop(running);
    setFound(null);
    setChosen(-1);
  };
  const changed = (event) => {
    const value = event.target.value;
    setText(value);
    setChosen(-1);
    stop(running);
    if (!value.trim()) return setFound(null);
    later(running, (signal) => find(value.trim(), signal).then((rows) => signal.aborted || setFound(rows), () => {}));
  };
  const submit = async (event) => {
    event.preventDefault();
    if (found?.[chosen]) return open(found[chosen].id);
    if (text.trim()) await openBest(text.trim());
  };
  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found?.length) {
      event.preventDefault();
      setChosen((chosen + step + found.length + (chosen < 0 && step < 0 ? 1 : 0)) % found.length);
    } else if (event.key === "Escape" && found) {
      event.preventDefault();
      close();
    }
  };
  // In lower case: this version of the view library does not know the event otherwise.
  const left = (event) => event.currentTarget.contains(event.relatedTarget) || close();
  return html`<form class="find" role="search" onSubmit=${submit} onfocusout=${left}>
    <input type="search" role="combobox" aria-label="Find a charge point" placeholder="Find a charge point: identity" value=${text}
      onInput=${changed} onKeyDown=${key} autocomplete="off" spellcheck=${false}
      aria-expanded=${found ? "true" : "false"} aria-controls="found" aria-autocomplete="list"
      aria-activedescendant=${chosen >= 0 ? `found-${chosen}` : undefined} />
    <button class="primary">Open</button>
    <${Found} found=${found} chosen=${chosen} text=${text} />
  </form>`;
}

/** The list below the box; it lies over the view. */
function Found({ found, chosen, text }) {
  const none = found && !found.length;
  return html`<ul id="found" role="listbox" aria-label="Charge points" class="found" hidden=${!found || none}>
      ${(found ?? []).map(({ id, state, more }, at) => html`<li key=${id} id=${`found-${at}`} role="option"
        aria-selected=${at === chosen ? "true" : "false"} onMouseDown=${(event) => event.preventDefault()} onClick=${() => open(id)}>
        <strong>${id}</strong> <${Badge} tone=${{ "on line": "ok", refused: "bad" }[state]}>${state}<//> <small>${more}</small>
      </li>`)}
    </ul>
    <p class="found" role="status" hidden=${!none}>
      ${none && html`This gateway knows no charge point with “${text.trim()}” in its identity, address, vendor or model.`}
    </p>`;
}

/** The charge point of exactly this identity, or the only one that matches; the list if several match. */
async function openBest(text) {
  const found = await find(text).catch(() => []);
  if (found.some(({ id }) => id === text) || !found.length) return open(text);
  if (found.length === 1) return open(found[0].id);
  // Those that are away, and those that were refused, have a list of their own.
  const state = ["on line", "away", "refused"].find((state) => found.some((one) => one.state === state));
  go(["charge-points"], { search: text, state: state === "on line" ? "" : state });
}

function open(id) {
  go(["charge-points", id]);
}

function stop(running) {
  clearTimeout(running.current?.timer);
  running.current?.abort.abort();
}

function later(running, work) {
  const abort = new AbortController();
  running.current = { abort, timer: setTimeout(() => work(abort.signal), WAIT) };
}
