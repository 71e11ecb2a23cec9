// The charge points that a CALL goes to: chips, and a search that adds more.
import { html, useEffect, useRef, useState } from "../../lib/ui.js";
import { request } from "../../lib/api.js";
import { count } from "../../lib/format.js";
import { usePoll } from "../../lib/poll.js";
import { href } from "../../lib/router.js";
import { shortVersion, vendorAndModel } from "../charge-points/chips.js";
import { eachOf } from "./run.js";

/** So many are asked for one by one; more are read as pages of the list. */
const ONE_BY_ONE = 20;
const PAGE = 1000;
const MAX_PAGES = 20;
const AGAIN_EVERY = 10_000;
/** The id of the options below the input. */
const OPTIONS = "target-options";
/** Chips that are shown at first. */
const SHOWN = 24;

/** The rows of `/api/v1/charge-points` of these identities: a Map, with null for those that are not known; null before they are read. */
export function useTargets(ids) {
  const [rows, setRows] = useState(null);
  const key = ids.join("\n");
  useEffect(() => {
    const stop = new AbortController();
    const load = async () => {
      const found = await readRows(ids, stop.signal).catch(() => null);
      if (found && !stop.signal.aborted) setRows(found);
    };
    load();
    const timer = ids.length && ids.length <= ONE_BY_ONE ? setInterval(() => document.hidden || load(), AGAIN_EVERY) : null;
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [key]);
  return rows;
}

/** The rows of these identities: a Map, with null for those that are not known. */
export async function readRows(ids, signal) {
  const found = new Map(ids.map((id) => [id, null]));
  const take = (answer) => answer.charge_points.forEach((row) => found.has(row.id) && found.set(row.id, row));
  if (ids.length <= ONE_BY_ONE) {
    await eachOf(ids, 8, async (id) => take(await request("/api/v1/charge-points", { query: { state: "all", id, limit: 10 }, signal })));
    return found;
  }
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = { state: "all", limit: PAGE, offset: page * PAGE || undefined };
    const answer = await request("/api/v1/charge-points", { query, signal });
    take(answer);
    if ((page + 1) * PAGE >= answer.matching || [...found.values()].every(Boolean)) break;
  }
  return found;
}

export function Targets({ ids, rows, onChange }) {
  const [all, setAll] = useState(false);
  const shown = all ? ids : ids.slice(0, SHOWN);
  const remove = (id) => onChange(ids.filter((other) => other !== id));
  return html`<div class="targets">
    ${ids.length > 0 && html`<ul class="chips" aria-label="Charge points">${shown.map((id) => html`<${Target} key=${id} id=${id}
      row=${rows?.get(id)} remove=${() => remove(id)} />`)}</ul>`}
    ${ids.length > shown.length && html`<button type="button" class="link"
      onClick=${() => setAll(true)}>and ${count(ids.length - shown.length)} more</button>`}
    <div class="actions">
      <${AddTarget} ids=${ids} onAdd=${(id) => onChange([...ids, id])} />
      ${ids.length > 1 && html`<button type="button" class="link" onClick=${() => onChange([])}>Remove all</button>`}
    </div>
  </div>`;
}

function Target({ id, row, remove }) {
  const state = row === undefined ? "" : row === null ? "not known" : row.connected ? shortVersion(row.version) : "not connected";
  return html`<li class=${`target ${row === null || row?.connected === false ? "bad" : ""}`}>
    <a href=${href(["charge-points", id])}>${id}</a> <small>${state}</small>
    <button type="button" class="link" onClick=${remove} aria-label=${`Remove ${id}`}>×</button>
  </li>`;
}

/** A combobox: type a part of identity, address, vendor or model; the arrow keys choose, Enter adds. */
function AddTarget({ ids, onAdd }) {
  const list = OPTIONS;
  const [text, setText] = useState("");
  const [asked, setAsked] = useState(null);
  const [at, setAt] = useState(0);
  const timer = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  const { data } = usePoll(asked === null ? null : "/api/v1/charge-points", { query: { search: asked, limit: 8 } });
  const found = (data?.charge_points ?? []).filter((row) => !ids.includes(row.id));
  const open = asked !== null && found.length > 0;
  const chosen = Math.min(at, found.length - 1);
  const ask = (next) => {
    setText(next);
    setAt(0);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setAsked(next.trim()), 200);
  };
  const close = () => {
    clearTimeout(timer.current);
    setAsked(null);
  };
  const add = (id) => {
    if (!id) return;
    close();
    setText("");
    if (!ids.includes(id)) onAdd(id);
  };
  const key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !open) ask(text);
    else if (step) setAt((chosen + step + found.length) % found.length);
    else if (event.key === "Enter") add(open ? found[chosen].id : text.trim());
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  };
  return html`<div class="combobox">
    <input role="combobox" aria-label="Add a charge point" placeholder="Add a charge point" autocomplete="off" aria-expanded=${open}
      aria-controls=${list} aria-autocomplete="list"
      aria-activedescendant=${open ? `${list}-${chosen}` : undefined} value=${text}
      onInput=${(event) => ask(event.target.value)} onKeyDown=${key} onFocus=${() => ask(text)} onBlur=${close} />
    <ul id=${list} role="listbox" aria-label="Charge points that match" hidden=${!open}>
      ${found.map((row, index) => html`<li key=${row.id} id=${`${list}-${index}`} role="option" aria-selected=${index === chosen}
        onMouseDown=${(event) => (event.preventDefault(), add(row.id))}>
        ${row.id} <small>${shortVersion(row.version)} ${vendorAndModel(row)}</small></li>`)}
    </ul>
  </div>`;
}
