// Messages that pass the gateway now, to choose one.
import { follow } from "../../lib/api.js";
import { preciseClock } from "../../lib/format.js";
import { html, useEffect, useState } from "../../lib/ui.js";
import { Badge, Failure } from "../../lib/widgets.js";

/** It stops by itself after this many milliseconds, and after this many messages. */
const FOLLOWS_FOR = 20_000;
const MOST = 200;

/** `onPick(given)`: what `handedOver` takes. */
export function LiveMessages({ onPick, onClose }) {
  const [round, setRound] = useState(0);
  const { lines, error, follows, stop } = useMessages(round);
  const [search, setSearch] = useState("");
  const text = search.toLowerCase();
  const shown = lines.filter(({ line }) => `${line.charge_point} ${line.action} ${line.type}`.toLowerCase().includes(text));
  return html`<div class="play-live" role="group" aria-label="Live messages">
    <div class="filters">
      <input type="search" aria-label="Charge point or action" placeholder="Charge point or action" value=${search}
        onInput=${(event) => setSearch(event.target.value)} />
      <button type="button" onClick=${follows ? stop : () => setRound(round + 1)}>${follows ? "Stop" : "Follow again"}</button>
      <button type="button" onClick=${onClose}>Close</button>
    </div>
    <${Failure} error=${error} />
    <div class="play-live-list">
      <table>
        <thead><tr>${["Time", "Charge point", "From", "Message"].map((text) => html`<th key=${text} scope="col">${text}</th>`)}</tr></thead>
        <tbody>
          ${shown.map(({ key, line }) => html`<tr key=${key}>
            <td class="mono">${preciseClock(line.time)}</td><td>${line.charge_point}</td>
            <td>${line.direction === "uplink" ? "charge point" : "back end"}</td>
            <td>
              <button type="button" class="link" onClick=${() => onPick(given(line))}>${line.action ?? line.type ?? "message"}</button>
              ${" "}${line.type && line.type !== "CALL" && html`<${Badge}>${line.type}</${Badge}>`}
            </td>
          </tr>`)}
        </tbody>
      </table>
      ${!shown.length && html`<p class="empty">${follows ? "Waiting for messages…" : "None. Follow again, or take an example."}</p>`}
    </div>
  </div>`;
}

/** The messages since this round began. New ones stand below, so that what is pointed at stays where it is. */
function useMessages(round) {
  const [state, set] = useState({ lines: [], error: null, follows: true, stop: () => {} });
  useEffect(() => {
    const abort = new AbortController();
    const stop = () => (abort.abort(), set((old) => ({ ...old, follows: false })));
    let [lines, frame] = [[], null];
    const draw = () => ((frame = null), set((old) => ({ ...old, lines })));
    const onEvent = (name, line) => {
      if (name !== "message" || (!line.frame && line.message?.payload === undefined)) return;
      lines = [...lines, { key: lines.length, line }];
      frame ??= requestAnimationFrame(draw);
      if (lines.length >= MOST) stop();
    };
    const onState = (now) => now instanceof Error && set((old) => ({ ...old, error: now, follows: false }));
    set({ lines: [], error: null, follows: true, stop });
    follow("/api/v1/messages", { query: { payload: true }, signal: abort.signal, onEvent, onState });
    const timer = setTimeout(stop, FOLLOWS_FOR);
    return () => {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      abort.abort();
    };
  }, [round]);
  return state;
}

function given({ charge_point: id, version, attributes, frame, message, action, direction }) {
  return { charge_point: { id, version, attributes }, action, ...(direction === "uplink" ? { frame } : { message }) };
}
