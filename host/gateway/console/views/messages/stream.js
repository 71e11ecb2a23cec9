// Follows the messages of a charge point, and says when the list has changed: at most once in a frame.
import { html, useEffect, useReducer, useRef, useState } from "../../lib/ui.js";
import { follow } from "../../lib/api.js";
import { useMe } from "../../lib/poll.js";
import { MessageLog } from "./log.js";

/** Milliseconds between two drawings: more would be faster than the eye reads. */
const DRAW_EVERY = 100;

/**
 * `{log, state, changed}`: `state` is `open`, `lost`, an `ApiError`, or null before the first answer; call `changed()` after a change.
 * `onLine(line)` is called with each line.
 */
export function useMessages(id, onLine) {
  const { payloads } = useMe();
  const log = useRef(null);
  const heard = useRef(null);
  heard.current = onLine;
  const [state, setState] = useState(null);
  const [, changed] = useReducer((count) => count + 1, 0);
  if (log.current?.id !== id) log.current = { id, log: new MessageLog() };
  useEffect(() => {
    const stop = new AbortController();
    const kept = log.current.log;
    const draw = drawing(() => {
      if (kept.drain()) draw.soon();
      changed();
    });
    log.current.draw = draw;
    follow("/api/v1/messages", {
      // The parameter is a glob: an identity with `*` or `?` in it matches others too.
      query: { charge_point: id, payload: payloads || undefined, trace: payloads || undefined },
      signal: stop.signal,
      onState: (now) => stop.signal.aborted || setState(now),
      onEvent: (name, line, text) => {
        const whose = line.charge_point ?? line.identity;
        // Refusals of clients without an identity go to all who watch.
        if (whose !== id && (whose !== undefined || line.event === "refused")) return;
        if (line.event === "swap" || line.event === "trial") return;
        heard.current?.({ ...line, event: line.event ?? name });
        kept.add({ ...line, event: line.event ?? name }, text);
        draw.soon();
      },
    });
    return () => {
      stop.abort();
      draw.cancel();
    };
  }, [id, payloads]);
  return { log: log.current.log, state, changed: () => (changed(), log.current.draw?.soon()) };
}

function drawing(changed) {
  let timer = null;
  let frame = null;
  return {
    soon() {
      timer ??= setTimeout(() => {
        frame = requestAnimationFrame(() => {
          timer = null;
          changed();
        });
      }, DRAW_EVERY);
    },
    cancel() {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    },
  };
}

/** What the stream is doing, in words; nothing while all is well. */
export function StreamState({ state }) {
  if (state === null) return html`<span class="soft">Connecting…</span>`;
  if (state === "open") return null;
  if (state === "lost") return html`<span class="fault">The stream was interrupted. Trying again.</span>`;
  return html`<span class="fault">${state.message}</span>`;
}
