// Hooks that read from the API.
import { connection, dataAhead, me, request } from "./api.js";
import { useEffect, useRef, useState, useCallback, useLayoutEffect } from "./ui.js";

/** The value of a `Store`, now and after each change. */
export function useStore(store) {
  const [value, set] = useState(store.value);
  useEffect(() => {
    set(store.value);
    return store.subscribe(set);
  }, [store]);
  return value;
}

/** What `/api/v1/me` says: `{token, may_change, payloads, gateway}`. */
export function useMe() {
  const value = useStore(me);
  return value && value !== "unauthorized" ? value : { may_change: false, payloads: false };
}

/**
 * Calls `load` when the gateway answers again, when the tab becomes visible, and every `every` milliseconds while it is (0: not).
 * Returns a function that ends this.
 */
export function repeat(load, every) {
  const whenVisible = () => document.hidden || load();
  const timer = every ? setInterval(whenVisible, every) : null;
  document.addEventListener("visibilitychange", whenVisible);
  const back = connection.subscribe((now) => now === "online" && load());
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", whenVisible);
    back();
  };
}

/**
 * Reads a page of the API, and again every `every` milliseconds (0: once) while the tab is visible. Returns `{data, error, reload}`.
 * `data` stays while it is read again, and is null while a page is read for the first time. `path` null: nothing is read.
 */
export function usePoll(path, { query, every = 0 } = {}) {
  const key = path && path + JSON.stringify(query ?? {});
  const [state, setState] = useState(() => {
    const data = path && !query ? dataAhead(path) : undefined;
    return data === undefined ? { key: null, data: null, error: null } : { key, data, error: null };
  });
  const latest = useRef(null);
  const load = useCallback(async () => {
    if (!path) return;
    latest.current?.abort();
    const abort = (latest.current = new AbortController());
    try {
      const data = await request(path, { query, signal: abort.signal });
      if (abort.signal.aborted) return;
      setState((old) => (old.key === key && old.data === data && !old.error ? old : { key, data, error: null }));
    } catch (error) {
      if (error.name === "AbortError") return;
      setState((old) => ({ key, data: old.key === key ? old.data : null, error }));
    }
  }, [key]);
  // Asked before the first drawing is on the screen, not after it.
  useLayoutEffect(() => {
    load();
    const stop = repeat(load, every);
    return () => {
      stop();
      latest.current?.abort();
    };
  }, [load, every]);
  const current = state.key === key ? state : { data: null, error: null };
  return { data: current.data, error: current.error, reload: load };
}

/** Listeners and their timer, by milliseconds: many times on a page share one timer, and change together. */
const clocks = new Map();

function everyTick(every, listener) {
  const clock = clocks.get(every) ?? { listeners: new Set(), timer: null };
  clocks.set(every, clock);
  clock.listeners.add(listener);
  clock.timer ??= setInterval(() => {
    const now = Date.now();
    if (!document.hidden) clock.listeners.forEach((tell) => tell(now));
  }, every);
  return () => {
    clock.listeners.delete(listener);
    if (clock.listeners.size) return;
    clearInterval(clock.timer);
    clocks.delete(every);
  };
}

/** The time now, again every `every` milliseconds, so that "3 s ago" is true. */
export function useNow(every = 1000) {
  const [now, set] = useState(Date.now());
  useEffect(() => everyTick(every, set), [every]);
  return now;
}
