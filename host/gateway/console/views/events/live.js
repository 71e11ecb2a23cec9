// The list of events, with filters and a pause.
import { html, useEffect, useState } from "../../lib/ui.js";
import { preciseClock, count, clock } from "../../lib/format.js";
import { setQuery } from "../../lib/router.js";
import { ApiError } from "../../lib/api.js";
import { Badge, Empty, Failure, SearchBox, Section } from "../../lib/widgets.js";
import { useEvents } from "./stream.js";
import { KINDS, Sentence } from "./sentence.js";

/** `kind`, `chargePoint`: the filters; empty: all. */
export function Live({ kind, chargePoint }) {
  const [paused, setPaused] = useState(false);
  const [held, setHeld] = useState(false);
  const { events, state, waiting, error } = useEvents({ kind, chargePoint, paused: paused || held });
  return html`<${Section}>
    <div class="filters">
      <label>Kind <select value=${kind} onChange=${(event) => setQuery({ event: event.target.value })}>
        <option value="">All events</option>
        ${Object.entries(KINDS).map(([key, [name]]) => html`<option key=${key} value=${key}>${name}</option>`)}
      </select></label>
      <${SearchBox} label="Charge point: whole identity" value=${chargePoint}
        onChange=${(text) => setQuery({ charge_point: text.trim() })} />
      <button type="button" class="pause" aria-pressed=${paused ? "true" : "false"} onClick=${() => setPaused(!paused)}>
        ${paused ? "Go on" : "Pause"}
      </button>
      <${Stream} state=${state} paused=${paused} held=${held} waiting=${waiting} />
    </div>
    <${Failure} error=${error} kept=${Boolean(events)} />
    ${state instanceof ApiError && html`<${Failure} error=${state} />`}
    ${events?.length > 0 && html`<${List} events=${events} hold=${setHeld} />`}
    ${events?.length === 0 && html`<${None} filtered=${kind || chargePoint} />`}
  <//>`;
}

const STATES = { open: ["ok", "live"], lost: ["bad", "lost: trying again"], connecting: ["none", "connecting"] };

function Stream({ state, paused, held, waiting }) {
  const [tone, words] = state instanceof ApiError ? ["bad", "not live"] : paused ? ["warn", "paused"] : STATES[state];
  // A held list is live again by itself: it is not said aloud.
  return html`<span role="status"><${Badge} tone=${tone}>${words}<//></span>
    ${(paused || held) && waiting > 0 && html`<small>${count(waiting)} new${paused ? "" : ", once you point elsewhere"}</small>`}`;
}

function None({ filtered }) {
  if (!filtered) return html`<${Empty}>No event since the start of the gateway. Events appear here as they happen.<//>`;
  const all = () => setQuery({ event: "", charge_point: "" });
  return html`<${Empty}>No such event since the start of the gateway.
    ${" "}<button type="button" class="link" onClick=${all}>Show all events</button>
  <//>`;
}

// Roles are explicit: a narrow window lays rows out as blocks, and browsers then no longer see a table.
//
// Names of focus events are in lower case: this version of the view library does not know them otherwise.
// The list holds still while the mouse or the keyboard is in it: no link moves away from under the pointer.
function List({ events, hold }) {
  useEffect(() => () => hold(false), []);
  const mouse = (over) => (event) => event.pointerType === "mouse" && hold(over);
  const left = (event) => event.currentTarget.contains(event.relatedTarget) || hold(false);
  return html`<table class="events" role="table" onPointerEnter=${mouse(true)} onPointerLeave=${mouse(false)}
    onfocusin=${() => hold(true)} onfocusout=${left}>
    <caption class="visually-hidden">Events, latest first</caption>
    <thead role="rowgroup"><tr role="row">
      ${["Time", "Kind", "What happened"].map((name) => html`<th role="columnheader" scope="col" key=${name}>${name}</th>`)}
    </tr></thead>
    <tbody role="rowgroup">${events.map((event) => html`<${Row} key=${event.key} event=${event} />`)}</tbody>
  </table>`;
}

function Row({ event }) {
  const [name, tone] = KINDS[event.event] ?? [event.event, "none"];
  return html`<tr role="row">
    <td role="cell" class="event-time"><time datetime=${event.time} title=${clock(event.time)}>${moment(event.time)}</time></td>
    <td role="cell"><${Badge} tone=${tone}>${name}<//></td>
    <td role="cell"><${Sentence} event=${event} /></td>
  </tr>`;
}

/** Milliseconds tell the order of what happens together; for other days, the date is more. */
function moment(time) {
  const today = new Date(time).toDateString() === new Date().toDateString();
  return today ? preciseClock(time) : clock(time);
}
