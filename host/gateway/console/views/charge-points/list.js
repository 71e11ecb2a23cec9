// The list of charge points: connected, away and refused ones, with search and filters.
import { html, useEffect, useMemo, useRef, useState } from "../../lib/ui.js";
import { ChangeButton, confirmed, note, Page, SearchBox, Tabs } from "../../lib/widgets.js";
import { request } from "../../lib/api.js";
import { count } from "../../lib/format.js";
import { usePoll } from "../../lib/poll.js";
import { go, setQuery } from "../../lib/router.js";
import { STATUSES } from "./chips.js";
import { matchingIds } from "./rows.js";
import { ChargePointTable } from "./table.js";
import { Refused } from "./refused.js";
import { eachOf } from "../call/run.js";

const VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];
const FILTERS = ["search", "version", "listener", "vendor", "model", "status"];
/** Most charge points that are disconnected at a time. */
const AT_ONCE = 8;

/** What the list said last: the rows in view, how many match, how many are connected. */
const NOTHING = { rows: [], matching: null, total: null };

export function ChargePointList({ query }) {
  const state = ["connected", "away", "refused"].includes(query.state) ? query.state : "connected";
  const [picked, setPicked] = useState(() => new Set());
  const [read, setRead] = useState(NOTHING);
  const [refused, setRefused] = useState(null);
  useEffect(() => {
    setPicked(new Set());
    setRead(NOTHING);
    setRefused(null);
  }, [state]);
  const filtered = FILTERS.some((name) => query[name]);
  const listed = { connected: read.total, away: filtered ? null : read.matching, refused: query.search ? null : refused }[state];
  const show = (next) => {
    const others = next === "refused" ? { version: "", listener: "", vendor: "", model: "", status: "" } : {};
    setQuery({ state: next === "connected" ? "" : next, sort: "", order: "", ...others });
  };
  return html`<${Page} title="Charge points">
    <${StateTabs} state=${state} listed=${listed} onChange=${show} />
    ${state === "refused"
      ? html`<${Refused} query=${query} onTotal=${setRefused} />`
      : html`<${Known} key=${state} state=${state} query=${query} picked=${picked} setPicked=${setPicked}
          read=${read} setRead=${setRead} />`}
  </${Page}>`;
}

/** `listed`: how many the list that is shown says, null if it does not say: newer than what the tabs read by themselves. */
function StateTabs({ state, listed, onChange }) {
  const every = { every: 10_000 };
  const connected = usePoll("/api/v1/charge-points", { query: { limit: 1 }, ...every });
  const away = usePoll("/api/v1/charge-points", { query: { limit: 1, state: "away" }, ...every });
  const refused = usePoll("/api/v1/refusals", { query: { limit: 1 }, ...every });
  // What the list said of the state before is newer than what was read here.
  const last = useRef(state);
  useEffect(() => {
    if (last.current !== state) [connected, away, refused].forEach((page) => page.reload());
    last.current = state;
  }, [state]);
  const number = (of, read) => count((of === state ? listed : null) ?? read);
  const items = [
    ["connected", `Connected ${number("connected", connected.data?.total)}`],
    ["away", `Away ${number("away", away.data?.matching)}`],
    ["refused", `Refused ${number("refused", refused.data?.total)}`],
  ];
  return html`<${Tabs} label="Which charge points" items=${items} value=${state} onChange=${onChange} />`;
}

function Known({ state, query, picked, setPicked, read, setRead }) {
  const { search, version, listener, vendor, model, status, sort, order } = query;
  const asked = useMemo(
    () => ({ state, search, version, listener, vendor, model, status, sort, order }),
    [state, search, version, listener, vendor, model, status, sort, order],
  );
  const filtered = FILTERS.some((name) => query[name]);
  const pick = (ids, yes) => setPicked((old) => {
    const next = new Set(old);
    for (const id of ids) yes ? next.add(id) : next.delete(id);
    return next;
  });
  const pickAll = async () => {
    if (picked.size) return setPicked(new Set());
    try {
      const { ids, matching } = await matchingIds(asked);
      setPicked(new Set(ids));
      if (matching > ids.length) note(`The first ${count(ids.length)} of ${count(matching)} are selected. Filter to select others.`);
    } catch (error) {
      note(error.message, "bad");
    }
  };
  const onSort = (key) => {
    // What is late or large is looked for first.
    const first = key === "id" ? "asc" : "desc";
    const again = key === (sort ?? "id");
    const next = again ? ((order ?? "asc") === "asc" ? "desc" : "asc") : first;
    setQuery({ sort: key === "id" ? "" : key, order: next === "asc" ? "" : next });
  };
  return html`<${Filters} query=${query} rows=${read.rows} />
    <div class="cp-bar">
      <p role="status">${countText(state, read, filtered)}
        ${filtered && html` <button type="button" class="link"
          onClick=${() => setQuery(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>Show all</button>`}</p>
      <${Bulk} picked=${picked} state=${state} clear=${() => setPicked(new Set())} />
    </div>
    <${ChargePointTable} query=${asked} picked=${picked} onPick=${pick} pickAll=${pickAll} onSort=${onSort} onRows=${setRead}
      empty=${emptyText(state, filtered)} />`;
}

function countText(state, { matching, total }, filtered) {
  if (matching === null) return "Reading…";
  if (!filtered) return `${count(matching)} ${state === "away" ? "away" : "connected"}`;
  return state === "away" ? `${count(matching)} match` : `${count(matching)} of ${count(total)} match`;
}

function emptyText(state, filtered) {
  if (filtered) return "No charge point matches. Look under Away and Refused too, or show all.";
  if (state === "away") return "No charge point has left since the gateway started.";
  return "No charge point is connected. Point one at ws://THIS HOST/ocpp/ITS IDENTITY, and look under Refused if it does not appear here.";
}

function Filters({ query, rows }) {
  const listeners = usePoll("/api/v1/listeners", { every: 10_000 }).data ?? [];
  const set = (name) => (event) => setQuery({ [name]: event.target.value });
  const seen = (name) => [...new Set(rows.map((row) => row[name]).filter(Boolean))].sort();
  const text = (name, label) => html`<${SearchBox} key=${name} value=${query[name] ?? ""} label=${label}
    onChange=${(value) => setQuery({ [name]: value })} list=${`cp-${name}`} />
    <datalist id=${`cp-${name}`}>${seen(name).map((value) => html`<option key=${value} value=${value}></option>`)}</datalist>`;
  return html`<div class="filters cp-filters">
    <${SearchBox} value=${query.search ?? ""} label="Identity, address, vendor or model" onChange=${(search) => setQuery({ search })} />
    <select aria-label="OCPP version" value=${query.version ?? ""} onChange=${set("version")}>
      <option value="">All versions</option>
      ${VERSIONS.map((version) => html`<option key=${version} value=${version}>${version.replace("ocpp", "OCPP ")}</option>`)}
    </select>
    ${(listeners.length > 1 || query.listener) && html`<select aria-label="Listener" value=${query.listener ?? ""}
      onChange=${set("listener")}>
      <option value="">All listeners</option>
      ${listeners.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select>`}
    ${text("vendor", "Vendor")} ${text("model", "Model")}
    <select aria-label="Status of a connector" value=${query.status ?? ""} onChange=${set("status")}>
      <option value="">Any connector status</option>
      ${STATUSES.map((status) => html`<option key=${status} value=${status}>${status}</option>`)}
    </select>
  </div>`;
}

function Bulk({ picked, state, clear }) {
  const ids = [...picked];
  const many = ids.length === 1 ? ids[0] : `${count(ids.length)} charge points`;
  const disconnect = async () => {
    const text = "Their connections are closed. They may connect again at once.";
    const yes = await confirmed({ title: `Disconnect ${many}?`, text, action: "Disconnect" });
    if (!yes) return;
    let failed = 0;
    const one = (id) => request(`/api/v1/charge-points/${encodeURIComponent(id)}`, { method: "DELETE" });
    await eachOf(ids, AT_ONCE, (id) => one(id).catch(() => (failed += 1)));
    if (failed) note(`${count(ids.length - failed)} disconnected, ${count(failed)} not: they may have left before.`, "bad");
    else note(`Disconnected: ${many}.`);
    clear();
  };
  return html`<div class=${`actions ${ids.length ? "" : "unseen"}`} aria-hidden=${ids.length === 0}>
    <span>${count(ids.length)} selected</span>
    <button type="button" onClick=${() => go(["call"], { to: ids.map(encodeURIComponent).join(",") })}
      disabled=${!ids.length}>Send a CALL…</button>
    ${state !== "away" && html`<${ChangeButton} class="danger" onClick=${disconnect}
      disabled=${!ids.length}>Disconnect…</${ChangeButton}>`}
    <button type="button" class="link" onClick=${clear} disabled=${!ids.length}>Select none</button>
  </div>`;
}
