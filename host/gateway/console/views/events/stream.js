// The events of the gateway: those that it remembers, and those that come, in one list.
import { useCallback, useEffect, useRef, useState } from "../../lib/ui.js";
import { follow, request } from "../../lib/api.js";

/** So many are shown; older ones go. */
const MOST = 500;
/** Milliseconds between two changes of the list: at a thousand events a second, it changes five times a second. */
const GATHER = 200;

/** Latest first, each once. Events have no number: two are the same if all of their members are. */
export function joined(...lists) {
  const seen = new Set();
  const all = lists.flat().filter((event) => {
    event.key ??= JSON.stringify(event);
    return !seen.has(event.key) && seen.add(event.key);
  });
  return all.sort((one, other) => (one.time < other.time ? 1 : one.time > other.time ? -1 : 0)).slice(0, MOST);
}

/** Whether the filters show this event. A gap in the stream is always shown. */
export function matches(event, { kind, chargePoint }) {
  if (event.event === "missed") return true;
  return (!kind || event.event === kind) && (!chargePoint || (event.charge_point ?? event.identity) === chargePoint);
}

/**
 * `{events, state, waiting, error}`: `events`: latest first, null before the first answer; `state`: connecting, open, lost, or an
 * `ApiError` that ended the stream; `waiting`: events that came while `paused`.
 */
export function useEvents({ kind, chargePoint, paused }) {
  const [shown, setShown] = useState({ of: null, events: null, error: null });
  const [state, setState] = useState("connecting");
  const [waiting, setWaiting] = useState(0);
  const pausedNow = useRef(paused);
  pausedNow.current = paused;
  const came = useRef([]);
  const key = JSON.stringify([kind, chargePoint]);
  const show = useCallback(() => {
    const added = came.current;
    came.current = [];
    setWaiting(0);
    if (added.length) setShown((old) => ({ of: key, error: old.of === key ? old.error : null, events: joined(added, before(old, key)) }));
  }, [key]);
  useEffect(() => {
    if (!paused) show();
  }, [paused]);
  useEffect(() => {
    came.current = [];
    setWaiting(0);
    let timer = null;
    const flush = () => {
      timer = null;
      if (pausedNow.current) setWaiting(came.current.length);
      else show();
    };
    const add = (event) => {
      if (!matches(event, { kind, chargePoint })) return;
      came.current = [event, ...came.current].slice(0, MOST);
      timer ??= setTimeout(flush, GATHER);
    };
    const remembered = (signal) =>
      request("/api/v1/events/recent", { query: { limit: MOST, event: kind, charge_point: chargePoint }, signal }).then(
        ({ events }) => signal.aborted || setShown((old) => ({ of: key, events: joined(events, before(old, key)), error: null })),
        (error) => error.name === "AbortError" || setShown((old) => ({ of: key, events: old.of === key ? old.events : null, error })),
      );
    const end = whileVisible((signal) => {
      const opened = (now) => {
        setState(now);
        // Once the stream is open, so that nothing between the two is lost.
        if (now === "open") remembered(signal);
      };
      remembered(signal);
      follow("/api/v1/events", { signal, onState: opened, onEvent: (name, event) => add(name === "missed" ? gap(event) : event) });
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [key]);
  const current = shown.of === key ? shown : { events: null, error: null };
  return { ...current, state, waiting };
}

/** The events that are shown already, if they are those of the filters `key`. */
function before({ of, events }, key) {
  return of === key ? events ?? [] : [];
}

/** A gap in the stream has no time of its own. */
function gap({ missed }) {
  return { event: "missed", missed, time: new Date().toISOString() };
}

/** Runs `begin(signal)` while the tab is visible: a hidden tab holds no place among those that watch. Returns what ends it. */
function whileVisible(begin) {
  let abort = null;
  const changed = () => {
    if (document.hidden) {
      abort?.abort();
      abort = null;
    } else if (!abort) {
      abort = new AbortController();
      begin(abort.signal);
    }
  };
  changed();
  document.addEventListener("visibilitychange", changed);
  return () => {
    document.removeEventListener("visibilitychange", changed);
    abort?.abort();
  };
}
